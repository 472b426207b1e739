"""A screen in front of a strategy of Flower's former API, ``flwr.server.strategy``, in production."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flwr.common import EvaluateIns, EvaluateRes, FitIns, FitRes, Parameters, Scalar, parameters_to_ndarrays
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import Strategy
from numpy.typing import NDArray

from fedlens.bridges.flower.screened import SECURE, least_of, tell
from fedlens.bridges.wire.judging import Checks
from fedlens.bridges.wire.screen import Reply, Screen
from fedlens.core.errors import ConfigError, cut, named

Fits = list[tuple[ClientProxy, FitRes]]
Failures = list[tuple[ClientProxy, FitRes] | BaseException]


class LegacyScreened(Strategy):
    """What `Screened` is, for a strategy of ``flwr.server.strategy``, whose arrays have numbers for names.

    Failures are not passed on: a strategy that would drop a round for one of them gets the others' results.

    Args:
        strategy: any strategy of that API.
        checks: see `Screened`.
        log: see `Screened`.
        record: see `Screened`.
        cap: see `Screened`.
        least: see `Screened`.

    Raises:
        ConfigError: see `Screened`.

    Example:
        >>> from flwr.server.strategy import FedAvg
        >>> from fedlens.bridges.flower import LegacyScreened
        >>> from fedlens.defences import DistanceCheck
        >>> LegacyScreened(FedAvg(), [DistanceCheck(action="reject")], cap=2.0).screen.cap
        2.0
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
            raise ConfigError(f"strategy: {named(strategy)} is no strategy of flwr.server.strategy; see Screened")
        self.strategy = strategy
        fewest = least_of(strategy) if least is None else least
        self.screen = Screen(checks, log=log, record=record, cap=cap, least=fewest)
        self._sent: dict[str, NDArray[Any]] | None = None

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters | None:
        """See the strategy."""
        return self.strategy.initialize_parameters(client_manager)

    def configure_fit(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, FitIns]]:
        """Note what is sent."""
        self._sent = _arrays(parameters)
        return self.strategy.configure_fit(server_round, parameters, client_manager)

    def aggregate_fit(
        self, server_round: int, results: Fits, failures: Failures
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        """Let the strategy aggregate what passes; ``None`` where too little does, so that the model stays.

        Raises:
            ConfigError: aggregation is secure, so that all results are the same sum.
        """
        if self._sent is None:
            raise ConfigError("LegacyScreened: aggregate_fit was called before configure_fit, which says what was sent")
        if len(results) > 1 and len({id(result.parameters) for _, result in results}) == 1:
            raise ConfigError(f"LegacyScreened: {SECURE}")
        replies = [_reply(client, result) for client, result in results]
        replies += [_failure(failure, place) for place, failure in enumerate(failures)]
        passed = self.screen.passed(server_round, self._sent, replies)
        tell(passed)
        if not passed.kept:
            return None, {}
        kept = [results[place] for place in passed.kept]
        for (_, result), most in zip(kept, passed.examples, strict=True):
            if most is not None and result.num_examples > most:
                result.num_examples = int(most)
        return self.strategy.aggregate_fit(server_round, kept, [])

    def configure_evaluate(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, EvaluateIns]]:
        """See the strategy."""
        return self.strategy.configure_evaluate(server_round, parameters, client_manager)

    def aggregate_evaluate(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, EvaluateRes]],
        failures: list[tuple[ClientProxy, EvaluateRes] | BaseException],
    ) -> tuple[float | None, dict[str, Scalar]]:
        """See the strategy."""
        return self.strategy.aggregate_evaluate(server_round, results, failures)

    def evaluate(self, server_round: int, parameters: Parameters) -> tuple[float, dict[str, Scalar]] | None:
        """See the strategy."""
        return self.strategy.evaluate(server_round, parameters)


def _arrays(parameters: Parameters) -> dict[str, NDArray[Any]]:
    return {str(place): array for place, array in enumerate(parameters_to_ndarrays(parameters))}


def _reply(client: ClientProxy, result: FitRes) -> Reply:
    try:
        arrays = _arrays(result.parameters)
    except Exception as error:  # whatever NumPy raises on made-up bytes
        return Reply(client.cid, fault=f"its arrays cannot be read: {cut(str(error), 200)}")
    return Reply(client.cid, arrays, result.num_examples)


def _failure(failure: tuple[ClientProxy, FitRes] | BaseException, place: int) -> Reply:
    if isinstance(failure, BaseException):
        return Reply(f"failure {place + 1}", fault=f"it is an error: {cut(str(failure), 200)}")
    client, result = failure
    return Reply(client.cid, fault=f"it is an error: {cut(str(result.status.message), 200)}")
