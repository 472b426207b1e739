"""Strategies of Flower behind a screen: as if only the honest had answered, to the bit."""

import logging
from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.server.strategy import FedAvg as FormerFedAvg
from flwr.serverapp import strategy as flower
from messages import Arrays, Nodes, aggregated, error, record, reply, request

from fedlens.bridges.flower import ByRule, LegacyScreened, Screened
from fedlens.core.errors import ConfigError
from fedlens.defences.accuracy_check import AccuracyCheck
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.update_statistics import StatisticsCheck
from fedlens.runs.inspected import read_inspected

HONEST = 10
SENT: Arrays = {
    "first.weight": np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32),
    "first.bias": np.zeros(20, np.float32),
    "norm.running_mean": np.zeros(20, np.float32),
    "norm.num_batches_tracked": np.array(7),
}


def trained(client: int, factor: float = 1) -> Arrays:
    draws = np.random.default_rng([client, 1])
    moved = {
        name: (array + factor * draws.normal(0, 0.1, array.shape)).astype(array.dtype)
        for name, array in SENT.items()
        if array.ndim
    }
    return moved | {"norm.num_batches_tracked": np.array(12)}


def honest() -> list[Message]:
    return [reply(client, trained(client), 100 + client) for client in range(1, HONEST + 1)]


def clipped(strategy: Any) -> Any:
    options = {"noise_multiplier": 0.0, "clipping_norm": 1.0, "num_sampled_clients": HONEST}
    return flower.DifferentialPrivacyServerSideFixedClipping(strategy, **options)


STRATEGIES: dict[str, Callable[[], Any]] = {
    "FedAvg": flower.FedAvg,
    "FedProx": lambda: flower.FedProx(proximal_mu=0.1),
    "FedAvgM": lambda: flower.FedAvgM(server_learning_rate=1.0, server_momentum=0.9),
    "FedAdam": flower.FedAdam,
    "FedYogi": flower.FedYogi,
    "FedAdagrad": flower.FedAdagrad,
    "FedMedian": flower.FedMedian,
    "FedTrimmedAvg": lambda: flower.FedTrimmedAvg(beta=0.2),
    "Krum": lambda: flower.Krum(num_malicious_nodes=1),
    "MultiKrum": lambda: flower.MultiKrum(num_malicious_nodes=1, num_nodes_to_select=5),
    "Bulyan": lambda: flower.Bulyan(num_malicious_nodes=1),
    "DP": lambda: clipped(flower.FedAvg()),
    "ByRule(median)": lambda: ByRule("median"),
    "ByRule(krum)": lambda: ByRule({"name": "krum", "f": 1}),
}
CHECKS = [DistanceCheck(action="reject"), StatisticsCheck()]


def bad() -> dict[int, tuple[Message, str]]:
    """Replies that have to go, and why."""
    nan = trained(3) | {"first.bias": np.full(20, np.nan, np.float32)}
    short = trained(4) | {"first.bias": np.zeros(19, np.float32)}
    renamed = {name.replace("first", "second"): array for name, array in trained(5).items()}
    empty = Message(content=RecordDict({"arrays": record(trained(6))}), reply_to=request(28, SENT))
    return {
        21: (reply(21, trained(21, 30)), "flagged"),
        22: (error(22, SENT), "it is an error: out of memory"),
        23: (reply(23, nan), "entry 0 of first.bias is NaN"),
        24: (reply(24, short), "first.bias is of shape [19]"),
        25: (reply(25, renamed), "is missing"),
        26: (reply(26, trained(2), loss=0.5), "called otherwise than the others': 'loss'"),
        27: (reply(27, trained(2), [100, 200]), "it claims [100, 200] samples"),
        28: (empty, "0 of metrics; one of each is right"),
        29: (reply(29, trained(2), -800), "it claims -800 samples"),
        30: (reply(30, trained(2), float("nan")), "it claims nan samples"),
        31: (reply(31, trained(2), name="other"), "'other', not 'arrays'"),
    }


