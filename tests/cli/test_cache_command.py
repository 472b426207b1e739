"""``fedlens cache``: what is there, how large, and nothing removed that fedlens has not put there."""

import os
import re
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.calling import called
from small import small

import fedlens
from fedlens.core.cache_contents import KINDS

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with something of each kind, and files of somebody else's among it."""
    folder = Path(os.environ["FEDLENS_CACHE"])
    fedlens.run(small(control=True, rounds=1), tmp_path / "run", engine="serial")
    for name in (
        "data/fashion-mnist/train-images-idx3-ubyte.gz",
        "prepared/adult-0123456789abcdef01234567.safetensors",
        "data/mine.csv",
        "data/fashion-mnist/notes.txt",
        "controls/notes/a.txt",
        "openings/notes",
        "openings/0123456789abcdef01234567",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 2_000_000)
    return folder


def rows(out: str) -> dict[str, tuple[int, float]]:
    """Number and megabytes of each kind."""
    found = re.findall(r"^ +(\w+)  .* (\d+) +([\d.]+) *$", out, re.MULTILINE)
    return {name: (int(count), float(megabytes)) for name, count, megabytes in found}


def theirs(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(folder)) for path in files)


def test_what_is_there_is_counted_and_weighed(cache: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = called(capsys, "cache")
    assert code == 0
    assert str(cache) in out
    found = rows(out)
    assert list(found) == [kind.name for kind in KINDS]
    assert {name: count for name, (count, _) in found.items()} == dict.fromkeys(found, 1)
    assert found["data"] == found["prepared"] == (1, 2.0)


def test_an_empty_cache_is_none_at_all(capsys: Capture) -> None:
    code, out, _ = called(capsys, "cache")
    assert code == 0
    assert set(rows(out).values()) == {(0, 0.0)}
    assert called(capsys, "cache", "clear")[1].startswith("0 removed")


def test_one_kind_is_cleared(cache: Path, capsys: Capture) -> None:
    code, out, _ = called(capsys, "cache", "clear", "prepared")
    assert code == 0
    assert out.startswith("1 removed, 2.0 MB")
    assert {name: count for name, (count, _) in rows(called(capsys, "cache")[1]).items()} == {
        "controls": 1, "openings": 1, "data": 1, "prepared": 0
    }  # fmt: skip


def test_what_fedlens_has_not_put_there_stays(cache: Path, capsys: Capture) -> None:
    assert called(capsys, "cache", "clear")[0] == 0
    assert theirs(cache) == ["controls/notes/a.txt", "data/fashion-mnist/notes.txt", "data/mine.csv", "openings/notes"]


def test_a_twin_that_is_being_made_stays(cache: Path, capsys: Capture) -> None:
    (twin,) = next(kind for kind in KINDS if kind.name == "controls").items()
    with FileLock(f"{twin}.lock"):
        assert called(capsys, "cache", "clear", "controls")[1].startswith("0 removed")
    assert called(capsys, "cache", "clear", "controls")[1].startswith("1 removed")


def test_what_is_cleared_is_made_again(cache: Path, capsys: Capture, tmp_path: Path) -> None:
    called(capsys, "cache", "clear")
    again = fedlens.run(small(control=True, rounds=1), tmp_path / "again", engine="serial")
    assert again.rounds.equals(fedlens.load_run(tmp_path / "run").rounds)
