"""Messages of Flower as tests make them, without any process of Flower's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from fedlens.bridges.flower.adapting import Nodes
from fedlens.bridges.flower.compat import identify

identify()

Arrays = dict[str, NDArray[Any]]


def record(arrays: Arrays) -> ArrayRecord:
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in arrays.items()})


def request(node: int, arrays: Arrays, round_: int = 1) -> Message:
    content = RecordDict({"arrays": record(arrays), "config": ConfigRecord({"server-round": round_})})
    return Message(content=content, dst_node_id=node, message_type="train")


def reply(node: int, arrays: Arrays, examples: Any = 100, *, name: str = "arrays", **metrics: float) -> Message:
    counted = {} if examples is None else {"num-examples": examples}
    content = RecordDict({name: record(arrays), "metrics": MetricRecord({**metrics, **counted})})
    return Message(content=content, reply_to=request(node, arrays))


def error(node: int, arrays: Arrays) -> Message:
    return Message(error=Error(code=3, reason="out of memory"), reply_to=request(node, arrays))


def aggregated(strategy: Any, sent: Arrays, replies: Sequence[Message], round_: int = 1) -> Arrays | None:
    """What a strategy makes of a round's replies."""
    list(strategy.configure_train(round_, record(sent), ConfigRecord(), Nodes(max(len(replies), 2))))
    arrays, _ = strategy.aggregate_train(round_, replies)
    return None if arrays is None else {name: array.numpy() for name, array in arrays.items()}
