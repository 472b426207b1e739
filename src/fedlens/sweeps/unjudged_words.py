"""Messages about a sweep's cells that cannot be judged."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fedlens.core.errors import UnjudgedError
from fedlens.experiment.cell import Cell

LISTED = 3
"""The most reasons, and the most remedies, that are listed."""


def unjudged_words(unjudged: Sequence[tuple[Cell, UnjudgedError]], cells: int, grid: Path) -> Iterator[str]:
    """Yield lines that say how many of a sweep's `cells` cannot be judged, why, and what to type instead.

    Args:
        unjudged: those cells, each with the reason and what to do about a run of it.
        cells: number of cells in all.
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
    remedies = dict.fromkeys(remedy for _, error in unjudged for remedy in error.remedies)
    for remedy in [remedy for remedy in remedies if not _options(remedy) & varying][:LISTED]:
        advice, _, typed = remedy.partition("-o ")
        yield f"  {advice}fedlens sweep {grid} -o options.{typed}"


def _options(remedy: str) -> set[str]:
    """Return the options that a remedy changes."""
    return set(re.findall(r"-o '?([\w.]+)=", remedy))
