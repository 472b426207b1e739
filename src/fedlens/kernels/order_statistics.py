"""Order statistics of every column at once: a sorting network that is played on blocks of columns.

A comparator takes two vector instructions, but there are thousands of them, and calling PyTorch takes as long as an
instruction on a block's row. So comparators that do not depend on each other (a stage) and whose rows are equally far
apart go together, as many rows of a block at a time as a slice can name.

A block has two planes of rows to be in. Of a comparator, the larger entries can take their row's place, but the smaller
ones cannot as long as the larger ones are not known. A stage either leaves its plane for the other, to which it has to
copy the rows that it has nothing to do with; or stays, with its smaller entries in the other plane until they can be
copied back. It does what copies less. The first stage reads the updates themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.kernels.pairwise import block_columns
from fedlens.kernels.sorting_network import UNWANTED, Comparator, network

if TYPE_CHECKING:
    from torch import Tensor

SOURCE = 0
"""The plane that is the updates, which are not written to; 1 and 2 are the block's."""

BLOCK_ENTRIES = 5 * 2**15
"""A block's two planes fit into a processor's cache of 2 MB, and so does what rules make of them."""

GRAIN = 2**15
"""PyTorch leaves so many entries to one thread. Calls are on no more where there are others: threads that wait for each
other at each of a thousand calls are slower than one, and on a busy machine many times slower."""

Operation = Callable[..., "Tensor"]
"""``torch.minimum`` or ``torch.maximum``; of equal arguments, either of them copies."""

Call = tuple[Operation, "Tensor", "Tensor", "Tensor"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a plane."""

    plane: int
    rows: slice

    def of(self, planes: Sequence[Tensor]) -> Tensor:
        """These rows, where `planes` are the planes."""
        return planes[self.plane][self.rows]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of PyTorch: what it makes of two sets of rows, and where that goes."""

    operation: Operation
    left: Rows
    right: Rows
    to: Rows


@lru_cache(maxsize=32)
def program(groups: tuple[int, ...], most: int) -> tuple[tuple[Step, ...], int]:
    """The steps that bring every rank into its group (see `network`), and the plane where they end.

    A step is about `most` rows, or fewer.
    """
    stages = list(_stages(network(groups)))
    needed = [{rank for rank, group in enumerate(groups) if group != UNWANTED}]
    for stage in reversed(stages):
        needed.append(needed[-1].union(*((each.low, each.high) for each in stage)))
    steps: list[Step] = []
    plane = SOURCE
    for stage, after in zip(stages, needed[-2::-1], strict=True):
        more, plane = _played(stage, after, plane, most)
        steps += more
    return tuple(steps), plane


def _stages(comparators: Iterable[Comparator]) -> Iterator[list[Comparator]]:
    """The comparators in turn, as many at a time as have no row in common."""
    stage: list[Comparator] = []
    busy: set[int] = set()
    for comparator in comparators:
        if not busy.isdisjoint((comparator.low, comparator.high)):
            yield stage
            stage, busy = [], set()
        stage.append(comparator)
        busy |= {comparator.low, comparator.high}
    if stage:
        yield stage


def _played(stage: list[Comparator], after: set[int], here: int, most: int) -> tuple[list[Step], int]:
    """A stage's steps from the plane `here`, and the plane where they leave the rows needed `after` it."""
    both = {each.low for each in stage if each.lower and each.upper}
    idle = after.difference(*((each.low, each.high) for each in stage))
    other = 2 if here == 1 else 1
    leaves = here == SOURCE or len(both) > len(idle)
    there = other if leaves else here
    smaller: dict[tuple[int, int], list[int]] = defaultdict(list)
    larger: dict[int, list[int]] = defaultdict(list)
    for each in stage:
        if each.lower:
            smaller[each.high - each.low, other if each.upper else there].append(each.low)
        if each.upper:
            larger[each.high - each.low].append(each.low)
    steps = [
        Step(torch.minimum, Rows(here, low), Rows(here, _moved(low, distance)), Rows(plane, low))
        for (distance, plane), rows in smaller.items()
        for low in slices(rows, most)
    ]
    steps += [
        Step(torch.maximum, Rows(here, low), Rows(here, _moved(low, distance)), Rows(there, _moved(low, distance)))
        for distance, rows in larger.items()
        for low in slices(rows, most)
    ]
    source, copied = (here, idle) if leaves else (other, both)
    steps += [
        Step(torch.minimum, Rows(source, some), Rows(source, some), Rows(there, some)) for some in slices(copied, most)
    ]
    return steps, there


def _moved(rows: slice, distance: int) -> slice:
    """The rows that are so far above these."""
    return slice(rows.start + distance, rows.stop + distance, rows.step)


def slices(rows: Iterable[int], most: int) -> Iterator[slice]:
    """A few slices of `most` rows or fewer that have all `rows`, each once: the longest that the first left begins."""
    left = set(rows)
    while left:
        first = min(left)
        steps = {row - first for row in left if row != first} | {1}
        longest = max((_run(left, first, step) for step in sorted(steps)), key=len)[:most]
        yield slice(longest.start, longest.stop, longest.step)
        left.difference_update(longest)


def _run(rows: set[int], first: int, step: int) -> range:
    """The longest range of `rows` with this first one and this step."""
    stop = first + step
    while stop in rows:
        stop += step
    return range(first, stop, step)


def arranged(
    updates: Tensor, groups: Sequence[int], rows: Sequence[int] | None = None
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """The entries of every column, brought into their groups, a block of columns at a time.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        groups: the group of each rank: see `network`.
        rows: which rows take part; all of them unless it is given.

    Yields:
        Which columns of `updates` these are, the entries that take part, shape ``[len(groups), b]``, and the same with
        a row for each rank. Rows of unwanted ranks mean nothing. Both are to be read only, and before the next block
        is asked for.
    """
    columns = min(block_columns(BLOCK_ENTRIES, len(groups)), GRAIN // 2, updates.shape[1])
    steps, end = program(tuple(groups), len(groups) if torch.get_num_threads() == 1 else max(GRAIN // columns, 1))
    begun = sum(step.left.plane == SOURCE for step in steps)
    room = updates.new_empty(2, len(groups), columns)
    calls = _calls(steps[begun:], [updates, *room])  # of the last block, too, with whatever is to the right of it
    for start in range(0, updates.shape[1], columns):
        source = updates[:, start : start + columns]
        source = source if rows is None else source[rows]
        planes = [source, *room[:, :, : source.shape[1]]]
        for operation, left, right, to in _calls(steps[:begun], planes) + calls:
            operation(left, right, out=to)
        yield slice(start, start + source.shape[1]), source, planes[end]


def _calls(steps: Iterable[Step], planes: Sequence[Tensor]) -> list[Call]:
    """What to call, of these planes: naming a slice takes as long as calling PyTorch, and is done once."""
    return [(step.operation, step.left.of(planes), step.right.of(planes), step.to.of(planes)) for step in steps]
