from itertools import product

import numpy as np
import pytest
from interval_pairs import PAIRS
from numpy.typing import NDArray

from fedlens.analysis.intervals import COVERAGE, Interval, estimate
from fedlens.explanations.permutation_test import (
    COVERAGE_OF_PAIRS,
    PermutationTest,
    _differences,
    _p,
    by_seed,
    permutation_test,
)


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


def test_medians_by_hand() -> None:
    # of each seed the mean with the other two's benign models; the benign ones 0.7, 0.75, 0.65
    found = permutation_test(THREE)
    assert by_seed(THREE[:, :, 0]) == pytest.approx(np.array([[0.7, 0.75, 0.65], [0.25, 0.25, 0.4]]))
    assert found.benign == Interval(
        pytest.approx(0.7), None, None, (pytest.approx(0.65), pytest.approx(0.75)), 3, needed=None
    )
    assert found.poisoned is not None
    assert found.poisoned.value == pytest.approx(0.25)
    assert found.difference == Interval(
        pytest.approx(0.45), None, None, (pytest.approx(0.25), pytest.approx(0.5)), 3, needed=7
    )
    assert found.same_seed == Interval(0.8, None, None, (0.7, 0.9), 3, needed=5)
    assert found.seeds == 3


def test_of_seven_seeds_the_difference_has_an_interval_but_the_similarities_do_not() -> None:
    likeness = simulated(np.random.default_rng(1), 7)
    found, (benign, poisoned) = permutation_test(likeness), by_seed(likeness[:, :, 0])
    assert (found.benign, found.poisoned) == tuple(
        estimate(some, range(7), coverage=None) for some in (benign, poisoned)
    )
    assert found.difference == estimate(benign - poisoned, range(7), coverage=COVERAGE_OF_PAIRS)
    assert found.difference is not None
    assert (found.difference.low, found.difference.high) == ((benign - poisoned).min(), (benign - poisoned).max())
    assert permutation_test(simulated(np.random.default_rng(1), 6)).difference.low is None  # type: ignore[union-attr]


@pytest.mark.parametrize("seeds", [7, 8, 12])
def test_the_interval_of_the_difference_covers(seeds: int) -> None:
    """Even where a few models are odd and poisoning takes as much from all, so that the seeds depend on each other."""
    draw, generator = PAIRS["some odd, same"], np.random.default_rng(0)
    true, differences = (by_seed(np.subtract(*draw(generator, studies, seeds))) for studies in (40_000, 10_000))
    found = [estimate(study, range(seeds), coverage=COVERAGE_OF_PAIRS) for study in differences]
    low, high = (np.array([getattr(interval, end) for interval in found]) for end in ("low", "high"))
    assert np.mean((low <= np.median(true)) & (np.median(true) <= high)) >= COVERAGE


