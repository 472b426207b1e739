"""Cutting a run's files back to its checkpoint: what is cut is kept, and what is not ours is left alone."""

import re
from collections.abc import Iterator
from pathlib import Path

from fedlens.core.files import append_bytes, write_atomically, writing
from fedlens.core.regular import regular

CUT = "cut"
"""The folder of what was cut."""

_OURS = (
    r"(experiment\.yaml|(environment|rounds|timings)\.jsonl|(target|start|summary)\.json|error\.txt"
    r"|(checkpoint|best|final|\d{5})\.safetensors)"
)
_LEFT = re.compile(rf"\.{_OURS}\.[0-9a-f]{{8}}")  # as `fedlens.core.files.write_atomically` calls them
_FOLDERS = ("", "checks", "weights", "predictions")


def leftovers(run: Path) -> Iterator[Path]:
    """What a kill has left half-written in a run's directory; hidden files of anybody else's are no such."""
    for folder in _FOLDERS:
        for file in (run / folder).glob(".*.*"):
            if _LEFT.fullmatch(file.name) and file.is_file():
                yield file


def put_aside(run: Path, file: Path) -> None:
    """Move a file of the run in a directory to what was cut.

    Raises:
        RunError: it cannot be moved.
    """
    with writing(file):
        file.replace(_aside(run, file))


def cut_lines(run: Path, name: str, lines: int | None) -> None:
    """Leave the first `lines` of a file, or all, less one that was torn when the machine failed; keep the rest.

    Raises:
        RunError: they cannot be written.
    """
    file = run / name
    content = regular(file).read_bytes() if file.exists() else b""
    kept = b"".join(line for line in content.splitlines(keepends=True)[:lines] if line.endswith(b"\n"))
    if kept != content:
        append_bytes(_aside(run, file), content.removeprefix(kept))
        write_atomically(file, kept)


def _aside(run: Path, file: Path) -> Path:
    place = run / CUT / file.relative_to(run)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    return place
