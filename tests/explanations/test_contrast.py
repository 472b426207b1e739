from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from fedlens.explanations.contrast import Contrast, _differences, _p, _weighted, contrast
from fedlens.statistics import Interval


def symmetric(bb: object, pb: object, pp: object) -> NDArray[np.float64]:
    """Similarities from those of benign models, of poisoned (rows) and benign ones, and of poisoned models."""
    blocks = np.block([[np.array(bb, float), np.array(pb, float).T], [np.array(pb, float), np.array(pp, float)]])
    seeds = len(blocks) // 2
    return blocks.reshape(2, seeds, 2, seeds)


def from_maps(models: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosines of maps ``[2, S, d]``."""
    units = models / np.linalg.norm(models, axis=-1, keepdims=True)
    return np.einsum("ksd,ltd->kslt", units, units)


def blocks(seeds: int, bb: float, pb: float, pp: float) -> NDArray[np.float64]:
    """Similarities that only depend on which of the two models are poisoned."""
    return symmetric(*(np.full((seeds, seeds), value) for value in (bb, pb, pp)))


def simulated(generator: np.random.Generator, seeds: int, shift: float = 0.0, size: int = 40) -> NDArray[np.float64]:
    """Models' maps: what all have, what both of a seed have, and their own; poisoned ones are shifted, each its way."""
    common, of_seed, own = (generator.normal(size=shape) for shape in [(size,), (seeds, size), (2, seeds, size)])
    models = common + 0.5 * of_seed + own
    models[1] += shift * generator.normal(size=(seeds, size))
    return from_maps(models)


THREE = symmetric(
    [[1, 0.8, 0.6], [0.8, 1, 0.7], [0.6, 0.7, 1]],
    [[0.9, 0.3, 0.2], [0.1, 0.8, 0.4], [0.5, 0.3, 0.7]],
    [[1, 0.2, 0.1], [0.2, 1, 0.3], [0.1, 0.3, 1]],
)


def test_means_by_hand() -> None:
    found = contrast(THREE)
    assert found.benign is not None
    assert found.poisoned is not None
    assert found.difference is not None
    assert found.benign.value == pytest.approx(0.7)
    assert found.poisoned.value == pytest.approx(1.8 / 6)
    assert found.difference.value == pytest.approx(0.4)
    assert found.same_seed.value == pytest.approx(0.8)
    assert found.seeds == 3


def test_resampled_seeds_by_hand() -> None:
    pairs = THREE[1, :, 0]
    counts = np.array([[1.0, 1, 1], [2, 1, 0], [0, 1, 2]])
    # with a seed twice, each of its pairs with the other one counts twice: their mean is that of both orders
    assert _weighted(pairs, counts) == pytest.approx([0.3, (0.3 + 0.1) / 2, (0.4 + 0.3) / 2])
    found = contrast(THREE).benign
    # 6 of the 24 kept resamples have all three, mean 0.7; 6 each have only 0.8, 0.6 or 0.7
    assert found == Interval(pytest.approx(0.7), pytest.approx(0.6), pytest.approx(0.8))


def test_resamples_with_unequal_counts() -> None:
    pairs = np.arange(16.0).reshape(4, 4)
    counts = np.array([2, 1, 1, 0])
    drawn = [0, 0, 1, 2]
    every = [pairs[s, t] for i, s in enumerate(drawn) for j, t in enumerate(drawn) if s != t]
    assert _weighted(pairs, counts[None]) == pytest.approx([np.mean(every)])


def test_swaps_by_hand() -> None:
    two = symmetric([[9, 0.8], [0.8, 9]], [[9, 0.3], [0.1, 9]], [[9, 0.2], [0.2, 9]])
    swaps = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    # swapped: what counts as benign, less the mean of either poisoned with the other benign
    expected = [0.8 - 0.2, 0.3 - (0.8 + 0.2) / 2, 0.1 - (0.2 + 0.8) / 2, 0.2 - (0.1 + 0.3) / 2]
    assert _differences(two, swaps) == pytest.approx(expected)
    found = contrast(two)
    assert found == Contrast(
        Interval(0.8, None, None),
        Interval(pytest.approx(0.2), None, None),
        Interval(9, None, None),
        Interval(pytest.approx(0.6), None, None),
        0.25,
        2,
    )


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_swaps_are_what_exchanged_models_would_show(seeds: int) -> None:
    likeness = simulated(np.random.default_rng(seeds), seeds)
    swaps = np.array(list(product([0, 1], repeat=seeds)))
    for swap, found in zip(swaps, _differences(likeness, swaps), strict=True):
        places = np.array([swap, 1 - swap])
        exchanged = likeness[places, np.arange(seeds)][:, :, places, np.arange(seeds)]
        difference = contrast(exchanged).difference
        assert difference is not None
        assert found == pytest.approx(difference.value)


def test_one_seed_has_but_its_own_pair() -> None:
    found = contrast([[[[1.0], [0.4]]], [[[0.4], [1.0]]]])
    assert found == Contrast(None, None, Interval(0.4, None, None), None, None, 1)
    assert found.verdict == "too few seeds to tell"


def test_models_all_equally_alike_show_nothing() -> None:
    found = contrast(np.full((2, 6, 2, 6), 0.1) * 3)
    assert found.p == 1
    assert found.verdict == "cannot tell"
    nothing = contrast(np.zeros((2, 6, 2, 6)))
    assert (nothing.p, nothing.difference) == (1, Interval(0, 0, 0))


@pytest.mark.parametrize(("seeds", "least"), [(5, 1 / 32), (8, 1 / 256), (20, 1 / 4096)])
def test_a_planted_difference_is_found(seeds: int, least: float) -> None:
    found = contrast(simulated(np.random.default_rng(1), seeds, shift=2.0, size=400))
    assert found.difference is not None
    assert found.difference.low is not None
    assert found.difference.low > 0
    assert found.p == least
    assert found.verdict == "can tell"


@pytest.mark.parametrize(("seeds", "verdict"), [(5, "cannot tell"), (6, "can tell")])
def test_poisoned_models_alike_among_themselves_need_six_seeds(seeds: int, verdict: str) -> None:
    found = contrast(blocks(seeds, bb=0.8, pb=0.1, pp=0.8))
    assert found.p == 2 / 2**seeds
    assert found.verdict == verdict


def test_poisoned_models_much_more_alike_need_more_seeds() -> None:
    likeness = blocks(6, bb=0.3, pb=0.1, pp=1)
    swaps = np.tril(np.ones((7, 6), dtype=int), -1)  # none, one, ... all of the seeds
    expected = [
        (
            (6 - m) * (5 - m) * (0.3 - 0.1)  # pairs of which neither is swapped,
            + m * (m - 1) * (1 - 0.1)  # both are,
            + m * (6 - m) * (2 * 0.1 - 0.3 - 1)  # one is
        )
        / 30
        for m in range(7)
    ]
    assert _differences(likeness, swaps) == pytest.approx(expected)
    assert [m for m in range(7) if expected[m] > 0.2 - 1e-12] == [0, 5, 6]
    assert contrast(likeness).p == (1 + 6 + 1) / 64
    assert contrast(likeness).verdict == "cannot tell"
    assert contrast(blocks(9, bb=0.3, pb=0.2, pp=0.4)).verdict == "can tell"


def test_fewer_than_five_seeds_are_too_few() -> None:
    found = contrast(simulated(np.random.default_rng(1), 4, shift=2.0))
    assert found.p == 1 / 16
    assert found.verdict == "too few seeds to tell"


def test_poisoned_models_that_are_more_alike_do_not_stand_out() -> None:
    likeness = simulated(np.random.default_rng(1), 8, shift=2.0)[::-1, :, ::-1]
    found = contrast(likeness)
    assert found.p is not None
    assert found.p > 0.5
    assert found.verdict == "cannot tell"


@pytest.mark.parametrize(("seeds", "expected"), [(5, 3 / 32), (6, 6 / 64), (13, 0.1)])
def test_under_the_null_hypothesis_p_is_uniform(seeds: int, expected: float) -> None:
    generator = np.random.default_rng(20)
    found = np.array([_p(simulated(generator, seeds)) for _ in range(250)])
    assert (found <= 0.1).mean() == pytest.approx(expected, abs=0.04)
    assert (found <= 0.5).mean() == pytest.approx(0.5, abs=0.07)


def test_drawn_swaps_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    likeness = simulated(np.random.default_rng(5), 10, shift=0.3)
    exact = contrast(likeness).p
    monkeypatch.setattr("fedlens.explanations.contrast.EXACT_SEEDS", 9)
    assert contrast(likeness).p == pytest.approx(exact, abs=0.03)


def test_the_difference_is_that_of_the_means_and_a_result_can_be_repeated() -> None:
    likeness = simulated(np.random.default_rng(2), 14, shift=0.5)
    found = contrast(likeness)
    assert found.benign is not None
    assert found.poisoned is not None
    assert found.difference is not None
    assert found.difference.value == pytest.approx(found.benign.value - found.poisoned.value)
    assert contrast(likeness) == found
    for interval in (found.benign, found.poisoned, found.same_seed, found.difference):
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low < interval.value < interval.high


def test_the_order_of_seeds_hardly_matters() -> None:
    likeness = simulated(np.random.default_rng(3), 7, shift=0.5)
    order = np.random.default_rng(4).permutation(7)
    before, after = contrast(likeness), contrast(likeness[:, order][:, :, :, order])
    assert after.p == before.p
    assert before.difference is not None
    assert after.difference is not None
    assert after.difference.value == pytest.approx(before.difference.value)
    assert after.difference.low == pytest.approx(before.difference.low, abs=0.02)


@pytest.mark.parametrize("shape", [(2, 3, 2, 4), (3, 3, 3, 3), (2, 3, 3), (2, 0, 2, 0), (2, 3, 2, 3, 1), ()])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="S"):
        contrast(np.zeros(shape))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(value: float) -> None:
    likeness = THREE.copy()
    likeness[0, 1, 0, 2] = likeness[0, 2, 0, 1] = value
    with pytest.raises(ValueError, match="finite"):
        contrast(likeness)


def test_likeness_may_be_measured_on_samples_of_the_first_models_seed() -> None:
    """Then it is another in the other order: the mean goes over all ordered pairs."""
    likeness = THREE.copy()
    likeness[0, 0, 0, 1] += 0.6
    likeness[1, 0, 0, 1] += 0.3
    before, after = contrast(THREE), contrast(likeness)
    assert before.benign is not None
    assert after.benign is not None
    assert before.poisoned is not None
    assert after.poisoned is not None
    assert after.benign.value == pytest.approx(before.benign.value + 0.1)
    assert after.poisoned.value == pytest.approx(before.poisoned.value + 0.05)
