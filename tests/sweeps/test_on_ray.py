"""Sweeps over a real Ray cluster of this machine, a node of which is killed."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from helpers.calling import called
from helpers.doomed import doomed_node
from helpers.waiting import eventually
from small import lopsided
from smallgrid import InProcess, grid_of, swept, twins

import fedlens
from fedlens.cluster.connection import connected
from fedlens.cluster.ray_executor import RayExecutor
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.remote import Cluster
from fedlens.core.users_modules import modules_of
from fedlens.runs.folder import files_of
from fedlens.runs.loading import load_experiment
from fedlens.simulation.callback import Callback, Event
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.sweep import Sweep, run_cells
from fedlens.sweeps.sweep_runtime import SweepRuntime

pytest.importorskip("ray", reason="needs fedlens[ray]")
pytestmark = pytest.mark.xdist_group("ray")

MINE = """
import os
import threading
from pathlib import Path

from torch import nn

from fedlens import Attack, Data, Model
from fedlens.data.digits import Digits

class Counted(Data):
    folder: Path

    def load(self, directory=None):
        with (self.folder / "loads").open("a") as file:
            file.write("loaded ")
        return Digits().load(directory)

class Raising(Attack):
    def craft(self, view):
        print("in round", view.round)
        if view.round == 2:
            raise ValueError("too late")
        return view.train()

class Exiting(Attack):
    def craft(self, view):
        with Path(self.folder, "exits").open("a") as file:
            file.write("exit ")
        os.kill(os.getpid(), 9)

    folder: Path

