from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor

from fedlens.explanations.similarity import (
    MEASURES,
    NAMES,
    Measure,
    cosine,
    measures_for,
    spearman,
    ssim,
    top_intersection,
)

seeds = st.integers(0, 2**32)
every = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def maps(seed: int, count: int = 3, shape: tuple[int, ...] = (2, 8, 9), kind: int = 0) -> Tensor:
    """Random maps: of any values, with many zeros, or of few different values."""
    drawn = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (drawn, drawn * (drawn > 1.5), drawn.round())[kind]


kinds = st.integers(0, 2)


def row(*entries: float) -> Tensor:
    return torch.tensor([entries])


def test_cosine_by_hand() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 1.0], [3.0, 4.0], [1.0, 2.0]])
    b = torch.tensor([[0.0, 5.0], [1.0, 0.0], [-6.0, -8.0], [2.0, 4.0]])
    assert cosine(a, b).tolist() == pytest.approx([0, 1 / sqrt(2), -1, 1])


def test_spearman_by_hand() -> None:
    assert spearman(row(1, 2, 3, 4), row(1, 2, 4, 30)).tolist() == [1]
    assert spearman(row(1, 2, 3, 4), row(2, 1, 4, 3)).tolist() == pytest.approx([1 - 6 * 4 / (4 * 15)])
    # ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: from their mean, −1.5, 0, 0, 1.5 and −1.5, −0.5, 0.5, 1.5
    assert spearman(row(0, 5, 5, 9), row(1, 2, 3, 4)).tolist() == pytest.approx([4.5 / sqrt(4.5 * 5)])


def test_top_intersection_by_hand() -> None:
    a = row(9, -8, 7, 1, 2, 3, 4, 5, 6, 0.5)
    b = row(9, 0.5, -7, 8, 2, 3, 4, 5, 6, 1)
    assert top_intersection(a, b).tolist() == [1]
    assert top_intersection(a, b, 0.2).tolist() == [0.5]
    assert top_intersection(a, b, 0.3).tolist() == pytest.approx([2 / 3])
    assert top_intersection(a, b, 1).tolist() == [1]
    assert top_intersection(row(1, 2), row(2, 1), 0.01).tolist() == [0]


def test_entries_that_tie_share_the_places_that_are_left() -> None:
    # of two places the first has one, the three that tie share the other
    a = row(5, 1, 1, 1, 0, 0)
    assert top_intersection(a, row(5, 2, 0.1, 0.1, 0.1, 0.1), 2 / 6).tolist() == pytest.approx([(1 + 1 / 3) / 2])
    assert top_intersection(a, a, 2 / 6).tolist() == [1]
    assert top_intersection(torch.ones(1, 10), row(*range(10)), 0.3).tolist() == pytest.approx([0.3])
    # where more entries tie than there are places, it is the share of the larger set that both have
    assert top_intersection(row(1, 1, 1, 1, 0, 0), row(0, 0, 1, 1, 1, 0), 2 / 6).tolist() == pytest.approx([2 / 4])


def test_zeros_are_in_no_top() -> None:
    sparse, elsewhere = torch.zeros(1, 100), torch.zeros(1, 100)
    sparse[0, :4], elsewhere[0, 50:53] = 1, 1
    assert top_intersection(sparse, elsewhere).tolist() == [0]
    assert top_intersection(sparse, sparse).tolist() == [1]
    dense = torch.arange(100.0, 0, -1)[None]  # its top ten hold all four
    assert top_intersection(sparse, dense).tolist() == pytest.approx([0.4])


def test_ssim_by_hand() -> None:
    # one window: all entries ±1 after scaling, b = −a, a's mean 1/49, its sample variance (1 − 1/49²) · 49/48 = 50/49
    a = torch.ones(49)
    a[1::2] = -1
    a = 4 * a.reshape(1, 1, 7, 7)
    mean, variance = 1 / 49, 50 / 49
    luminance = (0.0004 - 2 * mean**2) / (0.0004 + 2 * mean**2)
    structure = (0.0036 - 2 * variance) / (0.0036 + 2 * variance)
    assert ssim(a, -3 * a).tolist() == pytest.approx([luminance * structure])
    assert ssim(a, 3 * a).tolist() == pytest.approx([1])


def test_an_image_map_has_one_unit_for_all_channels() -> None:
    a, b = maps(0), maps(0)
    b[:, 1] *= 0.1
    assert (ssim(a, b) < 0.95).all()


@given(seeds, seeds, kinds, kinds)
def test_spearman_is_scipys(one: int, other: int, kind: int, other_kind: int) -> None:
    a, b = maps(one, kind=kind), maps(other, kind=other_kind)
    expected = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b, strict=True)]
    assert spearman(a, b).tolist() == pytest.approx(expected, abs=1e-12)


@given(seeds, seeds, kinds, kinds, st.sampled_from([(1, 7, 7), (3, 32, 32), (2, 7, 12), (1, 28, 28)]))
def test_ssim_is_scikit_images(one: int, other: int, kind: int, other_kind: int, shape: tuple[int, ...]) -> None:
    a, b = maps(one, 2, shape, kind), maps(other, 2, shape, other_kind)
    b = 0.7 * a + b
    options = {"win_size": 7, "data_range": 2, "channel_axis": 0, "K1": 0.01, "K2": 0.03, "use_sample_covariance": True}
    for x, y, found in zip(a.numpy(), b.numpy(), ssim(a, b).tolist(), strict=True):
        if x.any() and y.any():
            scaled = (x / np.abs(x).max(), y / np.abs(y).max())
            assert found == pytest.approx(structural_similarity(*scaled, **options), abs=1e-10)


