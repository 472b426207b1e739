"""Runs that somebody sent: they are read without running what they name, and run only where the user says so."""

import json
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers.calling import called
from test_own_components import CODE, EXPERIMENT

import fedlens
from fedlens.analysis.run_results import load_run
from fedlens.core.errors import ConfigError, DamagedRunError
from fedlens.core.files import checksum
from fedlens.core.recorded import Recorded
from fedlens.runs.loading import load_experiment
from fedlens.runs.start import read_start

COMPONENTS = {"data": "Blobs", "partition": "Stripes", "model": "Linear", "aggregation": "First", "attack": "Push"}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run all of whose components are somebody's own; their file is gone."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "theirs.py").write_text(CODE)
    file = folder / "theirs.yaml"
    file.write_text(yaml.safe_dump(EXPERIMENT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        fedlens.run(load_experiment(str(file)), folder / "run", engine="serial")
    sys.modules.pop("theirs", None)
    (folder / "theirs.py").unlink()
    return folder / "run"


Send = Callable[..., Path]


@pytest.fixture
def send(theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Puts a copy of the run into ``runs/strange`` of another user, with other modules, and code beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLENS_STATE", str(tmp_path / "state"))
    monkeypatch.syspath_prepend("")

    def laid(module: str, *kinds: str, place: str = "runs/strange") -> Path:
        run = tmp_path / place
        shutil.copytree(theirs, run)
        payload = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{CODE}"
        (run / "payload.py").write_text(payload)
        (run / "package").mkdir()
        (run / "package/__init__.py").write_text(payload)
        values = yaml.safe_load((run / "experiment.yaml").read_text()) | {"seed": int(place != "runs/strange")}
        for kind in kinds or COMPONENTS:
            values[kind]["name"] = f"{module}:{COMPONENTS[kind]}"
        values["checks"][0]["name"] = f"{module}:Longest" if not kinds else values["checks"][0]["name"]
        (run / "experiment.yaml").write_text(yaml.safe_dump(values))
        rounds = (run / "rounds.jsonl").read_text()
        (run / "rounds.jsonl").write_text(rounds.replace("theirs:Longest", values["checks"][0]["name"]))
        summary = json.loads((run / "summary.json").read_text())
        summary["checksums"] |= {name: checksum(run / name) for name in ("experiment.yaml", "rounds.jsonl")}
        (run / "summary.json").write_text(json.dumps(summary))
        return run

    return laid


def ran(tmp_path: Path) -> bool:
    return (tmp_path / "ran").exists()


@pytest.mark.parametrize("module", ["runs.strange.payload", "runs.strange.package", "payload", "os", "no.such.module"])
@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["plot"],
        ["plot", "--kind", "distances"],
        ["plot", "--kind", "selection"],
        ["plot", "--kind", "checks"],
        ["report"],
        ["compare", "--by", "seed"],
    ],
    ids=" ".join,
)
def test_reading_a_run_runs_nothing(
    send: Send, tmp_path: Path, capsys: pytest.CaptureFixture[str], module: str, command: list[str]
) -> None:
    run = send(module)
    code, printed, err = called(capsys, command[0], "runs/strange", *command[1:])
    assert code == 0, err
    assert not ran(tmp_path)
    assert not {"payload", "runs", "no"} & sys.modules.keys()
    if command == ["show"]:
        assert f"{module}:Push" in printed
        assert f"rule {module}:First" in printed
    if command == ["report"]:
        assert f"{module}:Linear" in (tmp_path / "report.html").read_text()
    assert (run / "payload.py").exists()


def test_reading_inside_the_directory_runs_nothing(
    send: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(send("payload"))
    assert called(capsys, "show", ".")[0] == 0
    for arguments in (["run", "."], ["run", ".", "--trust"], ["run", "--resume", "--out", ".", "--trust"]):
        code, _, err = called(capsys, *arguments)
        assert code == 2
        assert "payload" in err
    assert not ran(tmp_path)


def test_the_list_of_runs_runs_nothing(send: Send, tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    from fedlens.watch.run_list import list_runs

    send("runs.strange.payload")
    (run,) = list_runs(tmp_path / "runs")
    assert (run.name, run.attack, run.trouble) == ("strange", "runs.strange.payload:Push", "")
    assert not ran(tmp_path)


def test_what_is_read_is_what_was_recorded(theirs: Path, send: Send) -> None:
    found = load_run(theirs)
    assert all(isinstance(component, Recorded) for kind, component in found.experiment.components() if kind != "checks")
    assert found.experiment.attack is not None
    assert found.experiment.describe()["attack"]["push"] == 7
    assert found.experiment.attack.estimate == "post"
    assert found.summary is not None
    assert found.flags == found.summary.flags  # which were found when the classes were there
    assert found.experiment.aggregation.averages is True
    assert load_run(send("payload", "model")).rounds.equals(found.rounds)


def test_a_recorded_experiment_is_the_same_experiment(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(CODE)
    file = tmp_path / "theirs.yaml"
    file.write_text(yaml.safe_dump(EXPERIMENT))
    experiment = load_experiment(str(file))
    recorded = load_run(theirs).experiment
    assert recorded.identity() == experiment.identity()
    assert recorded.twin().identity() == experiment.twin().identity()


def test_an_old_run_without_notes_is_read(send: Send) -> None:
    run = send("payload")
    (run / "start.json").unlink()
    found = load_run(run)
    assert any("not known whether the attack is omniscient" in flag for flag in found.flags)
    assert len(found.rounds) == 3


AGAIN = [
    ["run", "runs/strange"],
    ["run", "runs/strange/experiment.yaml"],
    ["run", "runs/strange", "--resume"],
    ["run", "--resume", "--out", "runs/strange"],
    ["explain", "runs/strange"],
    ["explain", "runs/strange", "runs/other"],
    ["partition", "runs/strange"],
    ["sweep", "grid.yaml"],
]


@pytest.mark.parametrize("arguments", AGAIN, ids=" ".join)
def test_running_again_what_somebody_sent_asks_for_trust(
    send: Send, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    send("mine")
    send("mine", place="runs/other")
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{CODE}")
    (tmp_path / "grid.yaml").write_text("{experiment: runs/strange, product: {seed: [0, 1]}}")
    code, _, err = called(capsys, *arguments)
    assert code == 2
    assert "runs/strange: you did not begin this" in err
    assert "mine:Blobs" in err
    assert "--trust" in err
    assert not ran(tmp_path)


def test_trusted_it_runs_and_says_what_it_imports(
    send: Send, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send("mine")
    (tmp_path / "mine.py").write_text(CODE)
    code, printed, err = called(capsys, "run", "runs/strange", "--trust", "--out", "again", "--engine", "serial")
    assert code == 0, err
    assert f"Imported: mine ({tmp_path / 'mine.py'})" in printed
    code, printed, err = called(capsys, "run", "again", "--engine", "serial")  # which is one's own
    assert code == 0, err
    assert called(capsys, "partition", "again")[0] == 0


def test_a_description_that_was_changed_is_not_ones_own_any_more(
    send: Send, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send("mine")
    (tmp_path / "mine.py").write_text(CODE)
    assert called(capsys, "run", "runs/strange", "--trust", "--out", "again", "--engine", "serial")[0] == 0
    file = tmp_path / "again/experiment.yaml"
    file.write_text(file.read_text().replace("push: 7", "push: 8"))
    code, _, err = called(capsys, "run", "again")
    assert code == 2
    assert "experiment.yaml has changed since" in err


@pytest.mark.parametrize("module", ["runs.strange.payload", "runs.strange.package", "runs.strange.package.deeper"])
def test_not_even_trust_takes_modules_from_inside_a_run(
    send: Send, tmp_path: Path, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    run = send(module)
    (run / "package/deeper.py").write_text("")
    code, _, err = called(capsys, "run", "runs/strange", "--trust", "--out", "again")
    assert code == 2
    assert "lies inside" in err
    assert not ran(tmp_path)


def test_nor_does_a_file_of_ones_own(send: Send, tmp_path: Path) -> None:
    send("payload")
    (tmp_path / "mine.yaml").write_text("attack: runs.strange.payload:Push")
    with pytest.raises(ConfigError, match=r"lies inside .*strange"):
        load_experiment(str(tmp_path / "mine.yaml"))
    assert not ran(tmp_path)


def test_a_sweep_that_somebody_sent_asks_for_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sent/cells").mkdir(parents=True)
    grid = {"experiment": {"attack": "mine:Push"}, "product": {"seed": [0, 1]}}
    (tmp_path / "sent/sweep.yaml").write_text(yaml.safe_dump(grid))
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    code, _, err = called(capsys, "sweep", "sent/sweep.yaml", "--out", "again")
    assert code == 2
    assert "mine:Push" in err
    assert not ran(tmp_path)


def test_modules_are_looked_for_beside_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project/nearby.py").write_text(CODE)
    (tmp_path / "project/mine.yaml").write_text("attack: nearby:Push")
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = load_experiment("../project/mine.yaml")
    assert found.attack is not None
    assert type(found.attack).__module__ == "nearby"


def test_who_began_a_run_is_known_to_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDLENS_STATE", str(tmp_path / "home/state"))
    run = ["run", "quickstart", "-o", "rounds=1", "--no-control", "-o", "data=digits", "-o", "checks=none"]
    code, _, err = called(capsys, *run, "--engine", "serial", "--out", tmp_path / "run")
    assert code == 0, err
    file = tmp_path / "home/state/runs"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    identity = json.loads((tmp_path / "run/start.json").read_text())["id"]
    assert identity in file.read_text()


def test_a_state_that_cannot_be_written_does_not_keep_anybody_from_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEDLENS_STATE", str(tmp_path / "file/state"))
    from small import small

    assert len(fedlens.run(small(rounds=1), tmp_path / "run", engine="serial").records) == 1


@pytest.mark.parametrize("identity", ["\ud800", "", "x" * 32, "0" * 33, "0" * 32 + "\n" + "1" * 32])
def test_an_id_that_is_none_is_refused(tmp_path: Path, identity: str) -> None:
    (tmp_path / "start.json").write_text(json.dumps({"id": identity}))
    with pytest.raises(DamagedRunError, match=r"start\.json: damaged \(id: .*\); get the run anew"):
        read_start(tmp_path)


@pytest.mark.parametrize("name", ["worst.yaml", "audited.yaml"])
def test_what_somebodys_audit_describes_asks_for_trust(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    Path("mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{CODE}")
    Path("audits/strange").mkdir(parents=True)
    Path("audits/strange/audit.json").write_text("{}")
    Path("audits/strange", name).write_text("{data: digits, aggregation: 'mine:First', rounds: 1}")
    for command in (["run"], ["audit", "--plan"]):
        code, _, err = called(capsys, command[0], f"audits/strange/{name}", *command[1:])
        assert code == 2
        assert "audits/strange: you did not begin this" in err
        assert "--trust" in err
    assert not ran(tmp_path)
