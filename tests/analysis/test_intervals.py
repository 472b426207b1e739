import doctest
from math import isnan, sqrt

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import fedlens.analysis.intervals
from fedlens.analysis.intervals import COVERAGE, Interval, estimate, left_out, rate, seeds_needed

NUMBER = st.floats(-100, 100)
ROWS = st.lists(st.tuples(NUMBER, st.integers(0, 9)), min_size=1, max_size=30)


def test_six_seeds_are_between_the_smallest_and_the_largest() -> None:
    # the median is not in between only if all six are on one side of it: 1 - 2/64 = 0.969
    assert estimate([3, 1, 2, 6, 5, 4], range(6)) == Interval(3.5, 1, 6, (1, 6), 6, 5)


def test_nine_seeds_leave_out_one_on_either_side() -> None:
    # 1 - 2 (1 + 9)/512 = 0.961; without two on either side it would be 1 - 2 (1 + 9 + 36)/512 = 0.82
    assert estimate([9, 8, 7, 6, 5, 4, 3, 2, 1], range(9)) == Interval(5, 2, 8, (1, 9), 9, 5)


def test_four_seeds_have_a_range_and_no_interval() -> None:
    # 1 - 2/16 = 0.875
    assert estimate([0.1, 0.5, 0.2, 0.4], range(4)) == Interval(pytest.approx(0.3), None, None, (0.1, 0.5), 4, 5)
    assert estimate([0.7], [3]) == Interval(0.7, None, None, (0.7, 0.7), 1, 5)


def test_each_seed_counts_once() -> None:
    values, seeds = [0, 0, 9, 4, 4, 8, 8, 1], [0, 0, 0, 1, 1, 2, 2, 3]
    assert estimate(values, seeds) == Interval(3.5, None, None, (1, 8), 4, 5)  # means 3, 4, 8, 1
    assert estimate(values, seeds, "median") == Interval(2.5, None, None, (0, 8), 4, 5)  # medians 0, 4, 8, 1


@pytest.mark.parametrize("seeds", range(1, 60))
def test_order_statistics_are_those_of_the_quantile_test(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(size=seeds)
    oracle = scipy.stats.quantile_test(values, p=0.5).confidence_interval(COVERAGE)
    found = estimate(values, range(seeds))
    if seeds < 5:
        assert found.low is found.high is None
        assert isnan(oracle.low) or isnan(oracle.high)
    else:
        assert (found.low, found.high) == (oracle.low, oracle.high)


@pytest.mark.parametrize(("coverage", "seeds"), [(0.87, 4), (0.93, 5), (0.95, 6), (0.98, 7)])
def test_a_higher_coverage_takes_more_seeds(coverage: float, seeds: int) -> None:
    assert seeds_needed(coverage) == seeds
    assert left_out(seeds - 1, coverage) is None
    assert left_out(seeds, coverage) == 0
    assert estimate(range(seeds), range(seeds), coverage=coverage).high == seeds - 1


def test_a_rate_by_hand() -> None:
    # Wilson's bounds of 3 of 5, of half a success less and more: the shares 0.5 and 0.7
    z = 1.959964
    low = (0.5 + z**2 / 10 - z * sqrt(0.25 / 5 + z**2 / 100)) / (1 + z**2 / 5)
    high = (0.7 + z**2 / 10 + z * sqrt(0.21 / 5 + z**2 / 100)) / (1 + z**2 / 5)
    found = rate([1, 1, 0, 1, 0], range(5))
    assert found == Interval(0.6, pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6), (0, 1), 5, 1)


@pytest.mark.parametrize(("successes", "seeds"), [(k, n) for n in (1, 2, 3, 5, 6, 10, 40) for k in range(n + 1)])
def test_of_a_target_a_seed_it_is_scipys(successes: int, seeds: int) -> None:
    oracle = scipy.stats.binomtest(successes, seeds).proportion_ci(0.95, method="wilsoncc")
    found = rate([True] * successes + [False] * (seeds - successes), range(seeds))
    assert (found.low, found.high) == (pytest.approx(oracle.low, abs=1e-12), pytest.approx(oracle.high, abs=1e-12))


def test_more_targets_of_a_seed_add_no_certainty() -> None:
    assert rate([1] * 50, np.repeat(np.arange(5), 10)) == rate([1] * 5, range(5))
    assert rate([1] * 50, np.repeat(np.arange(5), 10)).low == pytest.approx(0.463, abs=0.001)


def test_a_seed_with_many_targets_weighs_as_much_as_one_with_few() -> None:
    assert rate([1, 1, 1, 1, 0], [0, 0, 0, 0, 1]).value == 0.5


