"""Notes on an experiment that cannot be judged, in its directory: why, and what to do."""

from pathlib import Path
from typing import Any

from fedlens.core.errors import DamagedRunError, UnjudgedError
from fedlens.core.private_paths import without_folders
from fedlens.core.regular import ANEW
from fedlens.runs.reading import read_json

FILE = "unjudged.json"


def content_of(error: UnjudgedError, code: str) -> dict[str, Any]:
    """Return the content of the file; `code` is the digest of the code that raised `error`."""
    remedies = [without_folders(remedy) for remedy in error.remedies]
    return {"reason": without_folders(error.reason), "remedies": remedies, "fedlens": code}


def read_unjudged(path: Path) -> tuple[UnjudgedError, str] | None:
    """Read the note in the directory `path`, and the digest of the code; ``None`` if there is none.

    Raises:
        DamagedRunError: it cannot be read.
    """
    file = path / FILE
    if not file.exists():
        return None
    try:
        note = read_json(file)
        return UnjudgedError(str(note["reason"]), list(map(str, note["remedies"]))), str(note["fedlens"])
    except (KeyError, TypeError) as error:
        raise DamagedRunError(f"{file}: damaged ({error}); {ANEW}") from error
