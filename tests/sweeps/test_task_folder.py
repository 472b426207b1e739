"""Folders of tasks: gone afterwards, and those of killed processes when the next one is made."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fedlens.cluster.task_folder import LOCK, PREFIX, task_folder

WORKS = """
import time
from fedlens.cluster.task_folder import task_folder

with task_folder() as folder:
    (folder / "run").mkdir()
    (folder / "run/rounds.jsonl").write_text("{}")
    print(folder, flush=True)
    time.sleep(1e6)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are, for this process and those that it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def at_work() -> tuple[subprocess.Popen[str], Path]:
    """A process that works in a folder, and the folder."""
    process = subprocess.Popen([sys.executable, "-c", WORKS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_it_is_new_and_gone_afterwards(temporary: Path) -> None:
    with task_folder() as one, task_folder() as other:
        assert one.parent == other.parent == temporary
        assert one != other
        assert [file.name for file in one.iterdir()] == [LOCK]
        (one / "file").touch()
    with pytest.raises(KeyboardInterrupt), task_folder():
        raise KeyboardInterrupt
    assert list(temporary.iterdir()) == []


def test_who_makes_one_removes_that_of_a_killed_process_and_no_other(temporary: Path) -> None:
    dead, left = at_work()
    alive, kept = at_work()
    try:
        killed(dead)
        assert (left / "run/rounds.jsonl").exists()
        with task_folder():
            assert not left.exists()
            assert (kept / "run/rounds.jsonl").exists()
    finally:
        killed(alive)
    assert kept.exists()
    with task_folder():
        assert not kept.exists()


def test_what_is_no_such_folder_stays(temporary: Path) -> None:
    (temporary / "fedlens-results").mkdir()  # of a run that was interrupted
    (temporary / "fedlens-results/.lock").touch()
    (temporary / f"{PREFIX}results").mkdir()
    (temporary / f"{PREFIX}results/.lock").touch()
    (temporary / f"{PREFIX}file").touch()
    (temporary / "elsewhere").mkdir()
    (temporary / f"elsewhere/{LOCK}").touch()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    before = sorted(temporary.rglob("*"))
    with task_folder():
        pass
    assert sorted(temporary.rglob("*")) == before


def test_somebody_elses_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, left = at_work()
    killed(dead)
    ours = left.stat().st_uid
    with monkeypatch.context() as patch:
        patch.setattr("os.geteuid", lambda: ours + 1)
        with task_folder():
            assert left.exists()
    with task_folder():
        assert not left.exists()
