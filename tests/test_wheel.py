"""The wheel: built twice, in different folders and at different times, it has the same bytes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", ".gitignore")


def copied(folder: Path) -> Path:
    """A copy of what the wheel is made from."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    return folder


def built(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    [wheel] = (folder / "dist").iterdir()
    return wheel


def test_a_wheel_that_is_built_again_elsewhere_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = copied(tmp_path / "one"), copied(tmp_path / "another" / "place")
    for path in second.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(path.stat().st_mode | 0o060)  # as under another umask
    one, other = built(first), built(second)
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    names = ZipFile(one).namelist()
    assert {"fedlens/__init__.py", "fedlens/py.typed", "fedlens/cli/templates/attack.py.txt"} <= set(names)