class Waits(nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def forward(self, x):
        import ray

        doomed = self.folder / "doomed"
        if self.training and ray.is_initialized() and doomed.exists():
            if ray.get_runtime_context().get_node_id() == doomed.read_text():
                (self.folder / "reached").touch()
                threading.Event().wait()
        return x

class Waiting(Model):
    folder: Path

    def build(self, shape, classes):
        return nn.Sequential(Waits(self.folder), nn.Flatten(), nn.Linear(64, classes))
"""


class Listening(Callback):
    def __init__(self) -> None:
        self.told: list[Event] = []

    def event(self, event: Event) -> None:
        self.told.append(event)

    def made_twins(self) -> int:
        return sum(event.kind == "began" and bool(event.content["control"]) for event in self.told)


@pytest.fixture(autouse=True)
def mine(here: Path) -> None:
    (here / "mine.py").write_text(MINE)


def locally(grid: Any, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """The same in this process, with a cache of its own, in ``sweep``."""
    monkeypatch.setenv("FEDLENS_CACHE", str(Path("other-cache").resolve()))
    return swept(grid, InProcess)


def require_same(near: Sweep, far: Sweep, count: int) -> None:
    complete = far.look()[0]
    assert len(complete) == count
    for cell, run in complete:
        for name in ("rounds.jsonl", "target.json", "final.safetensors", "checkpoint.safetensors"):
            assert (run.path / name).read_bytes() == (near.directory.path_of(cell) / name).read_bytes()


def test_cells_come_back_with_the_bits_of_a_local_sweep(
    here: Path, machines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacks = ["none", "data-poisoning", "explicit-boosting", "mine:Raising"]
    data = {"name": "mine:Counted", "folder": str(here)}
    grid = grid_of({"attack": attacks, "seed": [0, 1]}, control=True, data=data)
    dying = grid_of({"attack": [{"name": "mine:Exiting", "folder": str(here)}]}, data=data).cells()
    begun = grid.cells()[-2:-1]
    run_cells(
        grid, begun, Path("far"), runtime=SweepRuntime(), make_executor=InProcess
    )  # fails, and has the twin of seed 0 made
    (here / "loads").unlink()
    ears = Listening()
    modules = modules_of(component for _, component in dying[0].experiment.components())
    with connected(machines.address, modules=modules) as cluster:
        make_executor = partial(RayExecutor, cluster, retries=1)
        cells = [*dying, *grid.cells()]
        far = run_cells(
            grid, cells, Path("far"), runtime=SweepRuntime(jobs=2), observer=ears, make_executor=make_executor
        )
    assert (here / "loads").read_text() == "loaded "
    assert (here / "exits").read_text() == "exit exit "
    assert ears.made_twins() == 0  # the run without attack leaves that of seed 1
    assert len(twins()) == 2
    assert [event.content["done"] for event in ears.told if event.key == begun[0].key and event.kind == "began"] == [1]
    reasons = {cell.key: reason for cell, reason in far.failures}
    assert len(reasons) == 3
    assert reasons.pop(dying[0].key).startswith("could not be done by Ray: WorkerCrashedError")
    log = Path("far/workers.log").read_text()
    assert log.count("in round 2") == 2
    near = locally(grid, monkeypatch)
    require_same(near, far, 6)
    for cell, reason in near.failures:
        assert reasons[cell.key].replace(f"{here}/mine.py", "mine.py") == reason.replace("/sweep/", "/far/")
        assert "error.txt" in reason
        failed = near.directory.path_of(cell), far.directory.path_of(cell)
        assert [(path / "rounds.jsonl").read_text().count("\n") for path in failed] == [1, 1]
    for cell, _ in far.look()[0]:
        told = [event for event in ears.told if event.key == cell.key and not event.content.get("control")]
        kinds = [event.kind for event in told]
        assert kinds.count("round") >= 2
        assert kinds[-1] == "finished"


@pytest.fixture(scope="class")
def cluster(machines: Any) -> Iterator[Cluster]:
    with connected(machines.address) as cluster:
        yield cluster


class TestOfOneConnection:
    """What a sweep does that ends before its end."""

    def test_a_cell_that_cannot_be_judged_is_noted_as_in_a_local_sweep(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        grid = validate(Grid, {"experiment": lopsided().describe(), "product": {"seed": [0]}})
        far = run_cells(
            grid,
            grid.cells(),
            Path("far"),
            runtime=SweepRuntime(jobs=1),
            make_executor=partial(RayExecutor, cluster, retries=1),
        )
        near = locally(grid, monkeypatch)
        ((cell, error),) = far.unjudged
        assert far.failures == []
        assert [(one.key, str(why)) for one, why in near.unjudged] == [(cell.key, str(error))]
        assert files_of(far.directory.path_of(cell)).keys() == files_of(near.directory.path_of(cell)).keys()
        assert Path("far/unjudged.json").read_text() == Path("sweep/unjudged.json").read_text()

    def test_an_interruption_leaves_nothing_at_work_and_keeps_what_has_come(self, cluster: Cluster) -> None:
        import ray

        def at_work() -> list[Path]:
            found = []
            for file in Path(tempfile.gettempdir()).glob("fedlens-*/run/experiment.yaml"):
                with contextlib.suppress(FileNotFoundError):  # another cell's, gone meanwhile
                    found += [file] if "rounds: 100000" in file.read_text() else []
            return found

        class Interrupting(Listening):
            def event(self, event: Event) -> None:
                super().event(event)
                played = max((event.content["round"] for event in self.told if event.kind == "round"), default=0)
                if played > 1 and any(event.kind == "finished" for event in self.told):
                    assert at_work()
                    raise KeyboardInterrupt

        grid, make_executor = grid_of({"rounds": [1, 100_000]}), partial(RayExecutor, cluster)
        with pytest.raises(KeyboardInterrupt):
            run_cells(
                grid,
                grid.cells(),
                Path("far"),
                runtime=SweepRuntime(jobs=2),
                observer=Interrupting(),
                make_executor=make_executor,
            )
        assert len(pd.read_parquet("far/rounds.parquet")) == 1

        def idle() -> bool:
            return not at_work() and ray.available_resources().get("CPU") == cluster.cpus  # which Ray tells late

        assert eventually(idle, pause=0.1), at_work()

    def test_a_placebo_is_made_once_and_comes_back(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        boosting = {"name": "explicit-boosting", "step_cap": 5}
        attacks = [{**boosting, "boost": boost} for boost in (2, 3)]
        grid = grid_of({"attack": attacks}, control=True, aggregation="median", clients=5, attack=None)
        ears, make_executor = Listening(), partial(RayExecutor, cluster)
        far = run_cells(
            grid, grid.cells(), Path("far"), runtime=SweepRuntime(jobs=2), observer=ears, make_executor=make_executor
        )
        assert far.failures == []
        assert ears.made_twins() == 2
        made = [(load_experiment(str(path)).absent, (path / "rounds.jsonl").read_bytes()) for path in twins()]
        assert sorted(absent for absent, _ in made) == [(), (4,)]
        require_same(locally(grid, monkeypatch), far, 2)
        assert sorted((path / "rounds.jsonl").read_bytes() for path in twins()) == sorted(lines for _, lines in made)

    def test_a_machine_of_another_kind_ends_it(self, cluster: Cluster) -> None:
        make_executor = partial(RayExecutor, replace(cluster, kind={"cpu": "abacus"}))
        with pytest.raises(ConfigError, match=r"another kind has joined.*the same command goes on"):
            swept(grid_of({"seed": [0, 1]}, control=True), make_executor)
        assert not list(Path("sweep/cells").iterdir())


@pytest.mark.acceptance  # beside that of 200 cells; a killed node under a single run is tested with the engine
def test_a_node_killed_in_the_middle_changes_nothing(
    here: Path, machines: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = {"name": "mine:Waiting", "folder": str(here)}
    grid = grid_of({"attack": ["none", "data-poisoning"], "seed": [0, 1, 2]}, control=True, model=model)
    Path("grid.yaml").write_text(yaml.safe_dump(grid.model_dump(mode="json")))
    arguments = ["sweep", "grid.yaml", "--out", "far", "--on", "ray", "--address", machines.address]
    with doomed_node(machines, here) as reached:
        code, out, err = called(capsys, *arguments)
        assert reached.exists()  # so a cell was being played there
    assert code == 0, err
    assert "4 at a time" in out
    far = fedlens.sweep(grid, "far", on="ray", address="127.0.0.1:1")  # nothing is left, and nobody is asked
    require_same(locally(grid, monkeypatch), far, 6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on": "ray", "address": "127.0.0.1:1"}, "nobody answers there"),
        ({"address": "auto"}, "for --on ray"),
        ({"on": "ray", "engine": "processes"}, "a run has one CPU"),
        ({"on": "ray", "device": "cuda"}, "CPU only"),
        ({"on": "slurm"}, "neither local nor ray"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fedlens.sweep(grid_of({"seed": [0]}), "far", **options)
