"""A directory's files as bytes, to send to another machine and write there."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from fedlens.core.files import write_atomically, writing

Files = Mapping[str, bytes]
"""Contents by their paths within the directory."""


def files_of(path: Path) -> dict[str, bytes]:
    """Read all files below `path` except hidden ones, which are locks and half-written files of killed processes."""
    files = sorted(file for file in path.rglob("[!.]*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def lay_out(files: Files, path: Path) -> None:
    """Write these files as the directory `path`, and replace any that exists.

    They are first written next to it, so that the directory is never incomplete.

    Raises:
        RunError: they cannot be written; the old directory is unchanged.
    """
    aside = path.with_name(f".{path.name}.arriving")
    with writing(path):
        shutil.rmtree(aside, ignore_errors=True)  # left by a killed process
        aside.mkdir(parents=True)
        for name, content in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(aside / name, content)
        if path.exists():
            shutil.rmtree(path)
        aside.rename(path)
