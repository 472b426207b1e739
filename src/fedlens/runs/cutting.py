"""Cutting a run's files back to its checkpoint; the rest moves to a folder, and files of others stay."""

import re
from collections.abc import Iterator
from pathlib import Path

from fedlens.core.files import append_bytes, write_atomically, writing
from fedlens.core.regular import regular

CUT = "cut"
"""Folder for records and files beyond the checkpoint."""

_OURS = (
    r"(experiment\.yaml|(environment|rounds|timings)\.jsonl|(target|start|summary)\.json|error\.txt"
    r"|(checkpoint|best|final|\d{5}|\d+-\d{5,}-\d{5,})\.safetensors)"
)
_LEFT = re.compile(rf"\.{_OURS}\.[0-9a-f]{{8}}")  # as `fedlens.core.files.write_atomically` calls them
_FOLDERS = ("", "checks", "weights", "predictions", "state")


def leftovers(run: Path) -> Iterator[Path]:
    """Yield files that a killed process left half-written in a run's directory; not hidden files of others."""
    for folder in _FOLDERS:
        for file in (run / folder).glob(".*.*"):
            if _LEFT.fullmatch(file.name) and file.is_file():
                yield file


def put_aside(run: Path, file: Path) -> None:
    """Move a file of the run directory `run` into its folder `CUT`.

    Raises:
        RunError: the file cannot be moved.
    """
    with writing(file):
        file.replace(_aside(run, file))


def cut_lines(run: Path, name: str, lines: int | None) -> None:
    """Cut a file after its first `lines`, or before an incomplete last line; append the rest to its copy in `CUT`.

    Raises:
        RunError: a file cannot be written.
    """
    file = run / name
    content = regular(file).read_bytes() if file.exists() else b""
    complete = b"".join(line for line in content.splitlines(keepends=True)[:lines] if line.endswith(b"\n"))
    if complete != content:
        append_bytes(_aside(run, file), content.removeprefix(complete))
        write_atomically(file, complete)


def _aside(run: Path, file: Path) -> Path:
    path = run / CUT / file.relative_to(run)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path
