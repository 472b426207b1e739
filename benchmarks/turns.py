"""Timing contenders in turns, so that a busy machine slows all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any


def in_turns(
    contenders: Mapping[str, Callable[[], object]],
    turns: int,
    tell: Callable[[str], None],
    what: str = "turn",
    before: Callable[[str], object] = lambda _: None,
) -> dict[str, list[float]]:
    """Seconds of each contender in `turns` turns, whose order is reversed every time, after one that warms up.

    Args:
        contenders: what to do, once in each turn, by its name.
        turns: how many turns count.
        tell: is told of every turn that is done.
        what: what a turn is called there.
        before: what is done before each of them, given its name, and not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for turn in range(turns + 1):
        for name in order:
            before(name)
            began = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - began)
        order.reverse()
        tell("warmed up" if turn == 0 else f"{what} {turn} of {turns}")
    return {name: times[1:] for name, times in seconds.items()}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The median, the range and the values themselves."""
    return {"median": median(values), "min": min(values), "max": max(values), "each": list(values)}


def median_and_range(values: Mapping[str, Any], digits: int = 3) -> tuple[str, str]:
    """A `spread` as two columns of a table."""
    return f"{values['median']:.{digits}f}", f"{values['min']:.{digits}f}–{values['max']:.{digits}f}"


def ratio(times: list[float], yardstick: list[float]) -> float:
    """The median of the ratios of paired times."""
    return median(mine / other for mine, other in zip(times, yardstick, strict=True))
