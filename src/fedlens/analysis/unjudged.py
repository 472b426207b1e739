"""What could not be judged, counted in each group of a comparison: nobody averages over the rest without saying so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fedlens.analysis.collect import Collection
from fedlens.analysis.group import Group
from fedlens.analysis.missing import Unjudged, reasons_of
from fedlens.experiment.flat import Value

COUNTS = "counts"
ANSWERS = ("confidence", "true_confidence", "success", COUNTS)
"""Metrics of what the model answers for the target: where a run has none, the answers are no numbers."""


def by_group(collection: Collection, fields: tuple[str, ...]) -> dict[tuple[Value, ...], list[Unjudged]]:
    """Return the cells that cannot be judged, by the values of the group that each belongs to."""
    cells_by_group: dict[tuple[Value, ...], list[Unjudged]] = {}
    for cell in collection.unjudged:
        cells_by_group.setdefault(tuple(cell.values.get(field) for field in fields), []).append(cell)
    return cells_by_group


def unjudged_flags(groups: Sequence[Group]) -> Iterator[str]:
    """Yield how many cells of a group could not be judged, and why."""
    for group in groups:
        if group.unjudged:
            total = group.runs + len(group.unjudged)
            yield _not_judged(group, groups, len(group.unjudged), total, reasons_of(group.unjudged))


def silent_flags(groups: Sequence[Group], metrics: Sequence[str]) -> Iterator[str]:
    """Yield how many runs of a group cannot be judged because they have none of these metrics of answers at the end."""
    for group in groups:
        silent = max((group.missing(metric) for metric in metrics if metric != COUNTS), default=0)
        uncounted = group.missing(COUNTS) if COUNTS in metrics else 0
        if silent:
            yield _not_judged(group, groups, silent, group.runs, "the model's answers for the target are no numbers")
        elif uncounted:
            reason = "it is not recorded whether a success counts, as in runs from before there were placebos"
            yield _not_judged(group, groups, uncounted, group.runs, reason)


def _not_judged(group: Group, groups: Sequence[Group], count: int, total: int, reason: str) -> str:
    where = f" ({group.label})" if len(groups) > 1 else ""
    rest = "; what is shown is of the others alone" if count < total else ""
    return f"{count} of {total} could not be judged{where}: {reason}{rest}"
