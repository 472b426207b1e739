"""A run names its benign twin and its placebo."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from small import small

import fedlens
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import DamagedRunError, RunError
from fedlens.defences.krum import Krum
from fedlens.explanations.models import find_twin_of
from fedlens.runs.controls import CONTROLS, cache_path, read_controls
from fedlens.runs.folder import files_of
from fedlens.runs.loading import load_recorded


def attacked(path: Path, **changes: Any) -> fedlens.Run:
    return fedlens.run(small(**{"control": True} | changes), path, engine="serial")


def controls() -> dict[str, Path]:
    """Those in the cache: the twin under the name of its experiment, the placebo under its own."""
    folder = Path(os.environ["FEDLENS_CACHE"], "controls")
    return {(load_recorded(path).absent and "placebo") or "control": path for path in folder.iterdir() if path.is_dir()}


def test_a_run_names_both_by_key_and_by_a_path_that_tells_nothing_of_the_user(tmp_path: Path) -> None:
    boosted = ExplicitBoosting(step_cap=105, boost=2)
    run = attacked(tmp_path / "run", clients=8, attack=boosted, aggregation=Krum(f=1), target={"select": "random"})
    written = json.loads((run.path / CONTROLS).read_text())
    assert written == {name: {"key": path.name, "path": f"controls/{path.name}"} for name, path in controls().items()}
    assert written.keys() == {"control", "placebo"}
    named = read_controls(run.path)
    assert named is not None
    assert named.control is not None
    assert cache_path(named.control.key) == find_twin_of(run) == controls()["control"]
    assert run.summary is not None
    assert CONTROLS in run.summary.checksums


def test_a_run_without_controls_names_none(tmp_path: Path) -> None:
    for name, changes in {"honest": {"attack": None}, "alone": {"control": False}}.items():
        run = attacked(tmp_path / name, **changes)
        assert not (run.path / CONTROLS).exists()
        assert read_controls(run.path) is None


def test_the_named_twin_is_taken_however_many_have_its_results(tmp_path: Path) -> None:
    run = attacked(tmp_path / "run")
    twin = controls()["control"]
    shutil.copytree(twin, cache_path("0" * 24))
    assert find_twin_of(run) == twin
    shutil.copytree(run.path, tmp_path / "moved/elsewhere")
    shutil.rmtree(run.path)
    assert find_twin_of(fedlens.load_run(tmp_path / "moved/elsewhere")) == twin


def test_a_run_that_names_none_finds_it_by_its_results(tmp_path: Path) -> None:
    run = attacked(tmp_path / "run")
    attacked(tmp_path / "other", seed=1)
    twin = cache_path(json.loads((run.path / CONTROLS).read_text())["control"]["key"])
    (run.path / CONTROLS).unlink()
    assert find_twin_of(run) == twin


def test_a_twin_that_is_gone_is_trained_again_by_resuming_and_no_round_changes(tmp_path: Path) -> None:
    run = attacked(tmp_path / "run")
    twin = find_twin_of(run)
    before = files_of(run.path)
    shutil.rmtree(twin)
    with pytest.raises(
        RunError, match=rf"not in the cache any more.*`fedlens run --resume --out {run.path}` trains it"
    ):
        find_twin_of(run)
    again = fedlens.run(run.experiment, run.path, engine="serial", resume=True)
    assert find_twin_of(again) == twin
    assert files_of(run.path) == before


def test_a_resumed_run_names_the_twin_that_it_went_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = attacked(tmp_path / "run")
    first = find_twin_of(run)
    monkeypatch.setattr("fedlens.simulation.twin.BITS", -1)
    again = fedlens.run(run.experiment, run.path, engine="serial", resume=True)
    assert find_twin_of(again) != first
    shutil.rmtree(first)
    assert find_twin_of(again).is_dir()


def test_a_name_of_another_experiments_twin_is_refused(tmp_path: Path) -> None:
    run, other = attacked(tmp_path / "run"), attacked(tmp_path / "other", seed=1)
    shutil.copy(other.path / CONTROLS, run.path / CONTROLS)
    with pytest.raises(RunError, match=r"controls.json: names .* is the twin of another experiment; .*--out .*run-2"):
        find_twin_of(run)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"control": 1}', '{"control": {}}', '{"control": {"key": "../../elsewhere/00000000"}}',
     '{"control": {"key": "0"}}'],
)  # fmt: skip
def test_a_damaged_or_forged_name_is_refused_with_the_one_remedy(tmp_path: Path, content: str) -> None:
    (run := tmp_path / "my run").mkdir()
    (run / CONTROLS).write_text(content)
    with pytest.raises(DamagedRunError) as refused:
        read_controls(run)
    remedy = f"fedlens run --resume --out '{run}'"
    assert str(refused.value) == f"{run / CONTROLS}: damaged, so that it names no benign twin; write it anew: {remedy}"


def test_the_remedy_writes_the_name_anew_and_changes_no_round(tmp_path: Path) -> None:
    run = attacked(tmp_path / "run")
    before = files_of(run.path)
    (run.path / CONTROLS).write_text("[]")
    with pytest.raises(DamagedRunError, match="write it anew"):
        find_twin_of(run)
    fedlens.run(run.experiment, run.path, engine="serial", resume=True)
    assert files_of(run.path) == before


def test_a_path_in_the_file_is_not_followed(tmp_path: Path) -> None:
    key = "0123456789abcdef01234567"
    (tmp_path / CONTROLS).write_text(json.dumps({"control": {"key": key, "path": "/etc"}, "later": 1}))
    named = read_controls(tmp_path)
    assert named is not None
    assert named.control is not None
    assert named.control.path == f"controls/{key}"
