from math import log, log10, sqrt
from random import Random
from statistics import NormalDist

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from torch import Tensor

from fedlens.defences.outliers import deleted_residuals, rarity

seeds = st.integers(0, 2**32)


def normal(count: int, statistics: int, seed: int) -> Tensor:
    return torch.randn(count, statistics, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_residuals_by_hand() -> None:
    values = torch.tensor([[1.0], [2.0], [3.0], [10.0]], dtype=torch.float64)
    # without 10: mean 2, deviation 1;  without 2: 1, 3, 10 with mean 14/3 and variance (121 + 25 + 256) / 9 / 2 = 67/3
    found = deleted_residuals(values, 0.01)[:, 0].tolist()
    assert found[3] == pytest.approx((10 - 2) / sqrt(4 / 3))
    assert found[1] == pytest.approx((2 - 14 / 3) / sqrt(67 / 3 * 4 / 3))


def test_spreads_below_the_resolution_are_not_believed() -> None:
    values = torch.tensor([[0.0], [0.0], [0.0], [0.02]], dtype=torch.float64)
    found = deleted_residuals(values, 0.01)[:, 0].tolist()
    assert found[3] == pytest.approx(0.02 / (0.01 * sqrt(4 / 3)))
    # of 0, 0 and 0.02 the mean is 0.02 / 3 and the deviation 0.02 / √3, which is more than the resolution
    assert found[0] == pytest.approx(-0.02 / 3 / (0.02 / sqrt(3) * sqrt(4 / 3)))


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_clients_have_no_residuals(count: int) -> None:
    values = torch.tensor([[0.0], [1e6]], dtype=torch.float64)[:count]
    residuals = deleted_residuals(values, 0.01)
    assert residuals.tolist() == [[0]] * count
    assert rarity(residuals).tolist() == pytest.approx([-log10(count)] * count)


@given(st.integers(3, 9), seeds, st.randoms())
def test_the_order_of_the_clients_does_not_matter(count: int, seed: int, random: Random) -> None:
    values = normal(count, 2, seed)
    order = random.sample(range(count), count)
    residuals = deleted_residuals(values, 0.01)
    torch.testing.assert_close(deleted_residuals(values[order], 0.01), residuals[order], rtol=0, atol=1e-9)
    torch.testing.assert_close(rarity(residuals[order]), rarity(residuals)[order], rtol=0, atol=1e-12)


@given(st.integers(3, 9), seeds, st.floats(-100, 100), st.floats(1, 100))
def test_neither_origin_nor_unit_matters(count: int, seed: int, shift: float, factor: float) -> None:
    values = normal(count, 2, seed)
    found = deleted_residuals(factor * values + shift, 0.0)
    torch.testing.assert_close(found, deleted_residuals(values, 0.0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("count", [3, 5, 10, 100])
@pytest.mark.parametrize("probability", [0.9, 0.05, 1e-3, 2.5e-4, 1e-8])
def test_rarity_is_that_of_students_t_or_a_little_less(count: int, probability: float) -> None:
    residuals = torch.zeros(count, 4, dtype=torch.float64)
    residuals[0, 2] = student.isf(probability / 2, count - 2)
    exact = 4 * count * probability
    found = 10 ** -rarity(residuals)[0]
    assert 0.99 * exact <= found
    if count >= 10 and probability >= 2.5e-4:
        assert found <= 1.06 * exact
    assert rarity(residuals)[1] == pytest.approx(-log10(4 * count))


@pytest.mark.parametrize(
    ("count", "residual", "z"),
    [
        (3, 1.0, 9 / 11 * sqrt(log(2))),  # ν = 1
        (4, 2.0, 17 / 19 * sqrt(2 * log(3))),  # ν = 2
    ],
)
def test_rarity_by_hand(count: int, residual: float, z: float) -> None:
    """Of so many clients, 2 Φ(-z) of each is expected."""
    residuals = torch.zeros(count, 1, dtype=torch.float64)
    residuals[1] = -residual
    assert 10 ** -float(rarity(residuals)[1]) == pytest.approx(count * 2 * NormalDist().cdf(-z))


def test_residuals_of_three_by_hand() -> None:
    """1 and 3 have the mean 2 and the deviation √2, times √(1 + 1/2); 8 is 6 from them."""
    values = torch.tensor([[1.0], [3.0], [8.0]], dtype=torch.float64)
    assert float(deleted_residuals(values, 0.01)[2]) == pytest.approx(6 / sqrt(3))


def test_the_sign_of_a_residual_does_not_matter() -> None:
    residuals = torch.tensor([[5.0, 0.0], [-5.0, 0.0], [0.0, -5.0], [1.0, 1.0]], dtype=torch.float64)
    found = rarity(residuals).tolist()
    assert found[0] == found[1] == found[2] > found[3]


def test_rarity_is_finite_and_strictly_increasing() -> None:
    residuals = torch.logspace(-3, 12, 100, dtype=torch.float64)[:, None]
    assert rarity(residuals).isfinite().all()
    assert (rarity(residuals).diff() > 0).all()


def test_false_alarms_are_as_rare_as_announced() -> None:
    rounds = 3000
    alarms = sum(int((rarity(deleted_residuals(normal(10, 4, seed), 0.01)) > 2).sum()) for seed in range(rounds))
    assert 0.006 < alarms / rounds < 0.014