def test_an_interval_of_five_seeds_is_never_shorter_than_half_the_scale() -> None:
    """Which is why means of what lies between 0 and 1 are not given this one."""
    lengths = [found.high - found.low for share in np.linspace(0, 1, 101) if (found := rate([share] * 5, range(5)))]
    assert min(lengths) > 0.5


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from(["mean", "median"]))
def test_the_order_of_rows_does_not_matter(rows, random, statistic) -> None:
    shuffled = random.sample(rows, len(rows))
    assert estimate(*zip(*rows, strict=True), statistic) == estimate(*zip(*shuffled, strict=True), statistic)
    shares, again = ([(abs(value) / 100, seed) for value, seed in some] for some in (rows, shuffled))
    assert rate(*zip(*shares, strict=True)) == rate(*zip(*again, strict=True))


@given(ROWS, st.sampled_from(["mean", "median"]))
def test_the_interval_has_the_value_and_moves_with_the_values(rows, statistic) -> None:
    values, seeds = (np.array(column) for column in zip(*rows, strict=True))
    found, moved = estimate(values, seeds, statistic), estimate(2 * values + 3, seeds, statistic)
    smallest, largest = found.range
    assert smallest <= found.value <= largest
    assert moved.range == pytest.approx((2 * smallest + 3, 2 * largest + 3), abs=1e-9)
    assert found.seeds == len(set(seeds))
    if found.low is not None:
        assert smallest <= found.low <= found.value <= found.high <= largest
        assert (moved.low, moved.high) == pytest.approx((2 * found.low + 3, 2 * found.high + 3), abs=1e-9)


@given(ROWS)
def test_a_rate_is_within_its_interval_and_mirrored_by_that_of_failures(rows) -> None:
    successes, seeds = zip(*((abs(value) / 100, seed) for value, seed in rows), strict=True)
    found, failures = rate(successes, seeds), rate([1 - share for share in successes], seeds)
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = (1 - failures.high, 1 - failures.value, 1 - failures.low)
    assert (found.low, found.value, found.high) == pytest.approx(mirrored, abs=1e-9)


@pytest.mark.parametrize("seeds", [5, 6, 10])
@pytest.mark.parametrize("of", [scipy.stats.norm(), scipy.stats.lognorm(1), scipy.stats.beta(0.5, 0.1)])
def test_the_median_is_covered_whatever_the_values_and_whether_targets_of_a_seed_agree(of, seeds: int) -> None:
    generator, studies, targets = np.random.default_rng(seeds), 1500, 3
    labels = np.repeat(np.arange(seeds), targets)
    for share in (0.0, 0.7, 1.0):
        both = generator.normal(size=(studies, seeds, 1)), generator.normal(size=(studies, seeds, targets))
        values = of.ppf(scipy.stats.norm.cdf(sqrt(share) * both[0] + sqrt(1 - share) * both[1]))
        # the median of three is below the median of all as often as not, so that this is the median over seeds, too
        found = [estimate(study.ravel(), labels, "median") for study in values]
        covered = np.mean([interval.low <= of.median() <= interval.high for interval in found])
        exact = 1 - 2 * scipy.stats.binom.cdf(left_out(seeds, COVERAGE), seeds, 0.5)
        assert exact >= COVERAGE
        assert covered == pytest.approx(exact, abs=4 * sqrt(exact * (1 - exact) / studies))


@pytest.mark.parametrize("seeds", [1, 3, 5, 6, 10])
@pytest.mark.parametrize("agree", [False, True])
def test_a_rate_is_covered_near_0_and_1_too_and_whether_targets_of_a_seed_agree(agree: bool, seeds: int) -> None:
    targets = 3
    rates = np.concatenate([np.linspace(0.001, 0.1, 100), np.linspace(0.1, 0.9, 81), np.linspace(0.9, 0.999, 100)])
    runs = seeds if agree else seeds * targets
    found = [rate(np.full(seeds, successes / runs), range(seeds)) for successes in range(runs + 1)]
    inside = [(interval.low <= rates) & (rates <= interval.high) for interval in found]
    chances = scipy.stats.binom.pmf(np.arange(runs + 1)[:, None], runs, rates)
    assert (chances * inside).sum(axis=0).min() >= COVERAGE


def test_dependent_values_have_a_range_whatever_their_number() -> None:
    found = estimate([3, 1, 2, 9, 8, 7, 6, 5], range(8), coverage=None)
    assert found == Interval(5.5, None, None, (1, 9), 8, None)


@pytest.mark.parametrize("function", [estimate, rate])
@pytest.mark.parametrize(
    ("values", "seeds"), [([], []), ([1.0, 2.0], [0]), ([[1.0]], [[0]]), ([float("nan"), 1.0], [0, 1])]
)
def test_values_that_are_none(function, values, seeds) -> None:
    with pytest.raises(ValueError, match="values"):
        function(values, seeds)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_what_is_no_share_has_no_rate(share: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        rate([share, 1.0], [0, 1])


def test_the_examples_say_what_comes_out() -> None:
    assert doctest.testmod(fedlens.analysis.intervals).failed == 0
    assert doctest.testmod(fedlens.analysis.intervals).attempted >= 4
