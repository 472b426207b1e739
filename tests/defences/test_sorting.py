import itertools

import pytest
import torch
from helpers.received import normal
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.kernels import order_statistics as module
from fedlens.kernels import pairwise
from fedlens.kernels.order_statistics import grouped_columns, program, slices
from fedlens.kernels.sorting_network import UNUSED, Comparator, network, pairwise_network

COUNTS = [*range(1, 41), 63, 64, 65, 100, 129]


def cases(count: int) -> Tensor:
    """Columns with and without equal entries."""
    ties = torch.randint(-3, 4, (count, 60), generator=torch.Generator().manual_seed(count)).double()
    return torch.cat([ties, normal(count, count, 60), torch.zeros(count, 1)], dim=1)


def arrange(updates: Tensor, groups: list[int], rows: list[int] | None = None) -> Tensor:
    return torch.cat([ranks.clone() for _, _, ranks in grouped_columns(updates, groups, rows)], dim=1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """48 columns in a block, so that small cases have several."""
    monkeypatch.setattr(module, "BLOCK_ENTRIES", 0)
    monkeypatch.setattr(pairwise, "LEAST_COLUMNS", 48)


def test_three_rows_by_hand() -> None:
    assert list(pairwise_network(3)) == [(0, 1), (0, 2), (1, 2)]
    smallest = Comparator(0, 1, True, False), Comparator(0, 2, True, False)
    assert network((0, UNUSED, UNUSED)) == smallest
    middle = Comparator(0, 1, True, True), Comparator(0, 2, False, True), Comparator(1, 2, True, False)
    assert network((UNUSED, 0, UNUSED)) == middle
    assert network((0, 0, 0)) == network((UNUSED,)) == ()


def test_four_rows_as_the_paper_has_them() -> None:
    """Pairs; the smaller ones and the larger ones of pairs; what is left between the two."""
    assert list(pairwise_network(4)) == [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)]


@pytest.mark.parametrize("count", range(1, 13))
def test_every_sequence_of_zeros_and_ones_is_sorted(count: int) -> None:
    """A network that sorts these sorts everything (Knuth, section 5.3.4, theorem Z)."""
    numbers = torch.arange(2**count)
    sequences = torch.stack([numbers >> bit & 1 for bit in range(count)]).to(torch.int8)
    for low, high in pairwise_network(count):
        pair = sequences[[low, high]]
        sequences[low], sequences[high] = pair.amin(dim=0), pair.amax(dim=0)
    assert bool((sequences.diff(dim=0) >= 0).all())


@pytest.mark.parametrize("count", COUNTS)
def test_columns_are_sorted(count: int) -> None:
    updates = cases(count)
    kept = updates.clone()
    assert torch.equal(arrange(updates, list(range(count))), updates.sort(dim=0).values)
    assert torch.equal(updates, kept)


@pytest.mark.parametrize("count", COUNTS)
def test_wanted_ranks_are_where_they_belong(count: int) -> None:
    updates = cases(count)
    expected = updates.sort(dim=0).values
    for trimmed in {0, 1, count // 4, (count - 1) // 2} - {count}:
        wanted = range(trimmed, count - trimmed)
        groups = [0 if rank in wanted else UNUSED for rank in range(count)]
        found = arrange(updates, groups)[wanted]
        assert torch.equal(found.sort(dim=0).values, expected[wanted])


@given(st.integers(0, 2**32), st.lists(st.integers(-1, 3), min_size=1, max_size=20))
def test_any_groups(seed: int, groups: list[int]) -> None:
    updates = normal(seed, len(groups), 5)
    expected, found = updates.sort(dim=0).values, arrange(updates, groups)
    for group in set(groups) - {UNUSED}:
        members = [rank for rank, own in enumerate(groups) if own == group]
        assert torch.equal(found[members].sort(dim=0).values, expected[members])


def test_chosen_rows_take_part() -> None:
    updates = normal(0, 9, 120)
    rows = [7, 0, 3, 4]
    assert torch.equal(arrange(updates, [0, 1, 2, 3], rows), updates[rows].sort(dim=0).values)
    entries = [block.clone() for _, block, _ in grouped_columns(updates, [0, 1, 2, 3], rows)]
    assert torch.equal(torch.cat(entries, dim=1), updates[rows])


@pytest.mark.parametrize("size", [1, 47, 48, 49, 95, 96, 97, 120])
def test_blocks_follow_each_other(size: int) -> None:
    updates = normal(0, 3, size)
    edges = [*range(0, size, 48), size]
    blocks = [
        (columns, torch.equal(block, updates[:, columns])) for columns, block, _ in grouped_columns(updates, [0, 1, 2])
    ]
    assert blocks == [(slice(low, high), True) for low, high in itertools.pairwise(edges)]
    assert torch.equal(arrange(updates, [0, 1, 2]), updates.sort(dim=0).values)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_infinities_of_any_type(dtype: torch.dtype) -> None:
    updates = normal(0, 10, 120).to(dtype)
    updates[2:4, ::2] = torch.inf
    updates[7, ::3] = -torch.inf
    assert torch.equal(arrange(updates, list(range(10))), updates.sort(dim=0).values)


@pytest.mark.parametrize("count", [3, 10, 31, 100, 101])
@pytest.mark.parametrize("spread", [0, 1, 100])
def test_no_step_writes_over_a_part_of_what_it_reads(count: int, spread: int) -> None:
    """A step may take the place of what it reads, but not of a part of it; and nobody writes to the updates."""
    trimmed = min(spread, (count - 1) // 2)
    steps, _ = program(tuple([UNUSED] * trimmed + [0] * (count - 2 * trimmed) + [UNUSED] * trimmed), count)
    for step in steps:
        assert step.to.plane != module.SOURCE
        for read in (step.left, step.right):
            common = set(range(count)[read.rows]) & set(range(count)[step.to.rows])
            assert read == step.to or read.plane != step.to.plane or not common


@given(st.sets(st.integers(0, 60)), st.integers(1, 60))
def test_slices_have_every_row_once(rows: set[int], most: int) -> None:
    found = [range(61)[some] for some in slices(rows, most)]
    assert sorted(row for some in found for row in some) == sorted(rows)
    assert all(len(some) <= most for some in found)


def test_few_slices_are_enough() -> None:
    assert list(slices([], 9)) == []
    assert list(slices([4], 9)) == [slice(4, 5, 1)]
    assert list(slices([2, 4, 6, 8, 5], 9)) == [slice(2, 10, 2), slice(5, 6, 1)]
    assert list(slices(range(7), 9)) == [slice(0, 7, 1)]
    assert list(slices(range(7), 3)) == [slice(0, 3, 1), slice(3, 6, 1), slice(6, 7, 1)]


def test_the_median_needs_fewer_steps_than_sorting() -> None:
    def halves(groups: list[int]) -> int:
        return sum(comparator.lower + comparator.upper for comparator in network(tuple(groups)))

    median = [UNUSED] * 49 + [0, 0] + [UNUSED] * 49
    assert halves(median) == 1452
    assert halves(list(range(100))) == 2154
    steps, _ = program(tuple(median), 100)
    assert len(steps) < 200
    assert sum(len(range(100)[step.to.rows]) for step in steps) < 1750
