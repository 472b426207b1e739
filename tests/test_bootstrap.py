from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from fedlens.statistics import Interval, Statistic, _counts, _means, _medians, bootstrap

NUMBER = st.floats(-100, 100)
ROWS = st.lists(st.tuples(NUMBER, st.integers(0, 3)), min_size=1, max_size=12)


def test_two_seeds_of_a_target_each() -> None:
    # both the first: 1/4, one of each: 1/2, both the second: 1/4; so the percentiles are the values themselves
    assert bootstrap([0.2, 0.6], [0, 1]) == Interval(pytest.approx(0.4), 0.2, 0.6)
    means = _means(np.array([0.2, 0.6]), _counts((1, 1)))
    shares = [np.isclose(means, mean).mean() for mean in (0.2, 0.4, 0.6)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_two_seeds_of_two_targets_match_every_possible_draw() -> None:
    seeds = [[0.0, 1.0], [10.0, 14.0]]
    every = [
        sum(first + second) / 4
        for one, two in product(seeds, repeat=2)
        for first in product(one, repeat=2)
        for second in product(two, repeat=2)
    ]  # 4 pairs of seeds × 4 × 4 draws of targets, all equally likely
    assert len(every) == 64
    means = _means(np.array([0.0, 1.0, 10.0, 14.0]), _counts((2, 2)))
    for value in set(every):
        assert np.isclose(means, value).mean() == pytest.approx(every.count(value) / 64, abs=0.025), value
    assert set(np.unique(means)) == set(every)
    found = bootstrap([0, 1, 10, 14], [7, 7, 8, 8])
    assert found == Interval(6.25, *np.quantile(every, [0.025, 0.975]))


def test_of_seeds_with_unequal_numbers_of_targets_all_values_count_alike() -> None:
    # seed 0 twice: 3; once each: (3 + 3 + 3 + 0) / 4; seed 1 twice: 0
    means = _means(np.array([3.0, 3.0, 3.0, 0.0]), _counts((3, 1)))
    assert set(np.unique(means)) == {0.0, 2.25, 3.0}
    assert bootstrap([3, 3, 3, 0], [0, 0, 0, 1]) == Interval(2.25, 0.0, 3.0)


def test_one_seed_resamples_its_targets() -> None:
    values = [0.0, 0.0, 0.0, 1.0]
    chances = scipy.stats.binom(4, 0.25)  # how often the 1 is among four draws
    assert bootstrap(values, [5] * 4) == Interval(0.25, chances.ppf(0.025) / 4, chances.ppf(0.975) / 4)


def test_one_value_has_no_interval() -> None:
    assert bootstrap([0.7], [3]) == Interval(0.7, None, None)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_with_a_target_a_seed_it_is_the_ordinary_bootstrap(statistic: Statistic) -> None:
    values = np.random.default_rng(1).normal(size=25)
    found = bootstrap(values, np.arange(25), statistic)
    oracle = scipy.stats.bootstrap(
        (values,), getattr(np, statistic), n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.value == getattr(np, statistic)(values)
    assert (found.low, found.high) == (pytest.approx(oracle.low, abs=0.05), pytest.approx(oracle.high, abs=0.05))


@given(ROWS)
def test_medians_are_those_of_the_resamples_written_out(rows: list[tuple[float, int]]) -> None:
    values = np.array([value for value, _ in rows])
    counts = _counts((len(values),))[:50]
    written = [np.median(np.repeat(values, row.astype(int))) for row in counts]
    np.testing.assert_array_equal(_medians(values, counts), written)


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from(["mean", "median"]))
def test_the_order_of_rows_does_not_matter(rows, random, statistic: Statistic) -> None:
    shuffled = random.sample(rows, len(rows))
    assert bootstrap(*zip(*rows, strict=True), statistic) == bootstrap(*zip(*shuffled, strict=True), statistic)


@given(ROWS, st.sampled_from(["mean", "median"]))
def test_the_interval_lies_within_the_values_and_moves_with_them(rows, statistic: Statistic) -> None:
    values, seeds = (np.array(column) for column in zip(*rows, strict=True))
    found, moved = bootstrap(values, seeds, statistic), bootstrap(2 * values + 3, seeds, statistic)
    if len(values) == 1:
        assert found.low is found.high is None
        return
    assert values.min() - 1e-9 <= found.low <= found.high <= values.max() + 1e-9
    near = {"abs": 1e-9}
    assert (moved.low, moved.high) == (
        pytest.approx(2 * found.low + 3, **near),
        pytest.approx(2 * found.high + 3, **near),
    )


def test_it_covers_the_truth_where_ignoring_seeds_does_not() -> None:
    generator = np.random.default_rng(0)
    seeds = np.repeat(np.arange(20), 5)
    covered = {"seeds and targets": 0, "targets alone": 0}
    for _ in range(300):
        values = 1 + np.repeat(generator.normal(size=20), 5) + generator.normal(size=100)
        for name, labels in (("seeds and targets", seeds), ("targets alone", np.zeros(100))):
            found = bootstrap(values, labels)
            covered[name] += found.low < 1 < found.high
    assert 0.91 * 300 < covered["seeds and targets"] < 0.985 * 300
    assert covered["targets alone"] < 0.8 * 300


@pytest.mark.parametrize(
    ("values", "seeds"), [([], []), ([1.0, 2.0], [0]), ([[1.0]], [[0]]), ([float("nan"), 1.0], [0, 1])]
)
def test_values_that_are_none(values, seeds) -> None:
    with pytest.raises(ValueError, match="values"):
        bootstrap(values, seeds)
