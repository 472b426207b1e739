"""Cells that cannot be judged: results with a reason, which are noted, and not tried again for nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.calling import called
from small import LEARNT, UNLEARNT, lopsided, small
from smallgrid import InProcess, nobody, swept

import fedlens
from fedlens.core.config import validate
from fedlens.core.errors import RunError
from fedlens.data.dataset import Data, Dataset
from fedlens.data.digits import Digits
from fedlens.sweeps.grid import Grid
from fedlens.watch.run_list import list_runs

SOURCES = {"target.source": [UNLEARNT.source, LEARNT.source]}
FILES = {"digests.json", "experiment.yaml", "start.json", "unjudged.json"}


def grid_of(product: dict[str, Any] = SOURCES, **changes: Any) -> Grid:
    return validate(Grid, {"experiment": lopsided(**changes).describe(), "product": product})


def test_a_cell_that_cannot_be_judged_is_noted_and_not_tried_again() -> None:
    sweep = swept(grid_of())
    ((cell, error),) = sweep.unjudged
    assert sweep.failures == []
    assert cell.values == {"target.source": 0}
    assert error.reason.startswith("without attack, the model gets 0 of 34 test samples of class 0 right")
    (written,) = json.loads(Path("sweep/unjudged.json").read_text())
    assert written == {
        "cell": cell.key,
        "values": {"target.source": 0, "seed": 0},
        "reason": error.reason,
        "remedies": list(error.remedies),
    }
    assert {file.name for file in sweep.directory.path_of(cell).glob("[!.]*")} == FILES
    assert set(sweep.rounds["target.source"]) == {1}
    again = swept(grid_of(), nobody)
    assert [(one.key, str(why)) for one, why in again.unjudged] == [(cell.key, str(error))]


def test_it_is_tried_again_once_code_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    ((cell, _),) = swept(grid_of()).unjudged
    for where in ("fedlens.simulation.simulation.BITS", "fedlens.sweeps.sweep_directory.BITS"):
        monkeypatch.setattr(where, 0)
    ((same, _),) = swept(grid_of()).unjudged
    assert InProcess.keys == [same.key] == [cell.key]
    swept(grid_of(), nobody)


class Tail(Data):
    """Digits; as long as the file ``changed`` is there, in another order."""

    source: int = 0
    target: int = 2

    def load(self, data_dir: Path | None) -> Dataset:
        found = Digits().load(data_dir)
        if not Path("changed").exists():
            return found
        return Dataset(found.train, found.test.take(slice(1, None)), found.classes, found.source, found.target)


def test_it_is_tried_again_on_other_data() -> None:
    grid = grid_of({"seed": [0]}, data=Tail())
    assert len(swept(grid).unjudged) == 1
    swept(grid, nobody)
    Path("changed").touch()
    ((cell, _),) = swept(grid).unjudged
    assert InProcess.keys == [cell.key]


def test_one_that_can_be_judged_now_is_a_run_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("fedlens.goals.target_samples.RESISTANT_CONFIDENCE", 1.0)
        ((cell, _),) = swept(grid_of({"seed": [0]}, target=LEARNT)).unjudged
        patched.setattr("fedlens.sweeps.sweep_directory.BITS", 0)
    monkeypatch.setattr("fedlens.sweeps.sweep_directory.BITS", 0)
    sweep = swept(grid_of({"seed": [0]}, target=LEARNT))
    assert sweep.unjudged == sweep.failures == []
    assert not (sweep.directory.path_of(cell) / "unjudged.json").exists()
    assert json.loads(Path("sweep/unjudged.json").read_text()) == []
    fedlens.run(lopsided(target=LEARNT), "alone")
    assert (sweep.directory.path_of(cell) / "rounds.jsonl").read_bytes() == Path("alone/rounds.jsonl").read_bytes()


def test_the_command_counts_them_says_why_and_what_to_type_and_ends_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    Path("grid.yaml").write_text(yaml.safe_dump(grid_of(SOURCES | {"seed": [0, 1]}).model_dump(mode="json")))
    code, out, err = called(capsys, "sweep", "grid.yaml", "--out", "sweep", "--jobs", "1")
    assert (code, err) == (0, "")
    assert "Cannot be judged: seed=0, target.source=0: without attack" in out
    assert "3 of 4 cells cannot be judged:" in out
    assert "0 of 34 test samples of class 0 right with confidence ≥ 0.5, and 1 is needed (2 cells)" in out
    assert "fedlens sweep grid.yaml -o options.rounds=8" in out
    assert "options.seed" not in out  # which varies
    code, out, _ = called(capsys, "sweep", "grid.yaml", "--out", "sweep")
    assert code == 0
    assert "all that can be run is done already" in out
    assert "3 of 4 cells cannot be judged:" in out
    remedy = "-o options.target.select=random"
    assert f"fedlens sweep grid.yaml {remedy}" in out
    code, out, _ = called(capsys, "sweep", "grid.yaml", *remedy.split(), "--out", "sweep", "--jobs", "1")
    assert code == 0
    assert "cannot be judged" not in out


def test_who_looks_at_such_a_cell_is_told_the_same() -> None:
    sweep = swept(grid_of({"seed": [0]}))
    ((cell, error),) = sweep.unjudged
    with pytest.raises(RunError) as caught:
        fedlens.load_run(sweep.directory.path_of(cell))
    assert str(caught.value) == f"{sweep.directory.path_of(cell)}: {error}"
    (row,) = list_runs(Path("sweep"))
    assert row.trouble == str(error)


def test_an_impossible_cell_is_a_failure_all_the_same() -> None:
    grid = validate(Grid, {"experiment": small(rounds=1).describe(), "product": {"rounds": [1, -1]}})
    sweep = swept(grid)
    assert len(sweep.failures) == 1
    assert sweep.unjudged == []