@pytest.mark.parametrize("name", STRATEGIES)
def test_behind_a_screen_it_is_as_if_only_the_honest_had_answered(name: str, tmp_path: Path) -> None:
    alone = aggregated(STRATEGIES[name](), SENT, honest())
    screened = Screened(STRATEGIES[name](), CHECKS, log=tmp_path / "screening.jsonl")
    wrong = {node: message for node, (message, _) in bad().items()}
    mixed = [wrong[21], *honest()[:4], *[wrong[node] for node in wrong if node > 21], *honest()[4:]]
    found = aggregated(screened, SENT, mixed)
    assert alone is not None
    assert found is not None
    assert list(found) == list(alone)
    for array in alone:
        assert found[array].tobytes() == alone[array].tobytes()
    [logged] = read_inspected(tmp_path / "screening.jsonl").rounds
    dropped = {int(client.client): client for client in logged.clients if client.rejected}
    assert dropped.keys() == wrong.keys()
    for node, (_, words) in bad().items():
        client = dropped[node]
        assert words in client.fault if words != "flagged" else client.flagged_by == ["distances", "statistics"]


@pytest.mark.parametrize("name", [name for name in STRATEGIES if not name.startswith("ByRule")])
def test_without_a_screen_the_same_round_is_none(name: str) -> None:
    wrong = [message for message, _ in bad().values()]
    try:
        found = aggregated(STRATEGIES[name](), SENT, [*honest(), *wrong])
    except Exception:  # Flower's InconsistentMessageReplies, of no public module
        return
    assert found is None  # the round is dropped


@pytest.mark.parametrize("name", ["FedAvg", "FedAdam", "DP"])
def test_without_a_screen_the_same_round_fails_or_is_poisoned(name: str) -> None:
    alone = aggregated(STRATEGIES[name](), SENT, honest())
    with pytest.raises(Exception, match=r".*"):  # Flower's InconsistentMessageReplies, of no public module
        aggregated(STRATEGIES[name](), SENT, [*honest(), bad()[25][0]])
    poisoned = aggregated(STRATEGIES[name](), SENT, [*honest(), bad()[23][0]])
    assert alone is not None
    assert poisoned is not None
    assert np.isnan(poisoned["first.bias"]).all()


def test_what_is_screened_takes_the_same_options_in_the_same_order() -> None:
    options = [list(signature(made).parameters.values())[1:] for made in (Screened, LegacyScreened, ByRule)]
    names = ["checks", "log", "record", "cap", "least"]
    assert [[one.name for one in some] for some in options] == [names, names, [*names, "seed", "options"]]
    assert len({tuple((one.kind, one.default, one.annotation) for one in some[:5]) for some in options}) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda **to: Screened(flower.FedAvg(), **to),
        lambda **to: LegacyScreened(FormerFedAvg(), **to),
        partial(ByRule, "mean"),
    ],
)
def test_what_is_screened_refuses_alike(make: Callable[..., Any]) -> None:
    for wrong, reason in (
        ({"least": 0}, "least: is 0"),
        ({"cap": 0.5}, "cap: a number"),
        ({"checks": [AccuracyCheck()]}, "needs a validation set"),
    ):
        with pytest.raises(ConfigError, match=reason):
            make(**wrong)
    assert make(least=7).screen.least == 7
    assert make().screen.least == 1


def test_claims_are_capped_in_what_the_strategy_gets() -> None:
    replies = [*honest(), reply(21, trained(21), 10**6)]
    open_ = aggregated(flower.FedAvg(), SENT, [*honest(), reply(21, trained(21), 10**6)])
    capped = aggregated(Screened(flower.FedAvg(), [], cap=2.0), SENT, replies)
    assert open_ is not None
    assert capped is not None
    claimed = trained(21)["first.weight"]
    assert np.abs(open_["first.weight"] - claimed).max() < 1e-3
    counts = np.array([100 + client for client in range(1, HONEST + 1)] + [2 * 106])
    rows = np.stack([trained(client)["first.weight"] for client in [*range(1, HONEST + 1), 21]])
    assert np.allclose(capped["first.weight"], np.tensordot(counts / counts.sum(), rows, 1), atol=1e-5)


