import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from torch import Tensor

from fedlens.defences import histogram as module
from fedlens.defences.histogram import centres, histogram, left_out, shares, wasserstein

seeds = st.integers(0, 2**32)
counts = st.lists(st.integers(0, 50), min_size=7, max_size=7).map(torch.tensor)


def normal(size: int, scale: float, seed: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)) * scale


def test_counts_by_hand() -> None:
    # bins [-1, -0.5), [-0.5, 0), [0, 0.5), [0.5, 1]; 9 and 1 belong to the last, -1 and -9 to the first, 0 to none
    update = torch.tensor([-9.0, -1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 9.0])
    found = histogram(update, bins=4, limit=1.0)
    assert found.tolist() == [3, 2, 1, 3]
    assert found.dtype == torch.int64
    assert left_out(update) == 1


def test_entries_below_1e_7_are_left_out() -> None:
    update = torch.tensor([0.9e-7, -0.9e-7, 1.1e-7, -1.1e-7])
    assert histogram(update, bins=2, limit=0.2).tolist() == [1, 1]
    assert left_out(update) == 2
    exactly = torch.tensor([1e-7, -1e-7], dtype=torch.float64)
    assert histogram(exactly, bins=2, limit=0.2).tolist() == [1, 1]
    assert left_out(exactly) == 0


@pytest.mark.parametrize("scale", [1e-7, 0.01, 0.2, 3.0])
def test_counts_are_numpys(scale: float) -> None:
    entries = normal(20_000, scale, 1).double()
    found = histogram(entries, bins=500, limit=0.2)
    kept = entries[entries.abs() >= 1e-7].clamp(-0.2, 0.2).numpy()
    assert found.tolist() == np.histogram(kept, bins=500, range=(-0.2, 0.2))[0].tolist()
    assert left_out(entries) == 20_000 - len(kept)


def test_blocks_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = normal(1000, 0.1, 2)
    entries[::9] = 0
    whole = histogram(entries, 50, 0.2)
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert torch.equal(histogram(entries, 50, 0.2), whole)
    assert left_out(entries) == 112


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_the_update_stays_as_it_is(precision: torch.dtype) -> None:
    update = normal(100, 0.1, 3).to(precision)
    kept = update.clone()
    histogram(update, 10, 0.2)
    assert torch.equal(update, kept)


def test_wasserstein_by_hand() -> None:
    # bins are 0.1 wide; shares [0, 1/3, 2/3, 0] and [0, 0, 0, 1], summed up [0, 1/3, 1, 1] and [0, 0, 0, 1]
    distance = wasserstein(torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 0, 4]), 0.2)
    assert float(distance) == pytest.approx((1 / 3 + 1) * 0.1)


@given(counts, counts)
def test_wasserstein_is_scipys(a: Tensor, b: Tensor) -> None:
    middles = centres(7, 0.2)
    expected = wasserstein_distance(
        middles if a.any() else [0], middles if b.any() else [0], a if a.any() else [1], b if b.any() else [1]
    )
    assert float(wasserstein(a, b, 0.2)) == pytest.approx(expected, abs=1e-12)


@given(counts, counts, counts)
def test_wasserstein_is_a_metric(a: Tensor, b: Tensor, c: Tensor) -> None:
    assert float(wasserstein(a, b, 1.0)) == pytest.approx(float(wasserstein(b, a, 1.0)), abs=1e-12)
    assert float(wasserstein(a, a * 3, 1.0)) == pytest.approx(0, abs=1e-12)
    assert wasserstein(a, c, 1.0) <= wasserstein(a, b, 1.0) + wasserstein(b, c, 1.0) + 1e-12


@given(seeds, st.floats(0.01, 0.05), st.floats(0.01, 0.05))
def test_wasserstein_is_that_of_the_entries_to_within_a_bin(seed: int, one: float, other: float) -> None:
    a, b = normal(300, one, seed), normal(200, other, seed + 1)
    found = wasserstein(histogram(a, 500, 0.2), histogram(b, 500, 0.2), 0.2)
    exact = wasserstein_distance(a.clamp(-0.2, 0.2).numpy(), b.clamp(-0.2, 0.2).numpy())
    assert float(found) == pytest.approx(exact, abs=0.4 / 500)


def test_the_distance_of_a_shift_is_the_shift() -> None:
    entries = normal(5000, 0.01, 4)
    a, b = (histogram(moved, 500, 0.2) for moved in (entries, entries + 0.05))
    assert float(wasserstein(a, b, 0.2)) == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize("bins", [4, 5])
def test_an_empty_histogram_is_a_mass_at_zero(bins: int) -> None:
    empty, full = torch.zeros(bins, dtype=torch.int64), torch.ones(bins, dtype=torch.int64)
    assert float(shares(empty).sum()) == 1
    assert float(shares(empty) @ centres(bins, 1.0)) == pytest.approx(0)
    assert float(wasserstein(empty, empty, 1.0)) == 0
    assert float(wasserstein(empty, full, 1.0)) > 0.1


def test_leading_dimensions_broadcast() -> None:
    rows = torch.tensor([[0, 1, 2, 0], [0, 0, 0, 4], [0, 0, 0, 0]])
    found = wasserstein(rows[:, None], rows, 0.2)
    expected = [[float(wasserstein(a, b, 0.2)) for b in rows] for a in rows]
    assert found.tolist() == expected
    assert found.dtype == torch.float64
