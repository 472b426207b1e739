"""Strategies of Flower's former API behind a screen."""

from typing import Any

import numpy as np
import pytest
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAdam, FedAvg, FedMedian, FedTrimmedAvg, Krum
from numpy.typing import NDArray

from fedlens.bridges.flower import LegacyScreened
from fedlens.core.errors import ConfigError
from fedlens.defences.distance_ranges import DistanceCheck

Arrays = list[NDArray[Any]]

SENT: Arrays = [np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32), np.zeros(20, np.float32)]
CHECKS = [DistanceCheck(action="reject")]


class Client:
    def __init__(self, cid: str) -> None:
        self.cid = cid


class Manager:
    def num_available(self) -> int:
        return 12

    def sample(self, num_clients: int, min_num_clients: int) -> list[Client]:
        return [Client(str(index)) for index in range(max(num_clients, min_num_clients))]


def fit(client: int, factor: float = 1, examples: int = 100, arrays: Arrays | None = None) -> Any:
    draws = np.random.default_rng([client, 1])
    moved = [(part + factor * draws.normal(0, 0.1, part.shape)).astype(np.float32) for part in SENT]
    parameters = ndarrays_to_parameters(moved if arrays is None else arrays)
    return Client(str(client)), FitRes(Status(Code.OK, ""), parameters, examples, {})


def honest() -> list[Any]:
    return [fit(client, examples=90 + client) for client in range(10)]


def aggregated(strategy: Any, results: list[Any], failures: list[Any] | None = None) -> Arrays | None:
    strategy.configure_fit(1, ndarrays_to_parameters(SENT), Manager())
    parameters, _ = strategy.aggregate_fit(1, results, failures or [])
    return None if parameters is None else parameters_to_ndarrays(parameters)


def starting() -> dict[str, Any]:
    return {"initial_parameters": ndarrays_to_parameters(SENT)}


@pytest.mark.parametrize(
    "make",
    [
        FedAvg,
        lambda: FedAvg(accept_failures=False),
        FedMedian,
        lambda: FedTrimmedAvg(beta=0.2),
        lambda: Krum(num_malicious_clients=1),
        lambda: FedAdam(**starting()),
    ],
)
def test_behind_a_screen_it_is_as_if_only_the_honest_had_answered(make: Any) -> None:
    alone = aggregated(make(), honest())
    odd = [fit(20, 30), fit(21, arrays=[SENT[0]]), fit(22, examples=-5), fit(23, arrays=[SENT[0] * np.nan, SENT[1]])]
    failures = [ValueError("gone"), fit(24)]
    found = aggregated(LegacyScreened(make(), CHECKS), [*odd[:2], *honest(), *odd[2:]], failures)
    assert alone is not None
    assert found is not None
    assert [part.tobytes() for part in found] == [part.tobytes() for part in alone]


def test_who_is_dropped_is_told_why() -> None:
    screened = LegacyScreened(FedAvg(), CHECKS)
    screened.configure_fit(1, ndarrays_to_parameters(SENT), Manager())  # type: ignore[arg-type]
    found = []
    passed = screened.screen.passed
    screened.screen.passed = lambda *args: found.append(passed(*args)) or found[0]  # type: ignore[func-returns-value,method-assign]
    broken = fit(21)
    broken[1].parameters.tensors[0] = b"\x80\x04pickled"
    screened.aggregate_fit(3, [*honest(), fit(20, 30), broken], [ValueError("gone")])
    dropped = {client.client: client.fault for client in found[0].found.clients if client.rejected}
    assert dropped.keys() == {"20", "21", "failure 1"}
    assert "its arrays cannot be read" in dropped["21"]
    assert dropped["failure 1"] == "it is an error: gone"
    assert not dropped["20"]


def test_claims_are_capped() -> None:
    results = [fit(client) for client in range(4)] + [fit(9, examples=10**9)]
    found = aggregated(LegacyScreened(FedAvg(), [], cap=2.0), results)
    rows = np.stack(
        [fit(client)[1] and parameters_to_ndarrays(fit(client)[1].parameters)[0] for client in [0, 1, 2, 3, 9]]
    )
    expected = np.tensordot(np.array([1, 1, 1, 1, 2]) / 6, rows, 1)
    assert found is not None
    assert np.allclose(found[0], expected, atol=1e-5)


def test_secure_aggregation_is_refused_with_the_reason() -> None:
    results, same = honest(), ndarrays_to_parameters(SENT)
    for _, result in results:
        result.parameters = same  # as SecAggPlusWorkflow does with the sum
    screened = LegacyScreened(FedAvg(), CHECKS)
    screened.configure_fit(1, same, Manager())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="leaves the server nothing but the sum of all updates"):
        screened.aggregate_fit(1, results, [])


def test_everything_else_is_the_strategys() -> None:
    strategy = FedAvg(evaluate_fn=lambda number, arrays, config: (float(number), {}), **starting())
    screened = LegacyScreened(strategy, CHECKS)
    parameters = ndarrays_to_parameters(SENT)
    assert screened.evaluate(3, parameters) == (3.0, {})
    assert screened.aggregate_evaluate(1, [], []) == (None, {})
    assert len(screened.configure_evaluate(1, parameters, Manager())) == 12  # type: ignore[arg-type]
    assert screened.initialize_parameters(Manager()) is not None  # type: ignore[arg-type]
