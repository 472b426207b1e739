"""E-processes: numbers by hand, and exact probabilities that a true hypothesis is ever refuted."""

from collections.abc import Callable
from itertools import combinations
from math import log, pi

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from fedlens.studies.audit.e_processes import (
    MOST,
    Array,
    against_at_least,
    against_at_most,
    against_no_better,
    cells_to_refute,
    e_holm,
    limits,
)


def mixed(s: int, n: int, p: float) -> float:
    """Half on never, half on Beta(½, ½), which the substitution q = sin² t makes uniform in t."""
    integral, _ = scipy.integrate.quad(lambda t: np.sin(t) ** (2 * s) * np.cos(t) ** (2 * (n - s)), 0, pi / 2)
    return float(((s == 0) + integral * 2 / pi) / 2 / (p**s * (1 - p) ** (n - s)))


@pytest.mark.parametrize(("s", "n"), [(0, 5), (1, 5), (3, 5), (5, 5), (2, 40)])
def test_a_rate_is_bet_on_by_half_on_never_and_half_on_a_mixture(s: int, n: int) -> None:
    above, below = (s / n + 1) / 2, s / n / 2
    if s < n:
        assert against_at_least(s, n, above) == pytest.approx(mixed(s, n, above))
    if s:
        assert against_at_most(s, n, below) == pytest.approx(mixed(s, n, below))


def test_a_rate_that_was_seen_is_not_held_against_hypotheses_that_allow_it() -> None:
    assert against_at_most(1, 4, 0.5) == against_at_least(1, 4, 0.1) == pytest.approx(mixed(1, 4, 0.25))
    assert float(against_at_most(0, 9, 0.5)) < 1
    assert float(against_at_least(9, 9, 0.5)) < 1
    assert against_at_least(0, 0, 0.1) == against_at_most(0, 0, 0.1) == 1


def test_how_many_cells_without_a_success_refute_a_rate() -> None:
    assert (against_at_least(0, [36, 72], [0.10, 0.05]) >= 20).all()
    assert (against_at_least(0, [34, 70], [0.10, 0.05]) < 20).all()
    # half of the stake alone: ½ · 0.9⁻³⁶ = 22.2, ½ · 0.95⁻⁷² = 20.1
    assert (against_at_least(0, [36, 72], [0.10, 0.05]) > [22.2, 20.08]).all()


def test_how_many_successes_refute_a_rate_of_five_percent() -> None:
    # ½ · (½, 3/8, 5/16) / 0.05^s: the moments of Beta(½, ½)
    assert against_at_most([1, 2, 3], [1, 2, 3], 0.05) == pytest.approx([5, 75, 1250])
    one, three = 20, 3 * 20
    assert float(against_at_most(1, 1, 0.05)) < one <= float(against_at_most(2, 2, 0.05))
    assert float(against_at_most(3, 3, 0.05)) >= three
    low, _ = limits([1, 2, 3], [1, 2, 3], 0.05)
    assert (low > 0.05).tolist() == [False, True, True]
    assert limits(3, 3, 0.05 / 3)[0] > 0.05


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (7, 0), (5, 2), (0, 6), (30, 10)])
def test_pairs_are_bet_on_by_a_uniform_mixture_above_one_half(won: int, lost: int) -> None:
    integral, _ = scipy.integrate.quad(lambda q: 2 * (2 * q) ** won * (2 - 2 * q) ** lost, 0.5, 1)
    assert against_no_better(won, lost) == pytest.approx(integral)


def test_how_many_pairs_refute_that_the_attack_is_no_better() -> None:
    assert (against_no_better([6, 7, 8, 9], 0) >= 20).tolist() == [False, True, True, True]
    assert (against_no_better([6, 7, 8, 9], 0) >= 60).tolist() == [False, False, False, True]


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.5])
@pytest.mark.parametrize("cells", [1, 8, 60])
def test_a_true_hypothesis_is_expected_to_earn_nothing(rate: float, cells: int) -> None:
    s = np.arange(cells + 1)
    for true in (rate / 2, rate, min(2 * rate, 0.99)):
        weights = scipy.stats.binom.pmf(s, cells, true)
        for e_values, valid in (
            (against_at_most(s, cells, rate), true <= rate),
            (against_at_least(s, cells, rate), true >= rate),
            (against_no_better(s, cells - s), true <= 0.5),
        ):
            assert not valid or weights @ e_values <= 1 + 1e-9


