"""What is left of an experiment that cannot be judged: why, and what to do, in its directory."""

from pathlib import Path
from typing import Any

from fedlens.core.errors import DamagedRunError, UnjudgedError
from fedlens.core.regular import ANEW
from fedlens.runs.reading import read_json

FILE = "unjudged.json"


def content_of(error: UnjudgedError, code: str) -> dict[str, Any]:
    """What is noted of it; `code` is the digest of the code by which it was found."""
    return {"reason": error.reason, "remedies": list(error.remedies), "fedlens": code}


def read_unjudged(path: Path) -> tuple[UnjudgedError, str] | None:
    """What was noted in the directory `path`, and the digest of the code; ``None`` where nothing was.

    Raises:
        DamagedRunError: it cannot be read.
    """
    file = path / FILE
    if not file.exists():
        return None
    try:
        found = read_json(file)
        return UnjudgedError(str(found["reason"]), list(map(str, found["remedies"]))), str(found["fedlens"])
    except (KeyError, TypeError) as error:
        raise DamagedRunError(f"{file}: damaged ({error}); {ANEW}") from error
