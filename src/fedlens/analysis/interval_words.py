"""Estimates over seeds in words: a value with its interval or, where none covers, with the range of the seeds."""

from collections.abc import Callable, Iterable

from fedlens.analysis.intervals import Interval

NONE = "–"


def interval_words(interval: Interval | None, number: Callable[[float], str] = "{:.2f}".format) -> str:
    """Format an interval as ``0.53 [0.48, 0.57]``, ``0.53, range 0.48 to 0.57``, or of one seed ``0.53``."""
    if interval is None:
        return NONE
    value = number(interval.value)
    if interval.low is not None and interval.high is not None:
        return f"{value} [{number(interval.low)}, {number(interval.high)}]"
    return value if interval.seeds == 1 else f"{value}, {range_words(interval, number)}"


def reach_words(intervals: Iterable[Interval | None]) -> str:
    """Name what is shown with values: ``95 % interval``, ``range of the seeds``, one or the other, or nothing."""
    present = [interval for interval in intervals if interval is not None]
    kinds = ["95 % interval"] if any(interval.low is not None for interval in present) else []
    kinds += ["range of the seeds"] if any(interval.low is None and interval.seeds > 1 for interval in present) else []
    return " or ".join(kinds)


def headed(statistic: str, intervals: Iterable[Interval | None]) -> str:
    """Head a column of `interval_words`: ``median [95 % interval]``, ``median, range of the seeds``."""
    reach = reach_words(intervals)
    if not reach.startswith("95 %"):
        return f"{statistic}, {reach}" if reach else statistic
    return f"{statistic} [{reach.replace(' or', '] or', 1)}" + ("" if " or" in reach else "]")


def range_words(interval: Interval, number: Callable[[float], str]) -> str:
    """Format a range: ``range 0.48 to 0.57``, or where all seeds agree to the digits shown, ``each of 2 seeds``."""
    low, high = map(number, interval.range)
    return f"range {low} to {high}" if low != high else f"each of {interval.seeds} seeds"


def lacking(intervals: Iterable[Interval | None]) -> str | None:
    """Say what it takes, where there are ranges in place of intervals; ``None`` where there are none."""
    needed = [each.needed for each in intervals if each is not None and each.low is None and each.needed is not None]
    if not needed:
        return None
    return (
        f"too few seeds for a 95 % interval, which takes {max(needed)}; their range is shown instead, from the "
        "smallest to the largest"
    )
