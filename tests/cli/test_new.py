"""``fedlens new``: every file that it writes runs at once, by the command that it says."""

import re
import shlex
from pathlib import Path

import pytest
from helpers.calling import called

from fedlens.analysis.run_results import load_run
from fedlens.core.registry import name_of

KINDS = ("attack", "rule", "stage", "check", "data", "model", "goal", "trigger")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_runs_by_the_command_that_is_said(kind: str, capsys: Capture) -> None:
    code, out, _ = called(capsys, "new", kind)
    assert code == 0
    assert f"Written: my_{kind}.py" in out
    (command,) = re.findall(r"^  fedlens (.*)$", out, re.MULTILINE)
    shorter = ["-o", "rounds=1", "-o", "local.epochs=0.2", "--no-control", "--engine", "serial"]
    assert called(capsys, *shlex.split(command), *shorter)[0] == 0
    names = [name_of(of_kind, component) for of_kind, component in load_run(f"runs/my_{kind}").experiment.components()]
    assert any(name.startswith(f"my_{kind}:") for name in names)


def test_a_file_in_another_folder_is_run_there(capsys: Capture) -> None:
    code, out, _ = called(capsys, "new", "check", "some where/mine.py")
    assert code == 0
    assert Path("some where/mine.py").is_file()
    assert "cd 'some where' && fedlens run quickstart -o checks=mine:MyCheck" in out


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("there.py", "is there already; e.g. fedlens new rule there_2.py"),
        ("my-rule.py", "no name of a module; e.g. fedlens new rule my_rule.py"),
        ("3.txt", "no name of a module; e.g. fedlens new rule my_rule.py"),
        ("random.py", "Python has a module 'random' already, which would be taken in its place"),
        ("fedlens.py", "e.g. fedlens new rule my_fedlens.py"),
        ("/proc/nowhere/rule.py", "cannot write"),
    ],
)
def test_a_file_that_would_not_do_is_refused(file: str, words: str, capsys: Capture) -> None:
    Path("there.py").write_text("mine")
    code, _, err = called(capsys, "new", "rule", file)
    assert code == 2
    assert words in err
    assert Path("there.py").read_text() == "mine"


def test_a_kind_that_is_none_names_the_nearest(capsys: Capture) -> None:
    code, _, err = called(capsys, "new", "attak")
    assert code == 2
    assert "Did you mean attack?" in err
