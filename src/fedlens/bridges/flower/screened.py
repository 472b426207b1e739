"""A screen in front of a strategy of Flower's Message API, in production."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy
from numpy.typing import NDArray

from fedlens.bridges.flower.replies import USUAL_KEY, arrays_of, as_replies, count_at_most
from fedlens.bridges.wire.judging import Checks
from fedlens.bridges.wire.screen import Passed, Screen
from fedlens.core.errors import ConfigError, named

log = logging.getLogger("fedlens")

SECURE = (
    "secure aggregation leaves the server nothing but the sum of all updates, so that it can check none of them; "
    "screen without it, or clip at the clients, which binds only honest ones"
)


class Screened(Strategy):
    """A strategy that gets only the replies that pass: nothing malformed, and nothing that a check rejects.

    Whatever passes reaches it as it came, but for claims above the cap. What was dropped, and why, is in the log.
    Where too few are left, the model stays as it is.

    Args:
        strategy: any strategy of the Message API.
        checks: each, its name, or a mapping with its name and options; those with ``action="reject"`` drop what they
            flag, the others only tell.
        log: a file of lines, which ``fedlens report`` shows.
        record: a folder in which all that is sent is kept; it says something of the clients' data.
        cap: no claimed number of samples counts for more than so many times the round's median.
        least: the fewest replies that the strategy gets; by default what Krum, Multi-Krum and Bulyan need against as
            many attackers as they are told, else one.

    Raises:
        ConfigError: it is no strategy, there is no such check or it needs samples, or `cap` or `least` is below 1.

    Example:
        >>> from flwr.serverapp.strategy import FedAvg
        >>> from fedlens.bridges.flower import Screened
        >>> from fedlens.defences import DistanceCheck, StatisticsCheck
        >>> checks = [DistanceCheck(action="reject"), StatisticsCheck()]
        >>> strategy = Screened(FedAvg(), checks, log="screening.jsonl", cap=2.0)
        >>> strategy.fraction_train
        1.0
    """

    def __init__(
        self,
        strategy: Strategy,
        checks: Checks = (),
        *,
        log: str | Path | None = None,
        record: str | Path | None = None,
        cap: float | None = None,
        least: int | None = None,
    ) -> None:
        if not isinstance(strategy, Strategy):
            raise ConfigError(
                f"strategy: {named(strategy)} is no strategy of flwr.serverapp.strategy; for those of "
                "flwr.server.strategy there is fedlens.bridges.flower.LegacyScreened"
            )
        self.strategy = strategy
        fewest = least_of(strategy) if least is None else least
        self.screen = Screen(checks, log=log, record=record, cap=cap, least=fewest)
        self._sent: dict[str, NDArray[Any]] | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what the strategy has of this name."""
        if name == "strategy":  # before there is one, as where it is copied
            raise AttributeError(name)
        return getattr(self.strategy, name)

    def summary(self) -> None:
        """Log what is screened, and the strategy's own summary."""
        log.info("screened by %s", " and ".join(self.screen.checks) or "no check")
        self.strategy.summary()

    def start(self, *args: Any, **options: Any) -> Result:
        """Run the federation as the strategy does, with screened replies."""
        return type(self.strategy).start(self, *args, **options)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note what is sent, for strategies may change it later."""
        self._sent = arrays_of(arrays)
        return self.strategy.configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Let the strategy aggregate what passes; ``None`` where too little does, so that the model stays."""
        if self._sent is None:
            raise ConfigError("Screened: aggregate_train was called before configure_train, which says what was sent")
        messages, key = list(replies), key_of(self.strategy)
        passed = self.screen.passed(
            server_round, self._sent, as_replies(messages, key or USUAL_KEY, weighted=key is not None)
        )
        tell(passed)
        if not passed.kept:
            return None, None
        for place, most in zip(passed.kept, passed.examples, strict=True):
            count_at_most(messages[place], key or USUAL_KEY, most)
        return self.strategy.aggregate_train(server_round, [messages[place] for place in passed.kept])

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """See the strategy."""
        return self.strategy.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Let the strategy aggregate what is no error."""
        return self.strategy.aggregate_evaluate(server_round, replies)


def key_of(strategy: object) -> str | None:
    """Return the metric by which a strategy weighs, its own or that of one within it; ``None`` if it names none."""
    seen: set[int] = set()
    while strategy is not None and id(strategy) not in seen:
        seen.add(id(strategy))
        key = vars(strategy).get("weighted_by_key")
        if isinstance(key, str):
            return key
        strategy = vars(strategy).get("strategy")
    return None


def least_of(strategy: object) -> int:
    """Return how many replies a strategy needs against as many attackers as it is told; 1 if it is told of none."""
    told = vars(strategy)
    f = told.get("num_malicious_nodes", told.get("num_malicious_clients", 0))
    if not f:
        return 1
    return 4 * f + 3 if type(strategy).__name__ == "Bulyan" else 2 * f + 3


def tell(passed: Passed) -> None:
    """Log who was dropped."""
    for client in passed.found.clients:
        if client.rejected:
            why = client.fault or f"flagged by {' and '.join(client.flagged_by)}"
            log.warning("round %d: client %s is dropped: %s", passed.found.round, client.client, why)
    if passed.found.skipped:
        log.warning("round %d: the model stays as it is: %s", passed.found.round, passed.found.skipped)
