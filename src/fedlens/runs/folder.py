"""A directory's files as bytes, to be sent to another machine and laid out there."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from fedlens.core.files import write_atomically, writing

Files = Mapping[str, bytes]
"""Contents by their paths within the directory."""


def files_of(path: Path) -> dict[str, bytes]:
    """All files beneath `path` but hidden ones, which are locks and what a kill left half-written."""
    found = sorted(file for file in path.rglob("[!.]*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in found}


def lay_out(files: Files, path: Path) -> None:
    """Make these files the directory `path`, in place of whatever is there.

    They are written beside it first, so that a directory that is there is never half of one.

    Raises:
        RunError: they cannot be written; the old directory is as it was.
    """
    aside = path.with_name(f".{path.name}.arriving")
    with writing(path):
        shutil.rmtree(aside, ignore_errors=True)  # of one that was killed
        aside.mkdir(parents=True)
        for name, content in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(aside / name, content)
        if path.exists():
            shutil.rmtree(path)
        aside.rename(path)
