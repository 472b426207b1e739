"""What is said of strategies of Flower, each statement by calling them: it turns red when Flower changes."""

import gc
import math
import warnings
from typing import Any

import numpy as np
import pytest
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import strategy as former
from flwr.serverapp import strategy as flower
from messages import Arrays, aggregated, error, reply

from fedlens.analysis.flower_strategies import DEVIATIONS, FORMER, MESSAGE
from fedlens.experiment.experiment import Experiment

DRAWS = np.random.default_rng(0)


def weights(size: int, length: float, seed: int = 0) -> Arrays:
    draws = np.random.default_rng(seed).normal(size=size)
    return {"w": (length * draws / np.linalg.norm(draws)).astype(np.float32)}


def updates(count: int, size: int, length: float, seed: int) -> np.ndarray[Any, Any]:
    draws = np.random.default_rng([seed, 7]).normal(size=(count, size))
    return length * draws / np.linalg.norm(draws, axis=1, keepdims=True) * DRAWS.uniform(0.8, 1.2, (count, 1))


def krums_choice(rows: Any, f: int) -> int:
    """The definition, in float64."""
    distances = ((rows[:, None] - rows[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    return int(np.sort(distances)[:, : len(rows) - f - 2].sum(1).argmin())


def of_former(strategy: Any, sent: Arrays, replies: list[tuple[Arrays, float]]) -> Arrays | None:
    """What a strategy of the former API makes of a round."""
    results: list[Any] = [
        (None, FitRes(Status(Code.OK, ""), ndarrays_to_parameters(list(arrays.values())), count, {}))  # type: ignore[arg-type]
        for arrays, count in replies
    ]
    parameters, _ = strategy.aggregate_fit(1, results, [])
    return None if parameters is None else dict(zip(sent, parameters_to_ndarrays(parameters), strict=True))


def test_gram_distances() -> None:
    wrong = {"message": 0, "former": 0}
    for seed in range(10):
        sent = weights(100_000, 1000.0, seed)
        rows = updates(10, 100_000, 0.1, seed)
        received = [(sent["w"].astype(np.float64) + row).astype(np.float32) for row in rows]
        right = krums_choice(np.stack(received).astype(np.float64), 1)
        found = aggregated(
            flower.Krum(num_malicious_nodes=1), sent, [reply(i + 1, {"w": row}) for i, row in enumerate(received)]
        )
        assert found is not None
        wrong["message"] += not np.array_equal(found["w"], received[right])
        other = of_former(former.Krum(num_malicious_clients=1), sent, [({"w": row}, 1) for row in received])
        assert other is not None
        wrong["former"] += not np.array_equal(other["w"], received[right])
    assert wrong["message"] >= 7
    assert wrong["former"] == 0


def test_claimed_weights() -> None:
    sent = {"w": np.zeros(50, np.float32)}
    rows = updates(8, 50, 1.0, 1).astype(np.float32)
    strategy = flower.MultiKrum(num_malicious_nodes=1, num_nodes_to_select=8)
    found = aggregated(
        strategy, sent, [reply(i + 1, {"w": row}, 10**9 if i == 3 else 10) for i, row in enumerate(rows)]
    )
    assert found is not None
    assert np.allclose(found["w"], rows[3], atol=1e-5)


@pytest.mark.parametrize("claim", [10**9, -18, float("nan")])
def test_claims_unbounded(claim: float) -> None:
    sent, rows = {"w": np.zeros(3, np.float32)}, np.eye(3, dtype=np.float32)
    replies = [(row, claim if place == 0 else 10) for place, row in enumerate(rows)]
    total = sum(count for _, count in replies)
    expected = sum(row.astype(float) * (count / total) for row, count in replies)
    found = aggregated(
        flower.FedAvg(), sent, [reply(i + 1, {"w": row}, count) for i, (row, count) in enumerate(replies)]
    )
    assert found is not None
    assert np.allclose(found["w"], expected, atol=1e-6, equal_nan=True)
    other = of_former(former.FedAvg(), sent, [({"w": row}, count) for row, count in replies])
    assert other is not None
    assert np.allclose(other["w"], expected, atol=1e-6, equal_nan=True)


def clipped(norm: float = 1.0, count: int = 4) -> Any:
    return flower.DifferentialPrivacyServerSideFixedClipping(
        flower.FedAvg(), noise_multiplier=0.0, clipping_norm=norm, num_sampled_clients=count
    )


def test_counters() -> None:
    sent = {"w": np.zeros(50, np.float32), "num_batches_tracked": np.array(0)}
    row = np.full(50, 0.1, np.float32)  # of length 0.7, which needs no clipping
    replies = [reply(i + 1, {"w": row, "num_batches_tracked": np.array(57)}) for i in range(4)]
    found = aggregated(clipped(), sent, replies)
    assert found is not None
    assert found["w"][0] == pytest.approx(0.1 / 57, rel=0.01)
    without = aggregated(clipped(), {"w": sent["w"]}, [reply(i + 1, {"w": row}) for i in range(4)])
    assert without is not None
    assert without["w"][0] == pytest.approx(0.1, rel=1e-5)
    counts = (0, 100, 150, 200, 300)  # the one in the middle is nearest to its neighbours, whatever else it sends
    rows = [{"w": np.zeros(2, np.float32), "num_batches_tracked": np.array(count)} for count in counts]
    rows[2]["w"] = np.full(2, 30, np.float32)
    chosen = aggregated(flower.Krum(num_malicious_nodes=1), rows[0], [reply(i + 1, one) for i, one in enumerate(rows)])
    assert chosen is not None
    assert chosen["w"][0] == 30


def test_trimmed_fraction() -> None:
    pairs = [(f, n) for n in range(2, 101) for f in range(1, (n + 1) // 2)]
    assert len(pairs) == 2450
    assert sum(int(f / n * n) == f - 1 for f, n in pairs) == 63
    for n in (49, 98):
        sent = {"w": np.zeros(1, np.float32)}
        rows = [{"w": np.array([1e6 if place == 0 else 0], np.float32)} for place in range(n)]
        replies = [reply(place + 1, row) for place, row in enumerate(rows)]
        found = aggregated(flower.FedTrimmedAvg(beta=1 / n), sent, replies)
        assert found is not None
        assert found["w"][0] == pytest.approx(1e6 / n, rel=1e-3)
        other = of_former(former.FedTrimmedAvg(beta=1 / n), sent, [(row, 1) for row in rows])
        assert other is not None
        assert other["w"][0] == pytest.approx(1e6 / n, rel=1e-3)


def bulyan(rows: Any, f: int) -> Any:
    """The definition, in float64: Krum of what is left, then the mean of those nearest to the median."""
    left, chosen = list(range(len(rows))), []
    while len(chosen) < len(rows) - 2 * f:
        best = left[krums_choice(rows[left], f)] if len(left) - f - 2 > 0 else left[0]
        chosen.append(best)
        left.remove(best)
    candidates = rows[chosen]
    median = np.median(candidates, axis=0)
    order = np.argsort(np.abs(candidates - median), axis=0, kind="stable")[: len(candidates) - 2 * f]
    return np.take_along_axis(candidates, order, axis=0).mean(0)


def test_one_pass() -> None:
    """Two who send the same, and are nearest to each other, are both taken in one pass, and one at a time are not."""
    differing = 0
    gc.collect()
    gc.freeze()  # Bulyan collects garbage once for each client
    for seed in range(8):
        rows = updates(11, 40, 1.0, seed).astype(np.float32)
        rows[0] = rows[1:].mean(0) + 0.3
        rows[1] = rows[0] + 1e-3
        sent = {"w": np.zeros(40, np.float32)}
        replies = [reply(place + 1, {"w": row}) for place, row in enumerate(rows)]
        found = aggregated(flower.Bulyan(num_malicious_nodes=2), sent, replies)
        assert found is not None
        differing += not np.allclose(found["w"], bulyan(rows.astype(np.float64), 2), atol=1e-4)
    gc.unfreeze()
    assert differing >= 2


def test_needs_an_option() -> None:
    sent = {"w": np.zeros(3, np.float32)}
    replies = [({"w": row.astype(np.float32)}, 1) for row in updates(7, 3, 1.0, 0)]
    with pytest.raises(TypeError, match="to_keep"):
        of_former(former.Bulyan(num_malicious_clients=1), sent, replies)  # type: ignore[arg-type]
    assert of_former(former.Bulyan(num_malicious_clients=1, to_keep=0), sent, replies) is not None  # type: ignore[arg-type]


def test_zero_division() -> None:
    sent = {"w": np.ones(3, np.float32)}
    with pytest.raises(ZeroDivisionError):
        aggregated(clipped(), sent, [reply(i + 1, sent) for i in range(4)])


def test_one_error() -> None:
    sent = {"w": np.zeros(3, np.float32)}
    good = [reply(i + 1, {"w": np.ones(3, np.float32)}) for i in range(3)]
    assert aggregated(clipped(count=4), sent, [*good, error(4, sent)]) is None
    adaptive = flower.DifferentialPrivacyServerSideAdaptiveClipping(
        flower.FedAvg(), noise_multiplier=0.1, num_sampled_clients=4
    )
    assert aggregated(adaptive, sent, [*good, error(4, sent)]) is None


@pytest.mark.parametrize("name", ["FedAvg", "FedProx", "FedAvgM", "FedMedian"])
def test_not_finite(name: str) -> None:
    sent = {"w": np.zeros(3, np.float32)}
    options = {"proximal_mu": 0.1} if name == "FedProx" else {}
    rows = [{"w": np.full(3, math.nan if i == 0 else 1, np.float32)} for i in range(5)]
    found = aggregated(getattr(flower, name)(**options), sent, [reply(i + 1, row) for i, row in enumerate(rows)])
    assert found is not None
    assert np.isnan(found["w"]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = of_former(getattr(former, name)(**options), sent, [(row, 1) for row in rows])
    assert other is not None
    assert np.isnan(other["w"]).all()


@pytest.mark.parametrize("name", ["FedAvg", "FedAdam", "FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan"])
def test_one_odd_reply(name: str) -> None:
    sent = {"w": np.zeros(3, np.float32)}
    good = [reply(i + 1, {"w": np.ones(3, np.float32)}) for i in range(4)]
    for odd in (reply(5, {"v": np.ones(3, np.float32)}), reply(5, sent, loss=1.0)):
        with pytest.raises(Exception, match=r"(?i)same keys"):
            aggregated(getattr(flower, name)(), sent, [*good, odd])


def test_any_number() -> None:
    sent = {"w": np.zeros(3, np.float32)}
    rows = [{"w": row.astype(np.float32)} for row in updates(5, 3, 1.0, 0)]
    assert aggregated(flower.Krum(num_malicious_nodes=3), sent, [reply(i + 1, row) for i, row in enumerate(rows)])
    assert of_former(former.Krum(num_malicious_clients=3), sent, [(row, 1) for row in rows])


def test_two_taus() -> None:
    start = ndarrays_to_parameters([np.zeros(3, np.float32)])
    assert (flower.FedAdam().tau, former.FedAdam(initial_parameters=start).tau) == (1e-3, 1e-9)


def test_every_statement_is_tested_and_every_name_exists() -> None:
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    for deviation in DEVIATIONS:
        assert deviation.code in tested
        for name in deviation.strategies:
            module, _, cls = name.partition(":")
            assert hasattr({MESSAGE: flower, FORMER: former}[module], cls)


def test_a_run_with_such_a_strategy_is_flagged() -> None:
    from fedlens.analysis.flower_strategies import flower_flags

    multi = {"name": "flower", "make": "flwr.serverapp.strategy:MultiKrum", "options": {"num_malicious_nodes": 1}}
    found = flower_flags(Experiment(data="digits", attack=None, aggregation=multi))
    assert any(flag.startswith("Flower's MultiKrum weighs the chosen by the numbers of samples") for flag in found)
    assert not flower_flags(Experiment(data="digits", attack=None, aggregation={"name": "krum", "f": 1}))
