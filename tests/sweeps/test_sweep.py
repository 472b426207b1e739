import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from filelock import FileLock
from small import small
from smallgrid import InProcess, grid_of, nobody, swept, twins

import fedlens
from fedlens.core.errors import ConfigError, RunError
from fedlens.sweeps.grid import Grid


def starts(path: Path) -> int:
    return (path / "environment.jsonl").read_bytes().count(b"\n")


def test_a_sweep_makes_the_runs_that_run_makes_shares_twins_and_never_repeats(here: Path) -> None:
    grid = grid_of({"attack": ["none", "explicit-boosting", "data-poisoning"], "seed": [0, 1]}, control=True)
    Path("grid.yaml").write_text(yaml.safe_dump(grid.model_dump(mode="json")))
    sweep = fedlens.sweep("grid.yaml", "sweep", jobs=2)  # by worker processes
    assert sweep.failures == []
    assert [starts(twin) for twin in twins()] == [1, 1]
    for number, cell in enumerate(sweep.cells):
        assert cell.experiment is not None
        fedlens.run(cell.experiment, str(number))
        for name in ("rounds.jsonl", "final.safetensors", "target.json"):
            assert (sweep.directory.path_of(cell) / name).read_bytes() == Path(str(number), name).read_bytes()
        assert starts(sweep.directory.path_of(cell)) == 1
    before = pd.read_parquet("sweep/rounds.parquet")
    again = swept(grid, nobody)
    pd.testing.assert_frame_equal(pd.read_parquet("sweep/rounds.parquet"), before)
    pd.testing.assert_frame_equal(again.rounds, before)
    assert list(before.columns[:6]) == ["cell", "attack", "seed", "target.draw", "target_index", "round"]
    assert list(before["seed"]) == [0, 0, 1, 1] * 3
    assert before["confidence"].notna().all()


def test_attacks_share_the_placebo_which_is_made_once(here: Path) -> None:
    boosting = {"name": "explicit-boosting", "boost": 2, "step_cap": 105}
    attacks = [boosting, {**boosting, "boost": 3, "delay": 2}, "data-poisoning"]
    grid = grid_of({"attack": attacks}, control=True, aggregation="median", clients=5, attack=None)
    Path("grid.yaml").write_text(yaml.safe_dump(grid.model_dump(mode="json")))
    sweep = fedlens.sweep("grid.yaml", "sweep", jobs=2)  # by worker processes
    assert sweep.failures == []
    assert sorted(fedlens.load_experiment(str(path)).absent for path in twins()) == [(), (4,)]
    assert [starts(control) for control in twins()] == [1, 1]
    placebos = sweep.rounds.pivot(index="round", columns="attack", values="placebo_accuracy")
    assert placebos.shape == (2, 3)
    assert placebos.nunique(axis=1).tolist() == [1, 1]
    assert sweep.rounds["counts"].notna().all()


def test_a_grid_may_grow_and_only_what_is_new_is_played() -> None:
    swept(grid_of({"seed": [0, 1]}))
    larger = swept(grid_of({"seed": [1, 2, 3]}))
    assert InProcess.keys == [cell.key for cell in larger.cells[1:]]
    assert sorted(set(larger.rounds["seed"])) == [1, 2, 3]


def test_no_more_jobs_than_cells_and_each_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedlens.sweeps.sweep_runtime.cores", lambda: 6)
    given: list[Any] = []

    class Looking(InProcess):
        def run(self, tasks: Any, notify: Any) -> None:
            given.extend(task.options["workers"] for task in tasks)

    swept(grid_of({"seed": [0, 1]}), Looking, jobs=50)
    assert (Looking.jobs, given) == (2, [3, 3])
    given.clear()
    swept(grid_of({"seed": list(range(9))}), Looking, jobs=None, engine="serial")
    assert (Looking.jobs, given) == (6, [None] * 9)


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_jobs_is_refused(jobs: int) -> None:
    with pytest.raises(ConfigError, match=f"--jobs {jobs}: at least one"):
        swept(grid_of({"seed": [0]}), jobs=jobs)
    assert not Path("sweep").exists()


def test_an_impossible_cell_is_recorded_and_the_others_are_played() -> None:
    sweep = swept(grid_of({"aggregation": ["medain", "mean"]}))
    ((cell, reason),) = sweep.failures
    (written,) = json.loads(Path("sweep/failures.json").read_text())
    assert written == {"cell": cell.key, "values": {"aggregation": "medain"}, "reason": reason}
    assert "did you mean median?" in reason
    assert set(sweep.rounds["aggregation"]) == {"mean"}


