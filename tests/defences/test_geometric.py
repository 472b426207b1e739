import logging
from math import sqrt

import numpy as np
import pytest
import torch
from helpers.received import apply, column, equal, normal, shares
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from fedlens.defences import geometric_median as geometric
from fedlens.defences.geometric_median import GeometricMedian


def by_scipy(updates: Tensor, alpha: Tensor) -> np.ndarray:
    """The minimiser of the weighted sum of distances, by a quasi-Newton method."""
    points, weights = updates.numpy(), alpha.numpy()

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        away = point - points
        distances = np.linalg.norm(away, axis=1).clip(min=1e-12)
        return float(weights @ distances), (weights / distances) @ away

    options = {"gtol": 1e-12, "ftol": 1e-16, "maxiter": 300}
    found: np.ndarray = minimize(objective, np.median(points, axis=0), jac=True, method="L-BFGS-B", options=options).x
    return found


def test_four_points_by_hand() -> None:
    """Of four corners, it is where the diagonals meet, and weights are as one over the distance: 1, 3, 2, 5."""
    updates = torch.tensor([[-1.0, 0.0], [3.0, 0.0], [0.0, -2.0], [0.0, 5.0]], dtype=torch.float64)
    aggregate = apply(GeometricMedian(), updates)
    assert aggregate.update.tolist() == pytest.approx([0, 0], abs=1e-6)
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == pytest.approx([30 / 61, 10 / 61, 15 / 61, 6 / 61], abs=1e-6)
    assert aggregate.state == {}


def test_on_a_line_it_is_the_median() -> None:
    updates = column(0, 1, 10, -200, 5)
    assert apply(GeometricMedian(), updates).update.tolist() == pytest.approx([1], abs=1e-5)
    assert shares(GeometricMedian(), updates).tolist() == pytest.approx([0, 1, 0, 0, 0], abs=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_it_is_the_mean(count: int) -> None:
    updates = normal(0, count, 5)
    torch.testing.assert_close(apply(GeometricMedian(), updates).update, updates.mean(dim=0))


def test_clients_count_by_their_samples_where_that_is_asked_for() -> None:
    updates, alpha = column(0, 1, 2, 3, 4), torch.tensor([0.1, 0.1, 0.1, 0.1, 0.6], dtype=torch.float64)
    assert apply(GeometricMedian(), updates, alpha).update.tolist() == pytest.approx([2], abs=1e-5)
    assert apply(GeometricMedian(weighted=True), updates, alpha).update.tolist() == pytest.approx([4], abs=1e-5)


def test_much_smoothing_makes_it_the_mean() -> None:
    updates = column(0, 1, 10, -200, 5)
    assert apply(GeometricMedian(smoothing=1e6), updates).update.tolist() == pytest.approx([-184 / 5])


def test_a_coarse_tolerance_stops_early() -> None:
    updates = normal(1, 7, 4)
    best = by_scipy(updates, equal(7))
    distance = [
        float(np.linalg.norm(apply(GeometricMedian(tolerance=tolerance), updates).update.numpy() - best))
        for tolerance in (1e-1, 1e-3, 1e-8)
    ]
    assert distance[0] > 10 * distance[1] > 100 * distance[2]


def test_too_few_steps_are_told(caplog: pytest.LogCaptureFixture) -> None:
    updates = normal(1, 7, 4)
    with caplog.at_level(logging.WARNING, "fedlens"):
        apply(GeometricMedian(), updates)
        assert caplog.messages == []
        apply(GeometricMedian(steps=3), updates)
    assert caplog.messages == ["geometric-median: tolerance not reached in 3 steps; the last one is used"]


def test_a_gradient_of_zero_is_within_any_tolerance() -> None:
    weights, reached = geometric.weiszfeld(torch.zeros(3, 3).double(), equal(3), 1e-6, 0.0, 1)
    assert (weights.tolist(), reached) == (equal(3).tolist(), True)


@pytest.mark.parametrize("longest", [1e140, 1e300])
def test_the_longest_numbers_count_by_their_directions(longest: float) -> None:
    """One on either side leaves the median among the other three; of three at 1e300, only the direction is left."""
    assert 1 <= float(apply(GeometricMedian(), column(-longest, 1, 2, 3, longest)).update) <= 3
    assert apply(GeometricMedian(), column(5, 5, 5, longest)).update.tolist() == pytest.approx([5])
    assert apply(GeometricMedian(), column(*[longest] * 3)).update.tolist() == pytest.approx([1e140])


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(3, 12), st.integers(2, 6), st.booleans())
def test_as_scipy_minimises(seed: int, count: int, size: int, weighted: bool) -> None:
    updates = normal(seed, count, size)
    alpha = normal(seed + 1, count).abs() + 0.5 if weighted else torch.ones(count, dtype=torch.float64)
    alpha /= alpha.sum()
    found = apply(GeometricMedian(weighted=weighted), updates, alpha).update.numpy()

    def total(point: np.ndarray) -> float:
        return float(alpha.numpy() @ np.linalg.norm(point - updates.numpy(), axis=1))

    assert total(found) <= total(by_scipy(updates, alpha)) + 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e8, 1e16, 1e30])
def test_a_minority_moves_it_no_further_than_theory_allows(size: float, dtype: torch.dtype) -> None:
    """S. Minsker (Bernoulli 2015), lemma 2.1: (1 - a) / sqrt(1 - 2a) times the benign radius, with a = f / n."""
    count, byzantine = 10, 4
    updates = normal(2, count, 30, dtype=dtype)
    updates[:byzantine] = size * normal(3, 30, dtype=dtype) + normal(4, byzantine, 30, dtype=dtype)
    benign = updates[byzantine:].double()
    centre = benign.mean(dim=0)
    radius = float((benign - centre).norm(dim=1).max())
    update = apply(GeometricMedian(), updates).update.double()
    share = byzantine / count
    assert float((update - centre).norm()) <= (1 - share) / sqrt(1 - 2 * share) * radius
    assert float((updates.double().mean(dim=0) - centre).norm()) > 3 * radius


@pytest.mark.parametrize(("factor", "read_again"), [(1, False), (2, False), (30, True), (1e6, True)])
def test_updates_are_read_again_only_where_distances_are_very_different(
    factor: float, read_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In either case single precision gives what double precision does."""
    calls = 0
    products = geometric.products

    def counted(updates: Tensor, origin: int) -> Tensor:
        nonlocal calls
        calls += 1
        return products(updates, origin)

    monkeypatch.setattr(geometric, "products", counted)
    updates = normal(8, 12, 3000, dtype=torch.float32)
    updates[3] *= factor
    single = apply(GeometricMedian(), updates)
    assert calls == read_again
    double = apply(GeometricMedian(), updates.double())
    assert single.shares is not None
    assert double.shares is not None
    torch.testing.assert_close(single.shares, double.shares, rtol=1e-4, atol=1e-9)
