import numpy as np
import pytest
import torch
from helpers.received import apply, column, normal, shares
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from fedlens.defences.coordinate_wise import Median, TrimmedMean, median, trimmed_mean


def shares_by_hand(updates: Tensor, trimmed: int) -> list[float]:
    """Shares entry by entry: where equal ones straddle the border, each has an equal part."""
    count, size = updates.shape
    kept = count - 2 * trimmed
    totals = [0.0] * count
    for entries in updates.T.tolist():
        inside = sorted(entries)[trimmed : count - trimmed]
        for row, entry in enumerate(entries):
            totals[row] += inside.count(entry) / entries.count(entry) / kept
    return [total / size for total in totals]


def test_median_of_an_odd_number_by_hand() -> None:
    updates = torch.tensor([[1.0, 10.0, 0.0], [3.0, -2.0, 5.0], [2.0, 4.0, 9.0]])
    aggregate = apply(Median(), updates)
    assert aggregate.update.tolist() == [2, 4, 5]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert aggregate.state == {}


def test_median_of_an_even_number_by_hand() -> None:
    updates = torch.tensor([[1.0, 0.0], [8.0, 100.0], [4.0, 1.0], [2.0, 3.0]])
    aggregate = apply(Median(), updates)
    assert aggregate.update.tolist() == [(2 + 4) / 2, (1 + 3) / 2]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == [0, 0, 0.5, 0.5]


def test_medians_of_equal_entries_are_shared() -> None:
    assert shares(Median(), column(0, 0, 0)).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert shares(Median(), column(0, 0, 0, 5)).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert shares(Median(), column(1, 2, 2, 3, 2, 2)).tolist() == pytest.approx([0, 1 / 4, 1 / 4, 0, 1 / 4, 1 / 4])
    assert shares(Median(), column(1, 2, 2, 2, 3, 3)).tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0, 0])
    assert shares(Median(), column(1, 2, 2, 3, 3, 3)).tolist() == pytest.approx([0, 1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])


def test_trimmed_mean_by_hand() -> None:
    aggregate = apply(TrimmedMean(f=1), column(1, 2, 3, 10, -50))
    assert aggregate.update.tolist() == [(1 + 2 + 3) / 3]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_equal_entries_at_the_border_have_equal_parts() -> None:
    aggregate = apply(TrimmedMean(f=1), column(1, 1, 2, 3, 3))
    assert aggregate.update.tolist() == [(1 + 2 + 3) / 3]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6])


def test_nothing_trimmed_is_the_mean() -> None:
    updates = normal(0, 6, 20)
    aggregate = apply(TrimmedMean(f=0), updates)
    torch.testing.assert_close(aggregate.update, updates.mean(dim=0))
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == pytest.approx([1 / 6] * 6)


def test_f_decides_what_is_trimmed() -> None:
    updates = column(0, 1, 5, 6, 100)
    assert apply(TrimmedMean(f=1), updates).update.tolist() == [4]
    assert apply(TrimmedMean(f=2), updates).update.tolist() == [5]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 10, 31])
def test_median_as_numpy_has_it(count: int) -> None:
    updates = normal(count, count, 200)
    np.testing.assert_allclose(median(updates)[0].numpy(), np.median(updates.numpy(), axis=0), rtol=1e-15)


@pytest.mark.parametrize("count", [5, 10, 31])
def test_trimmed_mean_as_scipy_has_it(count: int) -> None:
    updates = normal(count, count, 200)
    expected = stats.trim_mean(updates.numpy(), 2 / count + 1e-9, axis=0)
    np.testing.assert_allclose(trimmed_mean(updates, 2)[0].numpy(), expected, rtol=1e-12, atol=1e-14)


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(0, 4), st.integers(1, 6))
def test_shares_count_kept_entries(seed: int, count: int, trimmed: int, values: int) -> None:
    updates = torch.randint(0, values, (count, 8), generator=torch.Generator().manual_seed(seed)).double()
    trimmed = min(trimmed, (count - 1) // 2)
    found = trimmed_mean(updates, trimmed)[1]
    assert found.tolist() == pytest.approx(shares_by_hand(updates, trimmed), abs=1e-12)
    assert float(found.sum()) == pytest.approx(1)


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_means_follow_from_shares_column_by_column(seed: int, count: int) -> None:
    updates = normal(seed, count, 1)
    for trimmed in range((count + 1) // 2):
        mean, found = trimmed_mean(updates, trimmed)
        assert float(found @ updates) == pytest.approx(float(mean), abs=1e-12)