def test_a_complete_run_that_is_damaged_is_told_with_the_remedy() -> None:
    grid = grid_of({"seed": [0, 1, 2]})
    cells = swept(grid).cells
    paths = [Path("sweep/cells", cell.key).resolve() for cell in cells]
    records = paths[0] / "rounds.jsonl"
    records.write_bytes(records.read_bytes().splitlines(keepends=True)[0])
    (paths[1] / "summary.json").write_text("{")
    sweep = swept(grid, nobody)
    reasons = [reason for _, reason in sweep.failures]
    assert [cell.values["seed"] for cell, _ in sweep.failures] == [0, 1]
    assert "rounds.jsonl: has changed" in reasons[0]
    for path, reason in zip(paths, reasons, strict=False):
        assert f"remove {path}, and the same sweep makes it anew" in reason
        shutil.rmtree(path)
    assert set(sweep.rounds["seed"]) == {2}
    assert set(swept(grid).rounds["seed"]) == {0, 1, 2}


def test_an_unfinished_run_that_is_damaged_is_told_with_the_remedy() -> None:
    grid = grid_of({"seed": [0]})
    path = swept(grid).directory.path_of(grid.cells()[0])
    (path / "summary.json").unlink()
    (path / "checkpoint.safetensors").write_bytes(b"half")
    ((_, reason),) = swept(grid).failures
    assert "checkpoint.safetensors" in reason
    assert f"remove {path}, and the same sweep" in reason


@pytest.mark.parametrize("left", [".lock", ".experiment.yaml.x1y2"])
def test_what_a_kill_at_the_very_beginning_leaves_does_not_matter(left: str) -> None:
    grid = grid_of({"seed": [0]})
    path = Path("sweep/cells", grid.cells()[0].key)
    path.mkdir(parents=True)
    (path / left).touch()
    Path("sweep/sweep.yaml").touch()
    assert swept(grid).failures == []


def test_a_sweep_killed_before_it_had_written_its_grid_can_be_begun() -> None:
    Path("sweep").mkdir()
    for left in (".lock", ".sweep.yaml.x1y2"):
        Path("sweep", left).touch()
    assert swept(grid_of({"seed": [0]})).failures == []


def test_other_things_are_left_alone() -> None:
    Path("sweep").mkdir()
    Path("sweep/thesis.tex").touch()
    with pytest.raises(RunError, match="something else is there"):
        swept(grid_of({"seed": [0]}))
    assert [entry.name for entry in Path("sweep").iterdir()] == ["thesis.tex"]


def test_a_file_is_no_place_for_a_sweep() -> None:
    Path("sweep").touch()
    with pytest.raises(RunError, match="choose another --out"):
        swept(grid_of({"seed": [0]}))


def test_two_processes_cannot_play_one_sweep() -> None:
    Path("sweep").mkdir()
    with FileLock("sweep/.lock"), pytest.raises(RunError, match="another process is writing this sweep"):
        swept(grid_of({"seed": [0]}))


def test_a_full_disk_is_a_reason_and_the_cell_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    from fedlens.runs import directory

    grid, append = grid_of({"seed": [0]}), directory.append_bytes

    def full(path: Path, line: bytes) -> None:
        if path.name == "rounds.jsonl" and b'"round": 2' in line:
            with directory.writing(path):
                raise OSError(28, "No space left on device")
        append(path, line)

    with monkeypatch.context() as patched:
        patched.setattr(directory, "append_bytes", full)
        ((cell, reason),) = swept(grid).failures
    assert "No space left" in reason
    assert "fix it, then repeat the same command. Recorded rounds are kept" in reason  # without --resume
    sweep = swept(grid)
    assert sweep.failures == []
    fedlens.run(small(rounds=2), "whole")
    assert (sweep.directory.path_of(cell) / "rounds.jsonl").read_bytes() == Path("whole/rounds.jsonl").read_bytes()
    assert starts(sweep.directory.path_of(cell)) == 2


def test_what_was_played_is_in_the_table_when_a_sweep_is_interrupted() -> None:
    class Interrupted(InProcess):
        def run(self, tasks: Any, notify: Any) -> None:
            super().run(tasks[:1], notify)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(grid_of({"seed": [0, 1]}), Interrupted)
    assert set(pd.read_parquet("sweep/rounds.parquet")["seed"]) == {0}


def test_a_grid_from_python_and_its_default_place() -> None:
    described = {"name": "mine", "experiment": small(rounds=1).describe(), "product": {"rounds": [1, -1]}}
    sweep = fedlens.sweep(described, jobs=1)
    assert sweep.directory.path == Path("sweeps/mine").resolve()
    assert len(sweep.rounds) == len(sweep.failures) == 1
    assert isinstance(Grid.model_validate(yaml.safe_load(Path("sweeps/mine/sweep.yaml").read_text())), Grid)
    with pytest.raises(ConfigError, match="did you mean product"):
        fedlens.sweep({**described, "prodct": {}})
