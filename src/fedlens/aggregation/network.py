"""Order statistics of every column at once, by a sorting network whose comparators work on whole rows.

K. E. Batcher, *Sorting networks and their applications* (AFIPS 1968): merge exchange, in the form for any number of
rows of D. E. Knuth, *The Art of Computer Programming* 3, section 5.2.2, algorithm M. A comparator puts the smaller of
two rows' entries into the one row and the larger into the other, column by column, so that n rows are sorted by
n (log₂ n)² / 4 comparators of two vector instructions each.

Most rules do not want all rows in order. They name a group for each rank, and the network leaves out what no group
needs: comparators within a group, and the half of a comparator whose result nobody wants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

UNWANTED = -1
"""The group of the ranks that nobody wants."""

BLOCK_ENTRIES = 2**19
LEAST_COLUMNS = 8192


@dataclass(frozen=True, slots=True)
class Comparator:
    """Sorts rows `low` < `high`; `lower` and `upper` say whether the smaller and the larger entries are wanted."""

    low: int
    high: int
    lower: bool
    upper: bool


def merge_exchange(count: int) -> Iterator[tuple[int, int]]:
    """The pairs of rows that Batcher's network compares in turn to sort `count` of them."""
    widest = 1 << max(count - 1, 0).bit_length() >> 1
    step = widest
    while step > 0:
        remainder, distance, width = 0, step, widest
        while True:
            yield from ((row, row + distance) for row in range(count - distance) if row & step == remainder)
            if width == step:
                break
            remainder, distance, width = step, width - step, width >> 1
        step >>= 1


@lru_cache(maxsize=32)
def network(groups: tuple[int, ...]) -> tuple[Comparator, ...]:
    """The comparators that bring every rank into its group.

    Args:
        groups: for each rank, from the smallest entry to the largest, the group in which it is wanted, or `UNWANTED`.
            Within a group the entries end in any order; a group for each rank sorts.
    """
    ends: list[int | None] = list(groups)
    needed: list[Comparator] = []
    for low, high in reversed(list(merge_exchange(len(groups)))):
        if ends[low] is not None and ends[low] == ends[high]:
            continue
        needed.append(Comparator(low, high, ends[low] != UNWANTED, ends[high] != UNWANTED))
        ends[low] = ends[high] = None
    return tuple(reversed(needed))


def arranged(
    updates: Tensor, groups: Sequence[int], rows: Sequence[int] | None = None
) -> Iterator[tuple[slice, list[Tensor]]]:
    """The entries of every column, brought into their groups, a block of columns at a time.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        groups: the group of each rank: see `network`.
        rows: which rows take part; all of them unless it is given.

    Yields:
        Which columns of `updates` these are, and a row for each rank, to be used before the next block is asked for.
    """
    comparators = network(tuple(groups))
    count, columns = len(groups), max(BLOCK_ENTRIES // len(groups), LEAST_COLUMNS)
    room = updates.new_empty(count + 1, min(columns, updates.shape[1]))
    for start in range(0, updates.shape[1], columns):
        block = slice(start, min(start + columns, updates.shape[1]))
        space = room[:, : block.stop - block.start]
        for place, row in enumerate(range(count) if rows is None else rows):
            space[place] = updates[row, block]
        ranks = list(space)
        _compare(ranks, comparators)
        yield block, ranks[:count]


def _compare(ranks: list[Tensor], comparators: Sequence[Comparator]) -> None:
    """Let all `comparators` work on the rows; the last of `ranks` is spare."""
    spare = ranks[-1]
    for comparator in comparators:
        low, high = ranks[comparator.low], ranks[comparator.high]
        if not comparator.upper:
            torch.minimum(low, high, out=low)
        elif not comparator.lower:
            torch.maximum(low, high, out=high)
        else:
            torch.minimum(low, high, out=spare)
            torch.maximum(low, high, out=high)
            ranks[comparator.low], spare = spare, low
