"""Under the mean, every preset of a backdoor attack on the digits meets its goal, whatever the seed."""

from pathlib import Path

import pytest

import fedlens
from fedlens.experiment.presets import presets
from fedlens.goals.backdoor import Backdoor
from fedlens.runs.loading import load_experiment

pytestmark = pytest.mark.acceptance

PRESETS = [name for name in presets() if name.endswith("-digits") and name != "sabotage-digits"]


def test_these_are_all_backdoors_or_edge_cases_under_the_mean() -> None:
    assert len(PRESETS) >= 11
    for name in PRESETS:
        experiment = load_experiment(name)
        assert experiment.server.averages
        assert isinstance(experiment.goal, Backdoor) != (experiment.target.select == "edge")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "edge-case-digits"])
def test_the_backdoor_is_in_the_last_model_and_not_in_the_twin(name: str, seed: int, tmp_path: Path) -> None:
    run = fedlens.run(load_experiment(name, [f"seed={seed}"]), tmp_path / "run", engine="serial")
    last = run.records[-1]
    assert last.goal_met
    assert last.twin is not None
    assert last.quality.accuracy > last.twin.quality.accuracy - 0.1


def test_edge_cases_are_misclassified_as_the_twin_does_not(tmp_path: Path) -> None:
    last = fedlens.run(load_experiment("edge-case-digits"), tmp_path / "run", engine="serial").records[-1]
    assert last.target is not None
    assert last.twin is not None
    assert last.twin.target is not None
    assert last.target.success
    assert last.twin.target.met == 0
