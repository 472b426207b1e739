"""A Flower federation in this process: the user's ServerApp and ClientApp, without Ray and without any other process.

Every call of the client app is seeded by node and turn, and the server's generators go on as if it had not been
called, so that the same bits come twice, and honest clients answer alike whether somebody beside them attacks or not.
Messages are copied on their way, as they are where they travel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from threading import RLock
from types import SimpleNamespace
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from numpy.typing import NDArray

from fedlens.bridges.flower.compat import final_arrays, identify
from fedlens.bridges.flower.replies import arrays_of
from fedlens.core.errors import ConfigError, FedlensError, cut
from fedlens.core.origin import told
from fedlens.core.random import Address, seeded

RUN = 1
RAISED = 2
"""Flower's code of an error that a client app has raised."""

Arrays = dict[str, NDArray[Any]]
Config = Mapping[str, bool | float | int | str]


@dataclass(frozen=True)
class Exchange:
    """What the server sent to be trained, and what came back.

    Attributes:
        sent: the global weights.
        replies: what each client sent, by its partition, without those that ended with an error.
        examples: on how many samples each says that it trained, where it says so.
        errors: what else happened, by partition.

    Example:
        >>> from fedlens.bridges.flower import Exchange
        >>> Exchange({}).replies
        {}
    """

    sent: Arrays
    replies: dict[int, Arrays] = field(default_factory=dict)
    examples: dict[int, float] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    def sorted(self) -> Exchange:
        """Return the same by ascending partitions."""
        replies, examples = dict(sorted(self.replies.items())), dict(sorted(self.examples.items()))
        return Exchange(self.sent, replies, examples, dict(sorted(self.errors.items())))


@dataclass(frozen=True)
class Played:
    """A federation that has been played.

    Attributes:
        rounds: what was sent and came back in each.
        arrays: the global weights in the end; ``None`` if there were no rounds.

    Example:
        >>> from fedlens.bridges.flower import Played
        >>> Played([], None).models
        []
    """

    rounds: Sequence[Exchange]
    arrays: Arrays | None

    @property
    def models(self) -> list[Arrays]:
        """The global weights after each round."""
        later = [exchange.sent for exchange in self.rounds[1:]]
        return later if self.arrays is None else [*later, self.arrays]


def play(
    server: ServerApp,
    client: ClientApp | Callable[[Message, Context], Message],
    *,
    nodes: int,
    seed: int = 0,
    run_config: Config | None = None,
    node_config: Callable[[int], Config] | None = None,
) -> Played:
    """Play a federation.

    Args:
        server: the user's.
        client: the user's, or an `Attacked` one; the same for all nodes, which tell it who they are.
        nodes: how many there are.
        seed: where random draws begin.
        run_config: of the app, as in its ``pyproject.toml``.
        node_config: what each node is told of itself, by its partition; by default ``partition-id`` and
            ``num-partitions``.

    Raises:
        ConfigError: there are no nodes, or an attack does not suit the app.
        ClientError: an attack failed.

    Example:
        >>> import numpy as np
        >>> from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
        >>> from flwr.clientapp import ClientApp
        >>> from flwr.serverapp import ServerApp
        >>> from flwr.serverapp.strategy import FedAvg
        >>> from fedlens.bridges.flower import play
        >>> client, server = ClientApp(), ServerApp()
        >>> @client.train()
        ... def train(message, context):
        ...     weights = message.content["arrays"]["w"].numpy() + context.node_config["partition-id"]
        ...     content = {"arrays": ArrayRecord({"w": Array(weights)}), "metrics": MetricRecord({"num-examples": 10})}
        ...     return Message(RecordDict(content), reply_to=message)
        >>> @server.main()
        ... def main(grid, context):
        ...     FedAvg(fraction_evaluate=0.0).start(grid, ArrayRecord({"w": Array(np.zeros(2))}), num_rounds=2)
        >>> play(server, client, nodes=3).arrays["w"]
        array([2., 2.])
    """
    if nodes < 1:
        raise ConfigError(f"nodes: at least one is needed, not {nodes}; e.g. nodes=10")
    identify()
    root = Address.root(seed)
    grid = Here(client, nodes, root.at("nodes"), run_config or {}, node_config)
    context = Context(RUN, 0, {}, RecordDict(), dict(run_config or {}))
    with seeded(root.at("server")), final_arrays() as final:
        try:
            server(grid, context)
        finally:
            if grid.refusal is not None:  # which the former API takes for a client's failure
                raise grid.refusal
    found = final()
    rounds = grid.rounds
    return Played(rounds, found if rounds else None)


