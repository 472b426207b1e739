"""A run is returned from what was written, and is the one that reading its directory gives."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import Tensor

import fedlens
from fedlens import Attack, View
from fedlens.analysis import run_results
from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.defences.krum import Krum

BOOSTED = ExplicitBoosting(step_cap=105, boost=2, estimate="post")
ANY = {"select": "random"}


class Destroys(Attack):
    """Sends weights as large as can be in the second round, after which the model answers NaN."""

    def craft(self, view: View) -> Tensor:
        return torch.full_like(view.train(), 3e38) if view.round == 2 else view.train()


CASES: dict[str, dict[str, Any]] = {
    "without attack": {"attack": None},
    "with twin and checks": {"attack": BOOSTED, "checks": ["distances", "statistics", "accuracy"], "validation": 50},
    "with twin and placebo": {
        "attack": BOOSTED,
        "aggregation": Krum(f=1),
        "clients": 8,
        "target": {"select": "random"},
    },
    "some rounds without attacker": {"attack": AlternatingMinimisation(boost=3), "clients": 6, "fraction": 0.5},
    "destroyed": {"attack": Destroys(), "clients": 5, "target": ANY},
}


def exactly(run: fedlens.Run) -> list[str]:
    """All of a run but its experiment, whose components are read without their classes; NaN is itself, 1 is not 1.0."""
    return [repr(part) for part in (run.path, run.records, run.target, run.summary)]


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_as_reading_it_gives_it(tmp_path: Path, case: str) -> None:
    experiment = small(**{"control": True} | CASES[case])
    run = fedlens.run(experiment, tmp_path / "run", engine="serial")
    found = fedlens.load_run(tmp_path / "run")
    assert exactly(run) == exactly(found)
    assert run.experiment is experiment
    assert found.experiment.identity() == experiment.identity()


def test_so_is_a_resumed_one(tmp_path: Path) -> None:
    path = fedlens.run(small(control=True, rounds=2), tmp_path / "run", engine="serial").path
    (path / "summary.json").unlink()
    described = (path / "experiment.yaml").read_text()
    (path / "experiment.yaml").write_text(described.replace("rounds: 2", "rounds: 4"))
    run = fedlens.run(small(control=True, rounds=4), path, engine="serial", resume=True)
    assert [record.round for record in run.records] == [1, 2, 3, 4]
    assert exactly(run) == exactly(fedlens.load_run(path))


def test_nothing_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load_run", "read_run", "sound_summary", "read_rounds", "read_summary", "checksum"):
        monkeypatch.delattr(run_results, name)
    assert fedlens.run(small(control=True), tmp_path / "run", engine="serial").summary is not None
