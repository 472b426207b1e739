import math

import pytest
import torch
from helpers.received import apply, equal, normal, received
from hypothesis import given
from hypothesis import strategies as st

from fedlens.defences import norm_clipping as clipping
from fedlens.defences.mean import Mean
from fedlens.defences.norm_clipping import NormClipping, clipping_factors, norms
from fedlens.kernels.cosine_distances import row_lengths


def test_by_hand() -> None:
    """Norms 5 and 1, at most 2.5: factors 1/2 and 1; 0.25·(1.5, 2) + 0.75·(0.6, 0.8)."""
    updates = torch.tensor([[3.0, 4.0], [0.6, 0.8]], dtype=torch.float64)
    aggregate = apply(NormClipping(max_norm=2.5), updates, torch.tensor([0.25, 0.75], dtype=torch.float64))
    assert aggregate.update.tolist() == pytest.approx([0.825, 1.1])
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == pytest.approx([0.125, 0.75])
    assert aggregate.state == {}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_measuring_leaves_updates_as_they_are(dtype: torch.dtype) -> None:
    """Squares are taken in place, but of a copy; 3² + 4² = 5²."""
    updates = torch.tensor([[3.0, 4.0], [0.0, -2.0]], dtype=dtype)
    assert norms(updates).tolist() == row_lengths(updates).tolist() == [5, 2]
    assert updates.tolist() == [[3, 4], [0, -2]]


def test_clipping_averages() -> None:
    assert NormClipping.averages


def test_a_high_limit_leaves_the_weighted_mean() -> None:
    updates, alpha = normal(0, 3, 10), torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    clipped, mean = apply(NormClipping(max_norm=100), updates, alpha), apply(Mean(), updates, alpha)
    torch.testing.assert_close(clipped.update, mean.update)
    assert clipped.shares is not None
    assert clipped.shares.tolist() == alpha.tolist()


def test_updates_of_zeros_stay_so() -> None:
    assert clipping_factors(torch.zeros(2).double(), 0.1).tolist() == [1, 1]


@pytest.mark.parametrize("size", [1e-30, 1, 1e30])
def test_norms_of_any_size(size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipping, "BLOCK_ENTRIES", 20)
    updates = normal(0, 3, 100, dtype=torch.float32) * size
    expected = [math.sqrt(math.fsum(entry**2 for entry in row)) for row in updates.tolist()]
    assert norms(updates).tolist() == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(0.01, 10), st.floats(0, 30))
def test_no_client_moves_the_model_by_more_than_its_weight_allows(
    seed: int, count: int, limit: float, size: float
) -> None:
    updates = normal(seed, count, 8)
    others = apply(NormClipping(max_norm=limit), updates).update
    updates[0] = normal(seed + 1, 8) * 10**size
    moved = apply(NormClipping(max_norm=limit), updates).update
    assert float(moved.norm()) <= limit * (1 + 1e-9)
    assert float((moved - others).norm()) <= 2 * limit / count * (1 + 1e-9)


def test_noise_has_the_deviation_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipping, "BLOCK_ENTRIES", 7_000)
    updates = normal(0, 2, 40_000, dtype=torch.float32)
    noise = apply(NormClipping(max_norm=1, noise=0.5), updates).update - apply(NormClipping(max_norm=1), updates).update
    assert noise.dtype == torch.float32
    assert float(noise.std()) == pytest.approx(0.5, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert len(noise.unique()) > 39_000


def test_noise_comes_from_the_rules_address() -> None:
    rule, updates = NormClipping(max_norm=1, noise=0.5), normal(0, 2, 50)
    first, again, other = (rule.aggregate(received(updates, equal(2), seed=seed)).update for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
