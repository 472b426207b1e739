"""What there is to draw of groups of runs: where each ends, and along which axis they lie, whichever ink draws it."""

from collections.abc import Sequence
from math import isnan, nan
from typing import NamedTuple

from fedlens.analysis.comparison import Comparison
from fedlens.analysis.group import Group
from fedlens.analysis.intervals import Interval
from fedlens.analysis.measured import ends
from fedlens.experiment.flat import Value
from fedlens.report.words import CONTROLS

WIDE = 30
"""Numbers whose largest is more than so many times the smallest have a logarithmic axis."""


class Spot(NamedTuple):
    """Where a group ends: its value, the ends of its interval, and the range of its seeds; NaN for what is unknown."""

    value: float
    low: float
    high: float
    range_low: float
    range_high: float

    @property
    def thin(self) -> bool:
        """Whether the range of several seeds is drawn, for there is no interval."""
        return isnan(self.low) and self.range_low < self.range_high


def spots(groups: Sequence[Group], metric: str) -> dict[str, list[Spot]]:
    """Return a spot for each group and each of its controls that is known: by side, the groups' own by ""."""
    spots_by_side = {"": [_spot(group.metrics[metric].interval) for group in groups]}
    for side in CONTROLS:
        controls = [group.beside(side).get(metric) for group in groups]
        intervals = [control.interval if control else None for control in controls]
        if any(intervals):
            spots_by_side[side] = [_spot(interval) for interval in intervals]
    return spots_by_side


def _spot(interval: Interval | None) -> Spot:
    value, low, high = ends(interval)
    smallest, largest = interval.range if interval else (nan, nan)
    return Spot(value, low, high, smallest, largest)


def statistic(comparison: Comparison, metric: str) -> str:
    """Say what the value of a group is, over seeds."""
    return "rate" if comparison.rate(metric) else "median"


def along(comparison: Comparison) -> int | None:
    """Choose the compared option that makes an axis: the one with most values, of numbers, three at least."""
    counts = {}
    for option_index in range(len(comparison.by)):
        values = {group.values[option_index] for group in comparison.groups} - {None}
        if all(_is_number(value) for value in values) and len(values) >= 3:
            counts[option_index] = len(values)
    return max(counts, key=counts.__getitem__) if counts else None


def far_apart(numbers: Sequence[float]) -> bool:
    """Whether positive numbers are so far apart that their axis is to be logarithmic."""
    return min(numbers) > 0 and max(numbers) > WIDE * min(numbers)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