@every
@given(seeds, seeds, kinds, kinds)
def test_every_measure_is_symmetric_and_in_range(
    measure: Measure, one: int, other: int, kind: int, other_kind: int
) -> None:
    a, b = maps(one, kind=kind), maps(other, kind=other_kind)
    found = measure(a, b)
    assert found.shape == (3,)
    assert found.dtype == torch.float64
    assert (found.abs() <= 1).all()
    torch.testing.assert_close(found, measure(b, a), rtol=0, atol=1e-12)
    assert measure(a, a).tolist() == pytest.approx([1, 1, 1])
    if measure is top_intersection:
        assert (found >= 0).all()


@every
@given(seeds, kinds, st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_maps_units_do_not_matter(measure: Measure, seed: int, kind: int, factor: float, other: float) -> None:
    a, b = maps(seed, kind=kind), maps(seed + 1)
    torch.testing.assert_close(measure(factor * a, other * b), measure(a, b), rtol=0, atol=1e-9)


@pytest.mark.parametrize("change", [torch.exp, torch.atan, lambda x: x**3 - 7, lambda x: x.round().exp().log().round()])
@given(seeds)
def test_spearman_only_looks_at_the_order(change: Measure, seed: int) -> None:
    a, b = maps(seed, kind=2), maps(seed + 1)
    assert torch.equal(spearman(change(a), b), spearman(a, b))


@every
@given(seeds, st.randoms(use_true_random=False))
def test_samples_are_measured_one_by_one(measure: Measure, seed: int, random: object) -> None:
    a, b = maps(seed, 4, kind=1), maps(seed + 1, 4)
    alone = torch.cat([measure(a[i : i + 1], b[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(measure(a, b), alone, rtol=0, atol=1e-12)
    assert measure(a[:0], b[:0]).shape == (0,)


@every
def test_maps_of_zeros_are_like_each_other_and_like_nothing_else(measure: Measure) -> None:
    a, b = maps(0), maps(1)
    a[:2], b[1:] = 0, 0
    assert measure(a, b).tolist() == [0, 1, 0]


@every
def test_a_map_of_few_entries_is_not_like_zeros(measure: Measure) -> None:
    a = torch.zeros(1, 1, 28, 28)
    b = a.clone()
    b[0, 0, 3, 3] = 1e-30
    assert measure(a, b).tolist() == [0]


def test_constant_maps() -> None:
    flat, other = torch.full((1, 1, 8, 8), 3.7), torch.full((1, 1, 8, 8), -0.1)
    some = maps(0, 1, (1, 8, 8))
    assert [measure(flat, flat).item() for measure in MEASURES.values()] == pytest.approx([1] * 4)
    assert spearman(flat, other).item() == 1
    assert spearman(flat, some).item() == 0
    assert top_intersection(flat, other).item() == pytest.approx(1)
    assert cosine(flat, other).item() == pytest.approx(-1)
    assert ssim(flat, other).item() == pytest.approx((0.0004 - 2) / (0.0004 + 2))
    assert all(measure(flat, some).isfinite().all() for measure in MEASURES.values())


@every
@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-160, 1e160, 1e308])
def test_the_largest_and_smallest_numbers(measure: Measure, size: float) -> None:
    a, b = maps(0).clamp(-1, 1) * size, maps(1).clamp(-1, 1)
    assert measure(a, b).isfinite().all()
    assert measure(a, a).tolist() == pytest.approx([1, 1, 1])


@every
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32])
def test_maps_of_any_precision_stay_as_they_are(measure: Measure, precision: torch.dtype) -> None:
    a, b = maps(0).to(precision).requires_grad_(), maps(1).to(precision)
    kept = a.detach().clone()
    found = measure(a, b)
    assert not found.requires_grad
    assert torch.equal(found, measure(kept.double(), b.double()))
    assert torch.equal(a, kept)


@every
def test_what_cannot_be_compared_is_refused(measure: Measure) -> None:
    good = maps(0)
    with pytest.raises(ValueError, match="different shapes"):
        measure(good, good[:, :1])
    for value in (float("nan"), float("inf")):
        bad = good.clone()
        bad[1, 0, 2, 2] = value
        with pytest.raises(ValueError, match="finite"):
            measure(good, bad)
        with pytest.raises(ValueError, match="finite"):
            measure(bad, good)
    for empty in (torch.zeros(3, 0), torch.zeros(3)):
        with pytest.raises(ValueError, match="entries"):
            measure(empty, empty)


@pytest.mark.parametrize("shape", [(2, 1, 6, 7), (2, 1, 7, 6), (2, 9, 9), (2, 64)])
def test_ssim_needs_images_of_a_window(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 7 × 7"):
        ssim(torch.ones(shape), torch.ones(shape))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_impossible_shares_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        top_intersection(maps(0), maps(1), share)


def test_measures_for_an_input() -> None:
    assert list(measures_for((3, 32, 32))) == ["spearman", "ssim", "cosine", "top"] == list(NAMES)
    assert list(measures_for(torch.Size([1, 7, 7]))) == list(MEASURES)
    for shape in [(3, 6, 32), (3, 32, 6), (28, 28), (100,), (1, 3, 32, 32)]:
        assert list(measures_for(shape)) == ["spearman", "cosine", "top"]