@pytest.mark.parametrize(
    ("strategy", "least"),
    [
        (flower.FedAvg(), 1),
        (flower.Krum(num_malicious_nodes=2), 7),
        (flower.MultiKrum(num_malicious_nodes=1), 5),
        (flower.Bulyan(num_malicious_nodes=1), 7),
        (ByRule("median"), 1),
    ],
)
def test_where_too_few_are_left_the_model_stays(strategy: Any, least: int, caplog: pytest.LogCaptureFixture) -> None:
    screened = Screened(strategy, CHECKS)
    assert screened.screen.least == least
    caplog.set_level(logging.WARNING, "fedlens")
    assert aggregated(Screened(strategy, CHECKS, least=11), SENT, honest()) is None
    assert "the model stays as it is: 10 of 10 replies are left, and 11 are needed" in caplog.text


def test_who_is_dropped_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fedlens")
    aggregated(Screened(flower.FedAvg(), CHECKS), SENT, [*honest(), bad()[21][0], bad()[22][0]], round_=5)
    assert "round 5: client 21 is dropped: flagged by distances and statistics" in caplog.text
    assert "round 5: client 22 is dropped: it is an error: out of memory" in caplog.text


def test_it_has_what_the_strategy_has() -> None:
    screened = Screened(flower.FedAvg(fraction_train=0.3), CHECKS)
    assert screened.fraction_train == 0.3
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        screened.nothing_of_the_kind  # noqa: B018
    screened.summary()


class Hurried(flower.FedAvg):
    """A strategy with a loop of its own."""

    def start(self, grid: Any, initial_arrays: ArrayRecord, **_: Any) -> Any:  # type: ignore[override]
        list(self.configure_train(9, initial_arrays, ConfigRecord(), grid))
        return self.aggregate_train(9, [*honest(), bad()[23][0]])


def test_a_loop_of_the_strategys_own_gets_screened_replies() -> None:
    arrays, _ = Screened(Hurried(), CHECKS).start(Nodes(11), record(SENT))
    expected = aggregated(flower.FedAvg(), SENT, honest())
    assert expected is not None
    assert (arrays["first.bias"].numpy() == expected["first.bias"]).all()


def test_options_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="LegacyScreened"):
        Screened(FormerFedAvg(), CHECKS)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="see Screened"):
        LegacyScreened(flower.FedAvg(), CHECKS)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="accuracy needs a validation set"):
        Screened(flower.FedAvg(), [AccuracyCheck()])
    with pytest.raises(ConfigError, match="fltrust needs samples of the server's own"):
        ByRule("fltrust")


def test_a_median_of_ours_is_flowers_and_keeps_what_no_float_can_hold() -> None:
    ours, flowers = aggregated(ByRule("median"), SENT, honest()), aggregated(flower.FedMedian(), SENT, honest())
    assert ours is not None
    assert flowers is not None
    for name in ("first.weight", "first.bias"):
        assert np.abs(ours[name] - flowers[name]).max() < 1e-6
    assert ours["norm.num_batches_tracked"].dtype == SENT["norm.num_batches_tracked"].dtype
    assert ours["norm.num_batches_tracked"] == 12


def test_what_a_stage_keeps_is_kept_from_round_to_round() -> None:
    strategy = ByRule(["mean", {"name": "fedavgm", "momentum": 0.9}])
    first = aggregated(strategy, SENT, honest(), round_=1)
    second = aggregated(strategy, SENT, honest(), round_=2)
    assert first is not None
    assert second is not None
    step = first["first.weight"] - SENT["first.weight"]
    assert np.allclose(second["first.weight"] - SENT["first.weight"], 1.9 * step, atol=1e-5)


def test_metrics_are_averaged_as_fedavg_does() -> None:
    def replies() -> list[Message]:
        return [reply(client, trained(client), 100 * client, loss=float(client)) for client in (1, 2, 3)]

    ours, flowers = ByRule("mean"), flower.FedAvg()
    found = []
    for strategy in (ours, flowers):
        list(strategy.configure_train(1, record(SENT), ConfigRecord(), Nodes(3)))
        found.append(strategy.aggregate_train(1, replies())[1])
    assert isinstance(found[0], MetricRecord)
    assert dict(found[0]) == dict(found[1])
