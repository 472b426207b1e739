"""Cells that are missing from a sweep's table: those that failed, and those that cannot be judged."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fedlens.core.errors import DamagedRunError, shortened
from fedlens.core.regular import regular
from fedlens.runs.unjudged import FILE as UNJUDGED

ANEW = "the same sweep makes it anew"
DIGEST = re.compile("[0-9a-f]{32}")
"""What a cell is called: its experiment's identity, which is also the name of its directory."""
REASONS = 2
"""So many reasons are named where cells cannot be judged."""


class Failure(NamedTuple):
    """A cell of a sweep that failed: which, with which values of what varies, and why."""

    cell: str
    values: dict[str, Any]
    reason: str


class Unjudged(NamedTuple):
    """A cell that cannot be judged: which, with which values of options, why, and what to do."""

    cell: str
    values: Mapping[str, Any]
    reason: str
    remedies: Sequence[str]


def failures_of(path: Path) -> list[Failure]:
    """Return the cells of the sweep in `path` that failed at its last start.

    Raises:
        DamagedRunError: they cannot be read.
    """
    entries = _listed(path / "failures.json", ("cell", "values", "reason"))
    return [Failure(str(cell), values, str(reason)) for cell, values, reason in entries]


def unjudged_of(path: Path) -> list[Unjudged]:
    """Return the cells of the sweep in `path` that could not be judged at its last start.

    Raises:
        DamagedRunError: they cannot be read.
    """
    file = path / UNJUDGED
    cells = [
        Unjudged(str(cell), values, str(reason), list(map(str, remedies)))
        for cell, values, reason, remedies in _listed(file, ("cell", "values", "reason", "remedies"))
    ]
    if strange := [unjudged.cell for unjudged in cells if not DIGEST.fullmatch(unjudged.cell)]:
        raise DamagedRunError(f"{file}: {shortened(strange[0])} is no cell's name; {ANEW}")
    return cells


def reasons_of(unjudged: Sequence[Unjudged]) -> str:
    """Return the reasons, the most frequent first, and how many more there are."""
    counts = Counter(cell.reason for cell in unjudged)
    words = "; ".join(reason for reason, _ in counts.most_common(REASONS))
    more = len(counts) - REASONS
    return words + (f"; and {more} more reason{'s' * (more > 1)}" if more > 0 else "")


def _listed(file: Path, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return these parts of all entries in a file of cells; their ``values`` are mappings."""
    try:
        entries = json.loads(regular(file).read_text(encoding="utf-8")) if file.exists() else []
        return [tuple(dict(entry[name]) if name == "values" else entry[name] for name in names) for entry in entries]
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise DamagedRunError(f"{file}: cannot be read ({error}); {ANEW}") from error
