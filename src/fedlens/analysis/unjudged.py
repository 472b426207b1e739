"""What could not be judged, counted in each group of a comparison: nobody averages over the rest without saying so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fedlens.analysis.collect import Collection
from fedlens.analysis.group import Group
from fedlens.analysis.missing import Unjudged, reasons_of
from fedlens.experiment.flat import Value

ANSWERS = ("confidence", "true_confidence", "success", "counts")
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
        if count := max(map(group.missing, metrics), default=0):
            reason = "the model's answers for the target are no numbers"
            yield _not_judged(group, groups, count, group.runs, reason)


def _not_judged(group: Group, groups: Sequence[Group], count: int, total: int, reason: str) -> str:
    where = f" ({group.label})" if len(groups) > 1 else ""
    rest = "; what is shown is of the others alone" if count < total else ""
    return f"{count} of {total} could not be judged{where}: {reason}{rest}"
