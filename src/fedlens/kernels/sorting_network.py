"""Comparators for order statistics: a sorting network without the parts that are not needed.

I. Parberry, *The Pairwise Sorting Network* (Parallel Processing Letters 2, 1992). A comparator puts the smaller of two
rows' entries into the one row and the larger into the other, column by column. As many of them sort n rows as in
Batcher's networks, about n (log₂ n)² / 4.

Most rules do not want all rows in order. They name a group for each rank, and the network leaves out what no group
needs: comparators within a group, and the half of a comparator whose result is unused. Of Parberry's network that
leaves less than of Batcher's: for the median of 100 rows 1452 halves in place of 1678.

A network for a power of two sorts fewer rows without the comparators of those that are missing: think of them as
infinite and at the end, where no comparator moves them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

UNUSED = -1
"""Marks ranks whose values are not needed."""


@dataclass(frozen=True, slots=True)
class Comparator:
    """Sorts rows `low` < `high`; `lower` and `upper` say whether the smaller and the larger entries are needed."""

    low: int
    high: int
    lower: bool
    upper: bool


def pairwise_network(count: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs of rows that Parberry's network compares in turn to sort `count` rows."""
    rounds = max(count - 1, 0).bit_length()
    for step in (1 << level for level in range(rounds)):
        yield from ((row, row + step) for row in range(count - step) if not row & step)
    for level in reversed(range(rounds - 1)):
        step = 1 << level
        for distance in (step * ((1 << width) - 1) for width in reversed(range(1, rounds - level))):
            yield from ((row, row + distance) for row in range(count - distance) if row & step)


@lru_cache(maxsize=32)
def network(groups: tuple[int, ...]) -> tuple[Comparator, ...]:
    """Return the comparators that bring every rank into its group.

    Args:
        groups: for each rank, from the smallest entry to the largest, its group, or `UNUSED`.
            Within a group the entries end in any order; a group for each rank sorts.
    """
    ends: list[int | None] = list(groups)
    needed: list[Comparator] = []
    for low, high in reversed(list(pairwise_network(len(groups)))):
        if ends[low] is not None and ends[low] == ends[high]:
            continue
        needed.append(Comparator(low, high, ends[low] != UNUSED, ends[high] != UNUSED))
        ends[low] = ends[high] = None
    return tuple(reversed(needed))
