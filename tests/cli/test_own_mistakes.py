"""A mistake in the user's own class ends in one message with their file and line; --traceback shows the frames."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.calling import called
from small import small

from fedlens.core.origin import at, place_of, told

CODE = """\
from pathlib import Path
from torch import nn
from fedlens import Attack, Data, Detector, Model, Partition, Rule

class Divides(Attack):
    def craft(self, view):
        return self.divided(view.train())
    def divided(self, update):
        return update / len([])[0]  # 9

class Lists(Attack):
    def craft(self, view):  # 12
        return [1]

class Narrow(Attack):
    def craft(self, view):
        return view.network.layout.split(view.train()[1:])  # 17

class Logs(Attack):
    def craft(self, view):  # 20
        view.log["network"] = view.network
        return view.train()

class Nowhere(Data):
    def load(self, directory=None):
        return Path("nowhere.csv").read_text()  # 26

class Misses(Data):
    def load(self, directory=None):
        return {}["train"]  # 30

class Unequal(Partition):
    def split(self, labels, clients, address):
        return labels.reshape(clients, -1, 7)  # 34

class Wide(Model):
    def build(self, shape, classes):
        return nn.Linear(*shape, classes, classes, classes, classes)  # 38

class Forward(Model):
    def build(self, shape, classes):
        class Net(nn.Linear):
            def forward(self, x):
                return super().forward(x.flatten(1)).nothing  # 44
        return Net(64, classes)

class Misspelt(Rule):
    averages = True
    def aggregate(self, received):
        return received.update.mean()  # 50

class Five(Rule):
    averages = True
    def aggregate(self, received):  # 54
        return 5

class Blind(Detector):
    def inspect(self, seen):
        raise RuntimeError("nothing\\nto see")  # 59

class Six(Detector):
    def inspect(self, seen):  # 62
        return 6

class Crafts(Attack):
    def crafts(self, view):  # 66
        return view.train()

class Nothing(Rule):  # 69
    averages = True
    def combine(self, received):
        return received.updates[0]

class Tells(Attack):
    what: int
    def craft(self, view):  # 76
        odd = [(("a",), 1), ("\\ud800", 1), ("a", 10**5000), ("a", view.weights)]
        view.log.update([odd[self.what]])
        return view.train()

class Sends(Attack):
    what: int
    def craft(self, view):  # 83
        update = view.train()
        return [update.to_sparse(), update.to("meta"), update + 0j][self.what]

class Waits(Attack):
    def craft(self, view):
        return view.train()
    def waits(self, view):  # 90
        return True

class Builds(Model):
    def build(self, shape, classes):  # 94
        return shape