class Here(Grid):
    """A grid whose nodes are this process.

    Args:
        client: what each of them runs.
        count: how many there are.
        address: where draws begin.
        run_config: of the app.
        node_config: what each is told of itself.
    """

    def __init__(
        self,
        client: ClientApp | Callable[[Message, Context], Message],
        count: int,
        address: Address,
        run_config: Config,
        node_config: Callable[[int], Config] | None,
    ) -> None:
        self.client, self.count, self.address = client, count, address
        self._exchanges: dict[str, Exchange] = {}
        self._lock = RLock()
        self._contexts = {
            part + 1: Context(
                RUN,
                part + 1,
                dict(node_config(part) if node_config else {"partition-id": part, "num-partitions": count}),
                RecordDict(),
                dict(run_config),
            )
            for part in range(count)
        }
        self._turns: dict[tuple[int, str], int] = {}
        self._answers: dict[str, Message] = {}
        self.refusal: FedlensError | None = None

    def set_run(self, run: Any) -> None:
        """Do nothing: there is one run."""

    @property
    def run(self) -> Any:
        """What Flower asks of a run: its number."""
        return SimpleNamespace(run_id=RUN)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str = "",
        ttl: float | None = None,
    ) -> Message:
        """Make a message."""
        return Message(content, dst_node_id, message_type, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> Iterable[int]:
        """List the nodes."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Let nodes answer; return the numbers of the answers."""
        numbers = []
        for answer in self._answered(list(messages)):
            number = str(len(self._answers))
            self._answers[number] = answer
            numbers.append(number)
        return numbers

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return answers by their numbers."""
        return [self._answers[number] for number in message_ids if number in self._answers]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Let nodes answer."""
        del timeout
        return self._answered(list(messages))

    def _answered(self, messages: Sequence[Message]) -> list[Message]:
        with self._lock:  # the former API asks each client in a thread
            answers = [self._answer(message) for message in messages]
            training = [pair for pair in zip(messages, answers, strict=True) if _trains(pair[0])]
            if training:
                first = training[0][0]
                group = first.metadata.group_id or f"batch {len(self._exchanges)}"
                exchange = self._exchanges.setdefault(group, Exchange(_arrays_in(first)))
                for pair in training:
                    _note(exchange, *pair)
        return answers

    @property
    def rounds(self) -> list[Exchange]:
        """What was sent and came back in each round."""
        return [exchange.sorted() for exchange in self._exchanges.values()]

    def _answer(self, message: Message) -> Message:
        node, kind = message.metadata.dst_node_id, message.metadata.message_type
        turn = self._turns.get((node, kind), 0)
        self._turns[node, kind] = turn + 1
        sent = Message(deepcopy(message.content), node, kind, group_id=message.metadata.group_id)
        with seeded(self.address.at(kind, node, turn)):
            try:
                answer = self.client(sent, self._contexts[node])
            except FedlensError as error:  # which says what to put right
                self.refusal = self.refusal or error
                raise
            except Exception as error:  # as a SuperNode does
                return Message(Error(RAISED, cut(told(error), 400)), reply_to=sent)
        return answer if answer.has_error() else Message(deepcopy(answer.content), reply_to=sent)


def _trains(message: Message) -> bool:
    """Tell whether it asks for training, of either API."""
    kind = message.metadata.message_type.partition(".")[0]
    return kind == "train" and len(message.content.array_records) == 1


def _arrays_in(message: Message) -> Arrays:
    return arrays_of(next(iter(message.content.array_records.values())))


def _note(exchange: Exchange, message: Message, answer: Message) -> None:
    """Note an answer at once, for strategies consume what they aggregate."""
    part = message.metadata.dst_node_id - 1
    if answer.has_error():
        exchange.errors[part] = str(answer.error.reason)
        return
    if len(answer.content.array_records) == 1:
        exchange.replies[part] = _arrays_in(answer)
    counts = [
        count
        for record in (*answer.content.metric_records.values(), *answer.content.config_records.values())
        for name, count in record.items()
        if name in {"num-examples", "num_examples"} and isinstance(count, int | float)
    ]
    if counts:
        exchange.examples[part] = float(counts[0])
