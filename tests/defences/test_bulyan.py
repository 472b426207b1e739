from statistics import median

import pytest
import torch
from helpers.received import apply, column, normal, shares
from hypothesis import given
from hypothesis import strategies as st

from fedlens.defences.bulyan import Bulyan, iterated_krum, nearest_to_median
from fedlens.kernels.pairwise import squared_distances

LINE = column(0, 10, 12, 13, 15, 40, 100)


def test_iterated_krum_by_hand() -> None:
    """f = 1, so that of m updates m - 3 neighbours count, and at least one.

    m = 7: 10 has the neighbours 12, 13, 15, 0: 4 + 9 + 25 + 100 = 138; 12 has 13, 10, 15, 0: 1 + 4 + 9 + 144 = 158
    m = 6: 12 has 13, 15, 0: 1 + 9 + 144 = 154; 13 has 12, 15, 0: 1 + 4 + 169 = 174
    m = 5: 13 has 15, 0: 4 + 169 = 173; 15 has 13, 0: 4 + 225 = 229
    m = 4: 0 and 15 are 225 apart, all others further; the next is 1600 from 0, and 625 from 15
    m = 3: 0 and 40 are 1600 apart, 40 and 100 are 3600; the next is 10000 from 0, and 3600 from 40
    """
    squares = squared_distances(LINE)
    assert [LINE[row].item() for row in iterated_krum(squares, 1, 5)] == [10, 12, 13, 15, 40]
    assert [LINE.flip(0)[row].item() for row in iterated_krum(squares.flip(0, 1), 1, 5)] == [10, 12, 13, 15, 40]


def test_bulyan_by_hand() -> None:
    """Of 10, 12, 13, 15, 40 the median is 13; the three nearest to it are 13, 12, 15."""
    aggregate = apply(Bulyan(f=1), LINE)
    assert aggregate.update.tolist() == pytest.approx([(13 + 12 + 15) / 3])
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0])
    assert aggregate.state == {}


def test_updates_that_are_equal_in_all_go_by_their_order() -> None:
    assert iterated_krum(squared_distances(column(0, 1, 3, 4)), 0, 4) == [1, 2, 0, 3]


def test_the_last_update_is_chosen_too() -> None:
    assert sorted(iterated_krum(squared_distances(LINE), 0, 7)) == list(range(7))


def test_without_byzantine_clients_it_is_the_mean() -> None:
    updates = normal(0, 3, 20)
    torch.testing.assert_close(apply(Bulyan(f=0), updates).update, updates.mean(dim=0))


def test_f_decides_what_is_left_out() -> None:
    updates = normal(1, 11, 20)
    results = [apply(Bulyan(f=f), updates).update for f in range(3)]
    assert not torch.allclose(results[0], results[1])
    assert not torch.allclose(results[1], results[2])


def test_equal_entries_have_equal_parts() -> None:
    """All but 9 are chosen in the end; the median is 1, and three of the four ones are kept."""
    updates = column(1, 1, 1, 1, 0, 9, 9)
    assert apply(Bulyan(f=1), updates).update.tolist() == pytest.approx([1])
    assert shares(Bulyan(f=1), updates).tolist() == pytest.approx([0.25, 0.25, 0.25, 0.25, 0, 0, 0])


def nearest(entries: list[float], count: int) -> list[float]:
    """By sorting: the entries nearest to the median, the smaller first where two are as near."""
    middle = median(entries)
    return sorted(sorted(entries, key=lambda entry: (abs(entry - middle), entry))[:count])


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_the_nearest_to_the_median(seed: int, count: int, kept: int, ties: bool) -> None:
    kept = min(kept, count)
    columns = normal(seed, count, 10)
    columns = (columns * 2).round() if ties else columns
    found = nearest_to_median(columns.sort(dim=0).values, kept).sort(dim=0).values
    assert found.T.tolist() == [nearest(entries, kept) for entries in columns.T.tolist()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_nearest_of_the_largest_numbers(dtype: torch.dtype) -> None:
    """The difference of the outer two is infinite."""
    largest = torch.finfo(dtype).max
    ranks = torch.tensor([-largest, -1, 0, 2, largest], dtype=dtype)[:, None]
    found = nearest_to_median(ranks, 3)
    assert (found.dtype, sorted(found.flatten().tolist())) == (dtype, [-1, 0, 2])


@given(st.integers(0, 2**32), st.integers(0, 3), st.floats(-1, 3))
def test_each_coordinate_stays_as_near_to_the_chosen_ones_median_as_a_benign_one(
    seed: int, f: int, size: float
) -> None:
    updates = normal(seed, 4 * f + 3, 6)
    updates[:f] *= 10**size
    update = apply(Bulyan(f=f), updates).update
    chosen = iterated_krum(squared_distances(updates), f, 2 * f + 3)
    benign = updates[[row for row in chosen if row >= f]]
    middle = updates[chosen].quantile(0.5, dim=0)
    assert bool(((update - middle).abs() <= (benign - middle).abs().amax(dim=0) + 1e-9).all())