"""
TOLD = {
    "attack=mine:Divides": "malicious client 3 in round 1 failed: TypeError: .* (mine.py:9)",
    "attack=mine:Lists": "malicious client 3 in round 1 sent a list, expected a plain torch.Tensor; .* (mine.py:12)",
    "attack=mine:Narrow": "malicious client 3 in round 1 failed: .* (mine.py:17)",
    "attack=mine:Logs": "malicious client 3 in round 1 logged 'network' as Network; .* (mine.py:20)",
    "data=mine:Nowhere": "nowhere.csv: No such file or directory (mine.py:26)",
    "data=mine:Misses": "KeyError: 'train' (mine.py:30); --traceback",
    "partition=mine:Unequal": "RuntimeError: .* (mine.py:34)",
    "model=mine:Wide": "TypeError: .* (mine.py:38)",
    "model=mine:Forward": "AttributeError: .* (mine.py:44)",
    "aggregation=mine:Misspelt": "rule Misspelt failed in round 1: AttributeError: .* (mine.py:50)",
    "aggregation=mine:Five": "rule Five, in round 1, returned 5, not an Aggregate: let aggregate (mine.py:54) return",
    "checks=mine:Blind": "check mine:Blind failed in round 1: RuntimeError: nothing (mine.py:59)",
    "checks=mine:Six": "check mine:Six, in round 1, returned 6, not a Verdict: let inspect (mine.py:62) return",
    "attack=mine:Crafts": "mine:Crafts (mine.py:65) has no method craft; is crafts meant to be it (mine.py:66)?",
    "aggregation=mine:Nothing": "(mine.py:69) has no method aggregate; write one: def aggregate(self, received)",
    "attack={name: 'mine:Tells', what: 0}": "logged something as ('a',); log it .* (mine.py:76)",
    "attack={name: 'mine:Tells', what: 1}": "logged something as '\\ud800'; log it .* (mine.py:76)",
    "attack={name: 'mine:Tells', what: 2}": "logged 'a' as an integer of .*; log float(...) (mine.py:76)",
    "attack={name: 'mine:Tells', what: 3}": "logged 'a' as Tensor; log numbers or words (mine.py:76)",
    "attack={name: 'mine:Sends', what: 0}": "sent an update that is torch.sparse_coo; a dense one .* (mine.py:83)",
    "attack={name: 'mine:Sends', what: 1}": "sent an update that is on meta; a dense one .* (mine.py:83)",
    "attack={name: 'mine:Sends', what: 2}": "sent an update that is torch.complex64; a dense one .* (mine.py:83)",
    "attack=mine:Waits": "in round 1: waits (mine.py:90) returned True; return None where it attacks",
    "model=mine:Builds": "mine:Builds (mine.py:94): build gave a tuple; return a torch.nn.Module",
    "attack=syntax:Push": "'syntax' cannot be imported: SyntaxError: .* (syntax.py:2)",
    "attack=divides:Push": "'divides' cannot be imported: ZeroDivisionError: division by zero (divides.py:3)",
    "attack=above:Push": "'above' cannot be imported: ZeroDivisionError: division by zero (divides.py:3)",
}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(small(rounds=1, target={"index": 3, "target": 1}).describe()))
    Path("mine.py").write_text(CODE)
    Path("syntax.py").write_text("import math\nclass Push(:\n")
    Path("divides.py").write_text("\n\n1 / 0\n")
    Path("above.py").write_text("import divides\n")


def like(words: str) -> str:
    return ".*".join(map(re.escape, words.split(".*")))


@pytest.mark.parametrize(("option", "words"), TOLD.items(), ids=TOLD)
def test_a_mistake_is_told_with_file_and_line_and_without_our_frames(option: str, words: str, capsys: Capture) -> None:
    code, _, err = called(capsys, "run", "small.yaml", "-o", option, "--engine", "serial")
    assert code == 2
    assert re.search(like(words), err), err
    assert 'File "' not in err
    assert "fedlens/" not in err
    assert len(err.strip().splitlines()) <= 2


@pytest.mark.parametrize("option", ["attack=mine:Divides", "data=mine:Misses", "attack=divides:Push"])
def test_all_frames_are_shown_where_asked_for(option: str, capsys: Capture) -> None:
    code, _, err = called(capsys, "run", "small.yaml", "-o", option, "--engine", "serial", "--traceback")
    assert code == 2
    assert "Traceback (most recent call last)" in err
    assert re.search(r'File ".*(mine|divides)\.py", line (9|30|3)\b', err)
    assert re.search(r'File ".*fedlens/cli/run\.py", line', err)
    assert re.search(r"^Error: .*\.py:(9|30|3)\)", err, re.MULTILINE)


def test_another_process_tells_its_place_too(capsys: Capture) -> None:
    options = ("-o", "attack=mine:Divides", "--engine", "processes", "--workers", "2")
    code, _, err = called(capsys, "run", "small.yaml", *options)
    assert code == 2
    assert "(mine.py:9)" in err
    assert 'File "' not in err
    assert 'mine.py", line 9' in called(capsys, "run", "small.yaml", *options, "--traceback")[2]


def test_a_cell_of_a_sweep_fails_with_its_place(capsys: Capture) -> None:
    Path("grid.yaml").write_text("experiment: small.yaml\nproduct: {partition: [iid, mine:Unequal]}\n")
    code, out, err = called(capsys, "sweep", "grid.yaml", "--jobs", "1", "--engine", "serial")
    assert code == 2
    assert "(mine.py:34)" in out + err
    assert "(mine.py:34)" in Path("sweeps/grid/failures.json").read_text()


def test_a_failure_in_the_twin_says_how_to_go_on_in_a_run_and_in_a_sweep(capsys: Capture) -> None:
    values = {**yaml.safe_load(Path("small.yaml").read_text()), "aggregation": "mine:Misspelt", "control": True}
    Path("small.yaml").write_text(yaml.safe_dump(values))
    code, _, err = called(capsys, "run", "small.yaml", "--engine", "serial")
    assert code == 2
    assert "rule Misspelt failed in round 1" in err
    assert err.endswith("error.txt. Fix it, then repeat the command with --resume. Recorded rounds are kept.\n")
    Path("grid.yaml").write_text("experiment: small.yaml\nproduct: {seed: [0]}\n")
    code, out, err = called(capsys, "sweep", "grid.yaml", "--jobs", "1", "--engine", "serial")
    assert code == 2
    assert "Fix it, then repeat the same command. Recorded rounds are kept." in " ".join((out + err).split())
    assert "--resume" not in out + err


def test_a_fault_of_ours_is_no_mistake_of_theirs(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedlens.runs.places.unused", None)
    with pytest.raises(TypeError):
        called(capsys, "run", "small.yaml")


def test_what_is_ours_installed_or_python_s_own_is_nobodys() -> None:
    import json

    import torch

    from fedlens.core.config import Config

    def raised(value: object) -> Exception:
        try:
            json.dumps(value)
        except TypeError as error:
            return error
        raise AssertionError

    error = raised(object())
    (file, line) = place_of(error).rsplit(":", 1)
    assert (Path(file).name, line) == ("test_own_mistakes.py", str(raised.__code__.co_firstlineno + 2))
    assert told(ValueError()) == "ValueError"
    assert told(ValueError("one\ntwo")) == "ValueError: one"
    assert at(Config) == at(torch.nn.Linear) == at(json.dumps) == at(len) == ""
    assert at(like).endswith(f"test_own_mistakes.py:{like.__code__.co_firstlineno})")


def test_an_output_that_takes_nothing_is_named() -> None:
    with Path("/dev/full").open("wb") as full:
        call = [sys.executable, "-c", "from fedlens.cli import main; main()", "list"]
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: standard output, or a file: No space left on device\n")


@pytest.mark.parametrize(
    ("out", "other"), [("", "another"), (".", "another"), ("..", "../another"), ("here", "here-2")]
)
def test_the_other_directory_that_is_suggested_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: str, other: str
) -> None:
    (tmp_path / "here").mkdir()
    for folder in (tmp_path, tmp_path / "here"):
        (folder / "something").touch()
    monkeypatch.chdir(tmp_path / "here" if out == ".." else tmp_path)
    code, _, err = called(capsys, "run", "quickstart", "--out", out)
    assert code == 2
    assert err.endswith(f"something else is there already; choose another --out, e.g. --out {other}\n")
