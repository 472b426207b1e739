"""A run without attack leaves its benign twin, bit for bit."""

import json
import os
import shutil
from pathlib import Path
from zlib import crc32

import pytest
from small import small

import fedlens
from fedlens.runs.state import read_checkpoint, with_other_sums
from fedlens.simulation.callback import Callback
from fedlens.simulation.controls import leave_twin, make_control
from fedlens.simulation.leaving import CHECKPOINT
from fedlens.simulation.runtime import Runtime


class Ears(Callback):
    """Hears what is remarked."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def files(path: Path) -> dict[str, bytes]:
    names = ("experiment.yaml", "rounds.jsonl", "final.safetensors", "best.safetensors", "checkpoint.safetensors")
    made = [path / name for name in names] + sorted((path / "predictions").iterdir())
    contents = {file.relative_to(path).as_posix(): file.read_bytes() for file in made}
    sums = read_checkpoint(str(path / CHECKPOINT)).sums
    assert all(crc32(contents[name]) == value for name, value in sums.items() if name in contents)
    without_tables = {name: value for name, value in sums.items() if not name.startswith("checks/")}
    return contents | {CHECKPOINT: with_other_sums(path / CHECKPOINT, without_tables)}


@pytest.mark.parametrize(
    "changes",
    [
        {"checks": ["accuracy", "statistics"], "validation": 100},
        {"checks": ["distances", {"name": "statistics", "action": "reject"}], "clients": 6},
        {"aggregation": {"name": "trimmed-mean", "f": 1}, "attack": "data-poisoning"},
        {"record": ["norms", "histograms"]},
    ],
    ids=str,
)
def test_it_is_the_twin_that_would_have_been_made(
    changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_control(small(control=True, **changes).twin(), Runtime(), Callback())
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "other"))
    fedlens.run(small(**{**changes, "control": True, "attack": None}), tmp_path / "benign")
    left = tmp_path / "other" / "controls" / made.name
    assert files(left) == files(made)
    sums = [json.loads((path / "summary.json").read_text()) for path in (left, made)]
    assert [name for name in sums[0] if name != "checksums" and sums[0][name] != sums[1][name]] == []
    ears = Ears()
    attacked = fedlens.run(small(control=True, **changes), tmp_path / "attacked", observer=ears)
    assert ears.remarks == [f"benign twin: already in {left}"]
    assert attacked.records[-1].twin is not None


def test_a_run_that_may_end_early_is_no_twin(tmp_path: Path) -> None:
    fedlens.run(small(attack=None, control=True, stop_at=0.01), tmp_path / "benign")
    assert not (tmp_path / "benign" / "predictions").exists()
    assert not Path(os.environ["FEDLENS_CACHE"], "controls").exists()


def test_a_run_that_does_without_a_control_leaves_none(tmp_path: Path) -> None:
    fedlens.run(small(attack=None, control=False), tmp_path / "benign")
    assert not (tmp_path / "benign" / "predictions").exists()


def test_a_run_that_was_begun_without_predictions_goes_on_without(tmp_path: Path) -> None:
    experiment = small(attack=None, control=True)
    fedlens.run(experiment, tmp_path / "benign")
    shutil.rmtree(tmp_path / "benign" / "predictions")
    cache = Path(os.environ["FEDLENS_CACHE"])
    shutil.rmtree(cache)
    run = fedlens.run(experiment, tmp_path / "benign", resume=True)
    assert len(run.records) == 3
    leave_twin(run, Runtime())
    assert not cache.exists()


def test_of_a_run_that_has_only_its_records_it_is_left_later(tmp_path: Path) -> None:
    experiment = small(attack=None, control=True)
    run = fedlens.run(experiment, tmp_path / "benign")
    for file in run.path.glob("*.safetensors"):
        file.unlink()
    shutil.rmtree(Path(os.environ["FEDLENS_CACHE"]))
    leave_twin(run, Runtime())
    ears = Ears()
    fedlens.run(small(control=True), tmp_path / "attacked", observer=ears)
    assert "already in" in ears.remarks[0]
