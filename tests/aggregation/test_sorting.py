import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from received import normal
from torch import Tensor

from fedlens.aggregation import network as module
from fedlens.aggregation.network import UNWANTED, Comparator, arranged, merge_exchange, network

COUNTS = [*range(1, 41), 63, 64, 65, 100, 129]


def cases(count: int) -> Tensor:
    """Columns with and without equal entries."""
    ties = torch.randint(-3, 4, (count, 60), generator=torch.Generator().manual_seed(count)).double()
    return torch.cat([ties, normal(count, count, 60), torch.zeros(count, 1)], dim=1)


def arrange(updates: Tensor, groups: list[int], rows: list[int] | None = None) -> Tensor:
    return torch.cat([torch.stack(ranks) for _, ranks in arranged(updates, groups, rows)], dim=1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty columns in a block, so that small cases have several."""
    monkeypatch.setattr(module, "BLOCK_ENTRIES", 50)
    monkeypatch.setattr(module, "LEAST_COLUMNS", 50)


def test_three_rows_by_hand() -> None:
    assert list(merge_exchange(3)) == [(0, 2), (0, 1), (1, 2)]
    smallest = Comparator(0, 2, True, False), Comparator(0, 1, True, False)
    assert network((0, UNWANTED, UNWANTED)) == smallest
    middle = Comparator(0, 2, True, True), Comparator(0, 1, False, True), Comparator(1, 2, True, False)
    assert network((UNWANTED, 0, UNWANTED)) == middle
    assert network((0, 0, 0)) == network((UNWANTED,)) == ()


@pytest.mark.parametrize("count", range(1, 13))
def test_every_sequence_of_zeros_and_ones_is_sorted(count: int) -> None:
    """A network that sorts these sorts everything (Knuth, section 5.3.4, theorem Z)."""
    numbers = torch.arange(2**count)
    sequences = torch.stack([numbers >> bit & 1 for bit in range(count)]).to(torch.int8)
    for low, high in merge_exchange(count):
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
        groups = [0 if rank in wanted else UNWANTED for rank in range(count)]
        found = arrange(updates, groups)[wanted]
        assert torch.equal(found.sort(dim=0).values, expected[wanted])


@given(st.integers(0, 2**32), st.lists(st.integers(-1, 3), min_size=1, max_size=20))
def test_any_groups(seed: int, groups: list[int]) -> None:
    updates = normal(seed, len(groups), 5)
    expected, found = updates.sort(dim=0).values, arrange(updates, groups)
    for group in set(groups) - {UNWANTED}:
        members = [rank for rank, own in enumerate(groups) if own == group]
        assert torch.equal(found[members].sort(dim=0).values, expected[members])


def test_chosen_rows_take_part() -> None:
    updates = normal(0, 9, 120)
    rows = [7, 0, 3, 4]
    assert torch.equal(arrange(updates, [0, 1, 2, 3], rows), updates[rows].sort(dim=0).values)


def test_blocks_follow_each_other() -> None:
    assert [block for block, _ in arranged(normal(0, 3, 120), [0, 1, 2])] == [
        slice(0, 50),
        slice(50, 100),
        slice(100, 120),
    ]


def test_the_median_needs_fewer_steps_than_sorting() -> None:
    def steps(groups: list[int]) -> int:
        return sum(comparator.lower + comparator.upper for comparator in network(tuple(groups)))

    assert steps([UNWANTED] * 49 + [0, 0] + [UNWANTED] * 49) == 1678
    assert steps(list(range(100))) == 2154