def test_swaps_by_hand() -> None:
    two = symmetric([[9, 0.8], [0.8, 9]], [[9, 0.3], [0.1, 9]], [[9, 0.2], [0.2, 9]])
    swaps = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    # swapped: what counts as benign, less the mean of either poisoned with the other benign
    expected = [0.8 - 0.2, 0.3 - (0.8 + 0.2) / 2, 0.1 - (0.2 + 0.8) / 2, 0.2 - (0.1 + 0.3) / 2]
    assert _differences(two, swaps) == pytest.approx(expected)
    found = permutation_test(two)
    assert found == PermutationTest(
        Interval(0.8, None, None, (0.8, 0.8), 2, None),
        Interval(pytest.approx(0.2), None, None, (0.1, 0.3), 2, None),
        Interval(9, None, None, (9, 9), 2, 5),
        Interval(pytest.approx(0.6), None, None, (pytest.approx(0.5), pytest.approx(0.7)), 2, 7),
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
        benign, poisoned = by_seed(exchanged[:, :, 0])
        assert found == pytest.approx(np.mean(benign - poisoned))


def test_one_seed_has_but_its_own_pair() -> None:
    found = permutation_test([[[[1.0], [0.4]]], [[[0.4], [1.0]]]])
    assert found == PermutationTest(None, None, Interval(0.4, None, None, (0.4, 0.4), 1, 5), None, None, 1)
    assert found.verdict == "too few seeds to tell"


def test_models_all_equally_alike_show_nothing() -> None:
    found = permutation_test(np.full((2, 6, 2, 6), 0.1) * 3)
    assert found.p == 1
    assert found.verdict == "cannot tell"
    nothing = permutation_test(np.zeros((2, 7, 2, 7)))
    assert (nothing.p, nothing.difference) == (1, Interval(0, 0, 0, (0, 0), 7, 7))


@pytest.mark.parametrize(("seeds", "least"), [(5, 1 / 32), (8, 1 / 256), (20, 1 / 4096)])
def test_a_planted_difference_is_found(seeds: int, least: float) -> None:
    found = permutation_test(simulated(np.random.default_rng(1), seeds, shift=2.0, size=400))
    assert found.difference is not None
    assert found.difference.range[0] > 0
    assert found.p == least
    assert found.verdict == "can tell"


@pytest.mark.parametrize(("seeds", "verdict"), [(5, "cannot tell"), (6, "can tell")])
def test_poisoned_models_alike_among_themselves_need_six_seeds(seeds: int, verdict: str) -> None:
    found = permutation_test(blocks(seeds, bb=0.8, pb=0.1, pp=0.8))
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
    assert permutation_test(likeness).p == (1 + 6 + 1) / 64
    assert permutation_test(likeness).verdict == "cannot tell"
    assert permutation_test(blocks(9, bb=0.3, pb=0.2, pp=0.4)).verdict == "can tell"


def test_fewer_than_five_seeds_are_too_few() -> None:
    found = permutation_test(simulated(np.random.default_rng(1), 4, shift=2.0))
    assert found.p == 1 / 16
    assert found.verdict == "too few seeds to tell"


def test_poisoned_models_that_are_more_alike_do_not_stand_out() -> None:
    likeness = simulated(np.random.default_rng(1), 8, shift=2.0)[::-1, :, ::-1]
    found = permutation_test(likeness)
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
    exact = permutation_test(likeness).p
    monkeypatch.setattr("fedlens.explanations.permutation_test.EXACT_SEEDS", 9)
    assert permutation_test(likeness).p == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize("seeds", [6, 7])
def test_an_interval_or_a_range_that_reaches_zero_does_not_tell(seeds: int) -> None:
    """Most poisoned models stand out, and a small p alone says so; but one seed's does not, of so few."""
    likeness = simulated(np.random.default_rng(1), seeds, shift=2.0, size=400)
    likeness[1, 3, 0, :] = likeness[0, 3, 0, :] + 0.01  # more like the benign ones than its twin
    likeness[0, :, 1, 3] = likeness[1, 3, 0, :]
    found = permutation_test(likeness)
    assert found.p is not None
    assert found.p < 0.05
    assert found.difference is not None
    assert found.difference.range[0] == pytest.approx(-0.01)
    assert (found.difference.low is None) == (seeds == 6)
    assert found.verdict == "cannot tell"


def test_the_order_of_seeds_does_not_matter() -> None:
    likeness = simulated(np.random.default_rng(3), 7, shift=0.5)
    order = np.random.default_rng(4).permutation(7)
    before, after = permutation_test(likeness), permutation_test(likeness[:, order][:, :, :, order])
    assert after.p == before.p
    for name in ("benign", "poisoned", "same_seed", "difference"):
        ours, theirs = getattr(before, name), getattr(after, name)
        assert (ours.value, *ours.range) == pytest.approx((theirs.value, *theirs.range))


@pytest.mark.parametrize("shape", [(2, 3, 2, 4), (3, 3, 3, 3), (2, 3, 3), (2, 0, 2, 0), (2, 3, 2, 3, 1), ()])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="S"):
        permutation_test(np.zeros(shape))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(value: float) -> None:
    likeness = THREE.copy()
    likeness[0, 1, 0, 2] = likeness[0, 2, 0, 1] = value
    with pytest.raises(ValueError, match="finite"):
        permutation_test(likeness)


def test_likeness_may_be_measured_on_samples_of_the_first_models_seed() -> None:
    """Then it is another in the other order: a seed's mean is over its own samples."""
    likeness = THREE.copy()
    likeness[0, 0, 0, 1] += 0.6
    likeness[1, 0, 0, 1] += 0.3
    assert by_seed(likeness[:, :, 0]) == pytest.approx(np.array([[1.0, 0.75, 0.65], [0.4, 0.25, 0.4]]))
