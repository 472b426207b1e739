"""A strategy of Flower that aggregates by fedlens: any chain of checks, filters, mixing, a rule, a server optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from numpy.typing import NDArray

from fedlens.bridges.flower.replies import arrays_of, as_replies, count_at_most
from fedlens.bridges.flower.screened import log as logger
from fedlens.bridges.flower.screened import tell
from fedlens.bridges.wire.codec import Codec
from fedlens.bridges.wire.judging import Checks, shares
from fedlens.bridges.wire.screen import Screen
from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.defences.links import Link
from fedlens.defences.server_step import server_step
from fedlens.defences.stage import Server, State, Updates
from fedlens.simulation.guarded import begun, guarded


class ByRule(FedAvg):
    """FedAvg's federation with another aggregation: a rule of fedlens, or a chain, of updates in place of weights.

    Replies are screened as by `Screened`. What stages keep is kept in this object. Metrics are averaged as FedAvg does.

    Args:
        chain: a rule, its name, or a list of stages, as an experiment's ``aggregation``.
        checks: see `Screened`.
        log: see `Screened`.
        record: see `Screened`.
        cap: see `Screened`.
        least: the fewest replies that are aggregated; by default what the chain needs.
        seed: where random draws begin, of rules that make any.
        options: FedAvg's.

    Raises:
        ConfigError: there is no such chain, or it needs samples or the model, which this server does not have; or see
            `Screened`.

    Example:
        >>> from fedlens.bridges.flower import ByRule
        >>> strategy = ByRule(["distances", {"name": "krum", "f": 1}], fraction_evaluate=0.5, cap=2.0)
        >>> str(strategy.chain), strategy.screen.least
        ('distances+krum', 5)
    """

    def __init__(
        self,
        chain: Chain | Link | str | Sequence[Any],
        checks: Checks = (),
        *,
        log: str | Path | None = None,
        record: str | Path | None = None,
        cap: float | None = None,
        least: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.chain = Chain.of(chain)
        if self.chain.needs_root or self.chain.needs_model:
            what = "samples of the server's own" if self.chain.needs_root else "the model"
            raise ConfigError(f"ByRule: {self.chain} needs {what}, which this server does not have; choose another")
        self.stages = self.chain.whole
        fewest = self.chain.minimum if least is None else least
        self.screen = Screen(checks, log=log, record=record, cap=cap, least=fewest)
        self.address = Address.root(seed)
        self.states: tuple[State, ...] | None = None
        self._sent: dict[str, NDArray[Any]] | None = None

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note what is sent."""
        self._sent = arrays_of(arrays)
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Aggregate what passes; ``None`` where that is too little, so that the model stays."""
        if self._sent is None:
            raise ConfigError("ByRule: aggregate_train was called before configure_train, which says what was sent")
        messages = list(replies)
        found = as_replies(messages, self.weighted_by_key, weighted=True)
        passed = self.screen.passed(server_round, self._sent, found)
        tell(passed)
        if not passed.kept:
            return None, None
        codec = Codec.of(self._sent)
        start = codec.row(self._sent)
        if self.states is None:
            self.states = tuple(begun(stage, codec.layout.parameters) for stage in self.stages)
        clients = tuple(messages[place].metadata.src_node_id for place in passed.kept)
        server = Server(server_round, start, codec.layout, clients, self.address.at("rule", server_round))
        updates = Updates.received(passed.rows, shares(passed.examples))
        step = server_step(self.stages, updates, server, self.states, partial(guarded))
        for place, most in zip(passed.kept, passed.examples, strict=True):
            count_at_most(messages[place], self.weighted_by_key, most)
        kept = [messages[place].content for place in passed.kept]
        metrics = self.train_metrics_aggr_fn(kept, self.weighted_by_key)
        if step.skipped is not None:
            logger.warning("round %d: the model stays as it is: %s", server_round, step.skipped)
            return None, metrics
        self.states = step.states
        arrays = codec.arrays(start + step.update, self._sent)
        return ArrayRecord({name: Array(array) for name, array in arrays.items()}), metrics
