"""Custom code that ends the program: an exit code of 0 means that all was done, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.calling import called
from helpers.waiting import PATIENCE

from fedlens.core.errors import ClientError
from fedlens.core.staying import staying, staying_unless_failed

CODE = """
import os, sys
import torch
from pydantic import field_validator
from torch import nn
from fedlens import Aggregate, Attack, Data, Detector, Model, Partition, Rule, Verdict
from fedlens.data.digits import Digits
from fedlens.data.partition import Iid

def end():
    {end}

class Ends(Attack):
    def craft(self, view):
        end()

class EndsValidated(Ends):
    @field_validator("delay")
    @classmethod
    def _refuse(cls, value):
        end()

class EndsRule(Rule):
    def aggregate(self, received):
        end()

class EndsAsked(Rule):
    @property
    def minimum(self):
        end()

class EndsCheck(Detector):
    def inspect(self, seen):
        end()

class EndsData(Digits):
    def load(self, directory=None):
        end()

class EndsPartition(Iid):
    def split(self, labels, clients, address):
        end()

class EndsModel(Model):
    def build(self, shape, classes):
        end()

class Layer(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

    def forward(self, x):
        if not self.training:
            end()
        return self.inner(x)

class EndsForward(Model):
    def build(self, shape, classes):
        return Layer(classes)
"""
ENDS = [
    "sys.exit()",
    "sys.exit(0)",
    "raise SystemExit",
    "os._exit(0)",
    "os._exit(status=0)",
    "exit(0)",
    "from posix import _exit; _exit(0)",
    "os.execv('/bin/true', ['true'])",
    "os.execlp('true', 'true')",
    "import posix; posix.execve('/bin/true', ['true'], {})",
]
FAILS = ["import typer; raise typer.Exit(0)", "raise EOFError('empty')", "raise BrokenPipeError(32, 'gone')"]
FAILS += ["raise GeneratorExit", "raise type('Stop', (BaseException,), {})", "import typer; raise typer.Abort"]
COMPONENTS = {
    "attack": "Ends",
    "aggregation": "EndsRule",
    "checks": "EndsCheck",
    "data": "EndsData",
    "partition": "EndsPartition",
    "model": "EndsModel",
}
BASE = {"data": "digits", "clients": 4, "rounds": 2, "control": False, "target": {"select": "random"}}
LOCAL = {"steps": 2, "batch_size": 20}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(work: Path, end: str, **components: str) -> None:
    (work / "ends.py").write_text(CODE.replace("{end}", end))
    values = {**BASE, "local": LOCAL, **{kind: f"ends:{name}" for kind, name in components.items()}}
    (work / "mine.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.parametrize(
    ("kind", "name"), [*COMPONENTS.items(), ("aggregation", "EndsAsked"), ("model", "EndsForward")]
)
@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)"])
def test_a_run_that_a_component_ends_has_failed(
    work: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str, end: str
) -> None:
    write(work, end, **{kind: name})
    code, _, err = called(capsys, "run", "mine.yaml", "--engine", "serial")
    assert code == 2
    assert "ended the program" in err
    assert "SystemExit" in err


@pytest.mark.parametrize("end", ENDS)
def test_whatever_it_ends_it_by(work: Path, capsys: pytest.CaptureFixture[str], end: str) -> None:
    write(work, end, attack="Ends")
    code, _, err = called(capsys, "run", "mine.yaml", "--engine", "serial")
    assert code == 2
    assert "malicious client 3 in round 1 ended the program" in err


@pytest.mark.parametrize(
    ("kind", "name", "end"),
    [
        (*component, end)
        for component in [*COMPONENTS.items(), ("aggregation", "EndsAsked")]
        for end in (FAILS[0], FAILS[4])
    ]
    + [(*component, end) for component in [("data", "EndsData"), ("model", "EndsForward")] for end in FAILS[1:4]],
)
def test_what_python_or_typer_would_take_for_theirs_is_a_failure_with_its_place(
    work: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str, end: str
) -> None:
    write(work, end, **{kind: name})
    code, _, err = called(capsys, "run", "mine.yaml", "--engine", "serial")
    assert code == 2
    assert "(ends.py:11)" in err
    assert err.startswith("Error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("end", FAILS)
def test_so_it_is_in_a_validator(work: Path, capsys: pytest.CaptureFixture[str], end: str) -> None:
    write(work, end, attack="EndsValidated")
    code, _, err = called(capsys, "run", "mine.yaml")
    assert code == 2
    assert "attack, being validated, failed: " in err
    assert "(ends.py:11)" in err


def test_ctrl_c_is_no_failure() -> None:
    with pytest.raises(KeyboardInterrupt), staying_unless_failed(), staying("mine"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("end", ["import sys; sys.exit(0)", "import os; os._exit(0)", "raise SystemExit"])
@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_module_that_ends_it_when_imported(
    work: Path, capsys: pytest.CaptureFixture[str], end: str, command: str
) -> None:
    (work / "gone.py").write_text(end)
    mine = {"attack": "gone:Attack"} if command == "run" else {"experiment": {"attack": "gone:Attack"}}
    (work / "mine.yaml").write_text(yaml.safe_dump(mine))
    code, _, err = called(capsys, command, "mine.yaml")
    assert code == 2
    assert "attack: importing 'gone' ended the program" in err


@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_a_process_of_its_own_says_so_too(work: Path, engine: str) -> None:
    write(work, "os._exit(0)", attack="Ends")
    command = [sys.executable, "-c", "from fedlens.cli import main; main()", "run", "mine.yaml", "--engine", engine]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 2, done.stdout
    assert "malicious client 3 in round 1 ended the program" in done.stderr


def test_explaining_a_model_that_ends_it(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(work, "pass", model="EndsForward")
    (work / "mine.yaml").write_text((work / "mine.yaml").read_text() + "attack: explicit-boosting\n")
    code, _, err = called(capsys, "run", "mine.yaml", "--engine", "serial", "--out", "run", "-o", "control=true")
    assert code == 0, err
    sys.modules.pop("ends")
    write(work, "sys.exit(0)", model="EndsForward")
    code, _, err = called(capsys, "explain", "run", "--methods", "gradient")
    assert code == 2
    assert "ended the program" in err


def test_what_is_forked_may_end_as_always() -> None:
    with staying("the test"):
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_afterwards_everything_is_as_before() -> None:
    before = os._exit
    with pytest.raises(ClientError, match=r"mine ended the program: SystemExit\(3\)"), staying("mine"):
        os._exit(3)
    assert os._exit is before


def test_a_command_may_end_with_a_failure() -> None:
    with pytest.raises(SystemExit, match="1"), staying_unless_failed():
        sys.exit(1)
    with pytest.raises(ClientError), staying_unless_failed():
        sys.exit(None)
