"""One round of a strategy of Flower's, of either API, on a matrix of updates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.common import Code, FitRes, Parameters, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import strategy as former
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from fedlens.bridges.flower.compat import identify
from fedlens.bridges.flower.kept import kept_of, restore
from fedlens.bridges.flower.screened import key_of
from fedlens.core.layout import Layout
from fedlens.defences.stage import Server, Updates

FEWEST = 2
"""Nodes that Flower's strategies wait for, by default, before they do anything."""

Made = Callable[[], Any]


def is_strategy(thing: object) -> bool:
    """Tell whether this is a strategy of either API."""
    return isinstance(thing, Strategy | former.Strategy)


def placeholders(maker: Callable[..., object]) -> dict[str, Any]:
    """Return what a strategy of the former API asks for, and is told in each round: the weights to begin with."""
    try:
        asked = signature(maker).parameters
    except (TypeError, ValueError):
        return {}
    return {"initial_parameters": Parameters([], "numpy.ndarray")} if "initial_parameters" in asked else {}


def aggregated(
    make: Made, updates: Updates, server: Server, kept: Mapping[str, Tensor]
) -> tuple[Tensor | None, dict[str, Tensor]]:
    """Return the change of the global weights (``[d]``) that a strategy makes of these updates, and what it then keeps.

    Args:
        make: makes the strategy.
        updates: a row for each client.
        server: its weights, layout and round.
        kept: what a strategy before it kept.

    Returns:
        No change where the strategy leaves nothing.
    """
    identify()
    with _quiet():
        strategy, fresh = make(), make()
        restore(strategy, kept)
        play = _message_round if isinstance(strategy, Strategy) else _former_round
        arrays = play(strategy, updates, server)
    if arrays is None:
        return None, dict(kept)
    row = _row(arrays, server.layout)
    return row.to(server.weights) - server.weights, kept_of(strategy, fresh)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Flower from telling of each round whom it chose, who answered and what it leaves out."""
    log = logging.getLogger("flwr")
    level = log.level
    log.setLevel(max(level, logging.ERROR))
    try:
        yield
    finally:
        log.setLevel(level)


def _message_round(strategy: Strategy, updates: Updates, server: Server) -> dict[str, NDArray[Any]] | None:
    count, key = len(updates.rows), key_of(strategy) or "num-examples"
    nodes = Nodes(max(count, getattr(strategy, "min_available_nodes", FEWEST), getattr(strategy, "min_train_nodes", 0)))
    sent = _record(server.weights, server.layout)
    list(strategy.configure_train(server.round, sent, ConfigRecord(), nodes))
    replies = []
    for place, (row, weight) in enumerate(zip(updates.rows, updates.weights.tolist(), strict=True)):
        request = Message(content=RecordDict({"config": ConfigRecord()}), dst_node_id=place + 1, message_type="train")
        content = RecordDict(
            {"arrays": _record(server.weights + row, server.layout), "metrics": MetricRecord({key: weight})}
        )
        replies.append(Message(content=content, reply_to=request))
    arrays, _ = strategy.aggregate_train(server.round, replies)
    return None if arrays is None else {name: array.numpy() for name, array in arrays.items()}


def _former_round(strategy: Any, updates: Updates, server: Server) -> dict[str, NDArray[Any]] | None:
    names = [part.name for part in server.layout.slices]
    sent = ndarrays_to_parameters(_list(server.weights, server.layout))
    if "current_weights" in vars(strategy):
        strategy.current_weights = parameters_to_ndarrays(sent)
    strategy.configure_fit(server.round, sent, _Manager(len(updates.rows)))
    results = [
        (_Client(str(place)), FitRes(Status(Code.OK, ""), _parameters(server.weights + row, server.layout), weight, {}))
        for place, (row, weight) in enumerate(zip(updates.rows, updates.weights.tolist(), strict=True))
    ]
    parameters, _ = strategy.aggregate_fit(server.round, results, [])
    return None if parameters is None else dict(zip(names, parameters_to_ndarrays(parameters), strict=True))


def _list(row: Tensor, layout: Layout) -> list[NDArray[Any]]:
    return [tensor.detach().cpu().contiguous().numpy().copy() for tensor in layout.split(row).values()]


def _record(row: Tensor, layout: Layout) -> ArrayRecord:
    names = [part.name for part in layout.slices]
    return ArrayRecord({name: Array(array) for name, array in zip(names, _list(row, layout), strict=True)})


def _parameters(row: Tensor, layout: Layout) -> Parameters:
    return ndarrays_to_parameters(_list(row, layout))


def _row(arrays: Mapping[str, NDArray[Any]], layout: Layout) -> Tensor:
    return torch.cat([part.flat(torch.from_numpy(arrays[part.name].copy()).float()) for part in layout.slices])


class Nodes(Grid):
    """A grid of so many nodes, which sends nothing."""

    def __init__(self, count: int) -> None:
        self.count = count

    @override
    def get_node_ids(self) -> Sequence[int]:
        return range(1, self.count + 1)

    @override
    def set_run(self, run: Any) -> None:
        raise NotImplementedError

    @property
    @override
    def run(self) -> Any:
        raise NotImplementedError

    @override
    def create_message(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    @override
    def push_messages(self, messages: Any) -> Any:
        raise NotImplementedError

    @override
    def pull_messages(self, message_ids: Any) -> Any:
        raise NotImplementedError

    @override
    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> Any:
        raise NotImplementedError


class _Client:
    """What a strategy of the former API wants to know of a client."""

    def __init__(self, cid: str) -> None:
        self.cid = cid


class _Manager:
    """What it wants to know of all of them."""

    def __init__(self, count: int) -> None:
        self.count = count

    def num_available(self) -> int:
        return self.count

    def sample(self, num_clients: int, min_num_clients: int | None = None, criterion: object = None) -> list[_Client]:
        del min_num_clients, criterion
        return [_Client(str(place)) for place in range(num_clients)]
