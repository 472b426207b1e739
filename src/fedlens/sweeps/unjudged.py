"""What to say of a sweep's cells that cannot be judged."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fedlens.core.errors import UnjudgedError
from fedlens.sweeps.cell import Cell

LISTED = 3
"""So many reasons are listed."""


def unjudged_words(unjudged: Sequence[tuple[Cell, UnjudgedError]], cells: int, grid: Path) -> Iterator[str]:
    """Say how many of a sweep's `cells` cannot be judged, why, and what to type instead.

    Args:
        unjudged: those cells, with the reason of each and what to do about a run of it.
        cells: how many there are in all.
        grid: the file that describes them.
    """
    if not unjudged:
        return
    reasons = Counter(error.reason for _, error in unjudged)
    yield f"{len(unjudged)} of {cells} cells cannot be judged:"
    for reason, count in reasons.most_common(LISTED):
        yield f"  {reason}" + (f" ({count} cells)" if count > 1 else "")
    if (more := len(reasons) - LISTED) > 0:
        yield f"  and for {more} more reasons"
    varying = {option for cell, _ in unjudged for option in cell.values}
    found = dict.fromkeys(remedy for _, error in unjudged for remedy in error.remedies)
    for remedy in [remedy for remedy in found if not _options(remedy) & varying][:LISTED]:
        what, _, typed = remedy.partition("-o ")
        yield f"  {what}fedlens sweep {grid} -o options.{typed}"


def _options(remedy: str) -> set[str]:
    """The options that a remedy changes."""
    return set(re.findall(r"-o '?([\w.]+)=", remedy))
