"""Order statistics of every column at once: a sorting network run on blocks of columns.

A comparator takes two vector instructions, but there are thousands of them, and calling PyTorch takes as long as an
instruction on a block's row. So comparators that do not depend on each other (a stage) and whose rows are equally far
apart go together, as many rows of a block at a time as a slice can name.

A block has two planes of rows. A comparator can write the larger entries over their row, but not the smaller ones until
the larger ones have been computed. A stage either moves to the other plane, and copies the rows that it does not touch;
or stays, and puts its smaller entries in the other plane until they can be copied back. It does whichever copies less.
The first stage reads the updates themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.kernels.pairwise import block_columns
from fedlens.kernels.sorting_network import UNUSED, Comparator, network

if TYPE_CHECKING:
    from torch import Tensor

SOURCE = 0
"""The plane of the updates, which is read only; 1 and 2 are the block's."""

BLOCK_ENTRIES = 5 * 2**15
"""A block's two planes fit into a processor's cache of 2 MB, and so do the rules' intermediate results."""

GRAIN = 2**15
"""Entries that PyTorch leaves to one thread. With several threads, no call is on more: threads that wait for each other
at each of a thousand calls are slower than one thread, and on a busy machine many times slower."""

Operation = Callable[..., "Tensor"]
"""``torch.minimum`` or ``torch.maximum``; of equal arguments, either of them copies."""

Call = tuple[Operation, "Tensor", "Tensor", "Tensor"]


@dataclass(frozen=True, slots=True)
class Rows:
    """A slice of the rows of a plane."""

    plane: int
    rows: slice

    def of(self, planes: Sequence[Tensor]) -> Tensor:
        """Return these rows, where `planes` are the planes."""
        return planes[self.plane][self.rows]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of PyTorch: an operation on two sets of rows, and the rows of its result."""

    operation: Operation
    left: Rows
    right: Rows
    to: Rows


@lru_cache(maxsize=32)
def program(groups: tuple[int, ...], most: int) -> tuple[tuple[Step, ...], int]:
    """Return the steps that bring every rank into its group (see `network`), and the plane of the result.

    A step works on at most `most` rows.
    """
    stages = list(_stages(network(groups)))
    needed = [{rank for rank, group in enumerate(groups) if group != UNUSED}]
    for stage in reversed(stages):
        needed.append(needed[-1].union(*((each.low, each.high) for each in stage)))
    steps: list[Step] = []
    plane = SOURCE
    for stage, after in zip(stages, needed[-2::-1], strict=True):
        more, plane = _steps_of(stage, after, plane, most)
        steps += more
    return tuple(steps), plane


def _stages(comparators: Iterable[Comparator]) -> Iterator[list[Comparator]]:
    """Yield the comparators in turn, in stages without a row in common."""
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


def _steps_of(stage: list[Comparator], after: set[int], here: int, most: int) -> tuple[list[Step], int]:
    """Return a stage's steps from the plane `here`, and the plane that has the rows needed `after` it."""
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
        Step(torch.minimum, Rows(source, part), Rows(source, part), Rows(there, part)) for part in slices(copied, most)
    ]
    return steps, there


def _moved(rows: slice, distance: int) -> slice:
    """Return `rows` shifted by `distance`."""
    return slice(rows.start + distance, rows.stop + distance, rows.step)


def slices(rows: Iterable[int], most: int) -> Iterator[slice]:
    """Cover `rows` with slices of at most `most` rows: each is the longest from the first row left."""
    left = set(rows)
    while left:
        first = min(left)
        steps = {row - first for row in left if row != first} | {1}
        longest = max((_run(left, first, step) for step in sorted(steps)), key=len)[:most]
        yield slice(longest.start, longest.stop, longest.step)
        left.difference_update(longest)


def _run(rows: set[int], first: int, step: int) -> range:
    """Return the longest range in `rows` with this first row and step."""
    stop = first + step
    while stop in rows:
        stop += step
    return range(first, stop, step)


def grouped_columns(
    updates: Tensor, groups: Sequence[int], rows: Sequence[int] | None = None
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield the entries of every column, ordered by group, a block of columns at a time.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        groups: the group of each rank: see `network`.
        rows: the rows to use; all by default.

    Yields:
        The block's columns of `updates`, the entries used, shape ``[len(groups), b]``, and the same entries with a row
        for each rank. Rows of unused ranks are undefined. Both are read only, and overwritten by the next block.
    """
    columns = min(block_columns(BLOCK_ENTRIES, len(groups)), GRAIN // 2, updates.shape[1])
    steps, end = program(tuple(groups), len(groups) if torch.get_num_threads() == 1 else max(GRAIN // columns, 1))
    first_calls = sum(step.left.plane == SOURCE for step in steps)
    planes_of_block = updates.new_empty(2, len(groups), columns)
    calls = _calls(steps[first_calls:], [updates, *planes_of_block])  # the last block uses full width, too
    for start in range(0, updates.shape[1], columns):
        source = updates[:, start : start + columns]
        source = source if rows is None else source[rows]
        planes = [source, *planes_of_block[:, :, : source.shape[1]]]
        for operation, left, right, to in _calls(steps[:first_calls], planes) + calls:
            operation(left, right, out=to)
        yield slice(start, start + source.shape[1]), source, planes[end]


def _calls(steps: Iterable[Step], planes: Sequence[Tensor]) -> list[Call]:
    """Return the calls of these steps, sliced in advance: slicing takes as long as calling PyTorch."""
    return [(step.operation, step.left.of(planes), step.right.of(planes), step.to.of(planes)) for step in steps]
