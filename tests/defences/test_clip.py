import pytest
import torch
from helpers.received import apply, column, equal, normal
from helpers.staged import effective, staged
from hypothesis import given
from hypothesis import strategies as st

from fedlens.defences.centred_clipping import CentredClipping
from fedlens.defences.clip import Clip, scaled
from fedlens.defences.median_clip import MedianClip
from fedlens.defences.norm_clipping import NormClipping, norms
from fedlens.defences.stage import Stage, Updates


def test_by_hand() -> None:
    """Norms 5 and 1, at most 2.5: the first is halved, and so is its effective weight."""
    clipped, _, _ = staged(
        Clip(max_norm=2.5), torch.tensor([[3.0, 4.0], [0.6, 0.8]]), torch.tensor([0.25, 0.75]).double()
    )
    assert clipped.rows.tolist() == [[1.5, 2.0], [pytest.approx(0.6), pytest.approx(0.8)]]
    assert clipped.weights.tolist() == [0.25, 0.75]
    assert effective(clipped).tolist() == [0.125, 0.75]


@pytest.mark.parametrize("stage", [Clip(max_norm=2), MedianClip(), CentredClipping(tau=2)])
def test_who_is_as_long_as_the_limit_is_not_clipped(stage: Stage) -> None:
    """The median of 1, 2 and 3 is 2."""
    report = staged(stage, column(1, -2, 3))[2]
    assert report.details == {"length": [1, 2, 3], "clipped": [0, 0, 1]}
    rule = apply(NormClipping(max_norm=2), column(1, -2, 3))
    assert rule.details == report.details


@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(0.01, 10))
def test_clipping_before_the_mean_is_norm_clipping(seed: int, count: int, limit: float) -> None:
    updates, alpha = normal(seed, count, 8), equal(count)
    clipped, _, _ = staged(Clip(max_norm=limit), updates, alpha)
    rule = apply(NormClipping(max_norm=limit), updates, alpha)
    torch.testing.assert_close(clipped.weights @ clipped.rows, rule.update)
    torch.testing.assert_close(clipped.effective_weights, rule.shares)
    assert bool((norms(clipped.rows) <= limit * (1 + 1e-12)).all())


def test_clipping_twice_is_clipping_once() -> None:
    once, _, _ = staged(Clip(max_norm=1), normal(0, 5, 8))
    twice, _, _ = staged(Clip(max_norm=1), once.rows)
    torch.testing.assert_close(twice.rows, once.rows)


def test_what_was_mixed_stays_mixed() -> None:
    mixed = Updates.received(column(8, 2), equal(2)).mixed(torch.tensor([[0.5, 0.5]]))
    clipped, _, _ = Clip(max_norm=1).apply(mixed, None, None)  # type: ignore[arg-type]
    assert clipped.rows.tolist() == [[1]]
    assert effective(clipped).tolist() == [0.1, 0.1]


def test_a_tiny_factor_is_as_exact_as_others() -> None:
    """1e-40 is denormal in float32, in which it would have five bits."""
    rows = torch.tensor([[3e37, -1e37]])
    factors = torch.tensor([1e-40], dtype=torch.float64)
    torch.testing.assert_close(scaled(rows, factors), torch.tensor([[3e-3, -1e-3]]), rtol=1e-6, atol=0)


def test_lengths_whose_squares_are_too_small_for_a_number() -> None:
    rows = torch.tensor([[3e-300, 4e-300], [0, 0], [3, 4]], dtype=torch.float64)
    assert norms(rows).tolist() == pytest.approx([5e-300, 0, 5], rel=1e-12)
    assert norms(torch.zeros(2, 3)).tolist() == [0, 0]


@pytest.mark.parametrize("size", [1e-50, 1e-6, 1.0])
def test_ordinary_lengths_are_not_scaled_on_the_way(size: float) -> None:
    """To the last bit, they are roots of sums of squares."""
    rows = size * normal(0, 50, 3)
    assert norms(rows).tolist() == (rows.square().sum(dim=1)).sqrt().tolist()
