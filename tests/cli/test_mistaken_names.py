"""A name that is a file's, a file that is a sweep's or empty, a preset that is no grid: each is told what to type."""

from pathlib import Path

import pytest
from helpers.calling import called

OWN = """\
import fedlens
from fedlens import Attack
raise SystemExit("never imported")
class Helper(dict): ...
class A1(Attack): ...
class R1(fedlens.Rule): ...
class R2(fedlens.Rule): ...
class Alone: ...
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text(OWN)
    Path("broken.py").write_text("class A1(Attack:")
    Path("beside").mkdir()
    Path("beside/near.py").write_text("class Mine(Something): ...\n")
    Path("beside/mine.yaml").write_text("attack: near\n")
    Path("empty.yaml").touch()
    Path("none.yaml").write_text("# nothing\n")
    Path("grid.yaml").write_text("experiment: quickstart\nproduct: {seed: [0, 1]}\n")
    Path("a grid.yaml").write_text("zipped: []\n")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["run", "quickstart", "-o", "attack=bad"], "attack: there is no 'bad'; did you mean bad:A1?"),
        (["run", "quickstart", "-o", "attack=bad.py"], "attack: there is no 'bad.py'; did you mean bad:A1?"),
        (
            ["run", "quickstart", "-o", "aggregation=bad"],
            "aggregation: there is no 'bad'; did you mean one of bad:R1, bad:R2?",
        ),
        (
            ["run", "quickstart", "-o", "checks=bad"],
            "checks: there is no 'bad'; did you mean one of bad:Helper, bad:A1, bad:R1, bad:R2?",
        ),
        (["run", "beside/mine.yaml"], "beside/mine.yaml:1: attack: there is no 'near'; did you mean near:Mine?"),
        (["run", "empty.yaml"], "empty.yaml: is empty; e.g. the line attack: none"),
        (["run", "none.yaml"], "none.yaml: is empty; e.g. the line attack: none"),
        (["run", "grid.yaml"], "grid.yaml: this describes a sweep: fedlens sweep grid.yaml"),
        (["run", "a grid.yaml"], "a grid.yaml: this describes a sweep: fedlens sweep 'a grid.yaml'"),
        (
            ["sweep", "quickstart"],
            "quickstart is a preset; fedlens run quickstart plays it, and a grid file needs experiment: quickstart",
        ),
    ],
)
def test_what_was_meant_is_named(command: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, *command)
    assert (code, err) == (2, f"Error: {words}\n")


@pytest.mark.parametrize("name", ["broken", "nothing", "beside", "../bad"])
def test_a_file_that_cannot_be_read_is_no_suggestion(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, "run", "quickstart", "-o", f"attack={name}")
    assert code == 2
    assert err.startswith(f"Error: attack: there is no {name!r}; known: ")
