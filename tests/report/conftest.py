"""Runs that figures are drawn of: real ones, made once, and hand-made ones whose every value is known."""

from dataclasses import replace
from pathlib import Path

import pytest
from handmade import Made, summed_up
from small import small

import fedlens
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.defences.coordinate_wise import Median
from fedlens.runs.record import ControlRecord


@pytest.fixture(scope="session")
def checked(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """Six clients, all of them in every round, and all checks."""
    checks = ["accuracy", "distances", "statistics"]
    return fedlens.run(
        small(checks=checks, clients=6, rounds=2, validation=100), tmp_path_factory.mktemp("runs") / "checked"
    )


@pytest.fixture(scope="session")
def partial(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """Three of six clients in a round, so that the malicious one is missing in some."""
    experiment = small(checks=["distances", "statistics"], clients=6, fraction=0.5, rounds=5)
    return fedlens.run(experiment, tmp_path_factory.mktemp("runs") / "partial")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """A run without attack and without checks."""
    return fedlens.run(small(attack=None, rounds=1), tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """A run with its benign twin, with the malicious client in some rounds only."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEDLENS_CACHE", str(folder / "cache"))
        return fedlens.run(small(control=True, fraction=0.5, rounds=6), folder / "attacked")


@pytest.fixture
def windowed(attacked: fedlens.Run) -> fedlens.Run:
    """That run as if the attack's window had been rounds 2 to 4, with confidences that are known."""
    attack = ExplicitBoosting(step_cap=105, delay=2, until=5)
    experiment = small(control=True, fraction=0.5, rounds=6, attack=attack)
    ours, twin = (0.1, 0.3, 0.9, 0.75, 0.625, 0.25), (0.5, 0.0, 0.125, 0.25, 0.125, 0.375)
    records = []
    for record, confidence, beside in zip(attacked.records, ours, twin, strict=True):
        assert record.twin is not None
        target = replace(record.outcome, confidence=[confidence], success=confidence > 0.5)
        control = replace(record.twin, target=replace(record.twin.target, confidence=[beside], success=False))
        records.append(replace(record, target=target, twin=control))
    return summed_up(fedlens.Run(attacked.path, experiment, records, attacked.target, None))


@pytest.fixture
def absent(windowed: fedlens.Run) -> fedlens.Run:
    """That run under a rule that does not average, beside the same with the malicious client absent."""
    experiment = windowed.experiment.model_copy(update={"aggregation": Median()})
    records = []
    for record, confidence in zip(windowed.records, (0.125, 0.5, 0.625, 0.75, 0.375, 0.0), strict=True):
        assert record.twin is not None
        quality = replace(record.twin.quality, accuracy=0.5)
        target = replace(record.twin.target, confidence=[confidence], success=confidence > 0.5)
        records.append(replace(record, placebo=ControlRecord(quality, target)))
    return summed_up(replace(windowed, experiment=experiment, records=records))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)