def ever(refuted: Callable[[Array, int], Array], rate: float, cells: int) -> float:
    """The exact probability that a hypothesis is refuted after any of these cells, if they succeed at this rate."""
    undecided, decided = np.array([1.0]), 0.0
    for n in range(1, cells + 1):
        undecided = np.append(undecided, 0) * (1 - rate) + np.insert(undecided, 0, 0) * rate
        now = refuted(np.arange(n + 1.0), n)
        decided += float(undecided[now].sum())
        undecided[now] = 0
    return decided


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_looking_after_every_cell_refutes_a_true_hypothesis_in_five_percent_at_most(rate: float) -> None:
    least = ever(lambda s, n: against_at_least(s, n, rate) >= 20, rate, 120)
    most = ever(lambda s, n: against_at_most(s, n, rate) >= 20, rate, 120)
    assert least > 0.002
    assert most > 0.002
    assert least + most < 0.05


def test_looking_after_every_pair_refutes_a_true_hypothesis_in_five_percent_at_most() -> None:
    assert 0.01 < ever(lambda s, n: against_no_better(s, n - s) >= 20, 0.5, 120) < 0.05


def test_looking_after_every_cell_at_an_exact_test_of_a_fixed_number_refutes_far_more_often() -> None:
    assert ever(lambda s, n: scipy.stats.binom.sf(s - 1, n, 0.05) <= 0.05, 0.05, 200) > 0.12


def test_limits_are_the_rates_that_are_not_refuted() -> None:
    s, n = np.array([[0, 1, 3], [7, 20, 40]]), np.array([[12, 4, 40], [7, 41, 42]])
    low, high = limits(s, n, 0.05)
    some, not_all = s > 0, s < n
    assert against_at_least(s[not_all], n[not_all], high[not_all]) == pytest.approx(20)
    assert against_at_most(s[some], n[some], low[some]) == pytest.approx(20)
    assert low[0, 0] == 0
    assert high[1, 0] == 1
    assert (low < s / n)[s > 0].all()
    assert (high > s / n)[s < n].all()


def test_limits_without_a_cell_are_everything_and_those_of_many_cells_are_narrow() -> None:
    assert [float(end) for end in limits(0, 0, 0.05)] == [0, 1]
    low, high = limits(30_000, 100_000, 0.05)
    assert 0.29 < float(low) < 0.3 < float(high) < 0.31


def least_mean(values: list[float], at: int) -> float:
    others = [index for index in range(len(values)) if index != at]
    sets = [(at, *some) for size in range(len(values)) for some in combinations(others, size)]
    return min(float(np.mean([values[index] for index in some])) for some in sets)


@pytest.mark.parametrize(
    "values", [[7.0], [3.0, 90.0], [60.0, 3.0, 0.0], [5.0, 5.0, 5.0, 1.0], [0.5, 200.0, 21.0, 90.0]]
)
def test_e_holm_is_the_least_mean_of_all_sets(values: list[float]) -> None:
    assert e_holm(values) == pytest.approx([least_mean(values, at) for at in range(len(values))])


def test_e_holm_is_by_row() -> None:
    values = np.array([[60.0, 3.0, 0.0], [0.0, 60.0, 3.0]])
    assert e_holm(values) == pytest.approx(np.array([[21, 1.5, 0], [0, 21, 1.5]]))


@pytest.mark.parametrize(("s", "n", "rate"), [(0, 0, 0.1), (0, 30, 0.1), (1, 36, 0.1), (2, 5, 0.05), (36, 36, 0.1)])
def test_further_cells_are_the_first_that_refute(s: int, n: int, rate: float) -> None:
    further = cells_to_refute(s, n, rate, 20)
    assert (against_at_least(s, n + np.arange(further), rate) < 20).all()
    assert against_at_least(s, n + further, rate) >= 20


def test_what_is_refuted_takes_no_further_cells() -> None:
    assert cells_to_refute(0, 36, 0.1, 20) == 0


def test_no_e_value_is_infinite() -> None:
    assert against_at_most(10_000, 10_000, 0.05) == pytest.approx(MOST)
    assert float(against_no_better(10**6, 0)) == pytest.approx(MOST)
    assert float(np.log(against_at_least(0, 1000, 0.1))) == pytest.approx(1000 * -log(0.9) - log(2), rel=1e-3)


@pytest.mark.parametrize(("s", "n", "rate"), [(3, 2, 0.1), (-1, 2, 0.1), (0.5, 2, 0.1), (1, 2, 0), (1, 2, 1)])
def test_impossible_counts_and_rates_are_refused(s: float, n: int, rate: float) -> None:
    for function in (against_at_most, against_at_least, limits):
        with pytest.raises(ValueError, match=r"needed|cannot"):
            function(s, n, rate)


def test_impossible_pairs_and_e_values_are_refused() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        against_no_better(-1, 0)
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="0 or more"):
            e_holm([1.0, wrong])
