"""How often verdicts are wrong in simulated audits that are stopped and resumed at will, and how often naive ones are.

Verdicts stay once they are reached, so whoever looks after every seed, and stops as soon as the verdict is wrong, is
wrong as often as anybody can be. The streams are fixed; the bounds are the ones that are promised, and no margin is
taken.
"""

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from fedlens.studies.audit.evidence import Evidence, evidence

AUDITS, FEWER, SEEDS = 1000, 500, 40
COIN = 0.3
Flags = NDArray[np.bool_]


def draw(stream: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng([20261130, stream]).random(shape)


def judged(attack: Flags, placebo: Flags, rate: float = 0.1) -> Evidence:
    return evidence(attack & ~placebo, placebo & ~attack, rate)


def share(flags: Flags) -> float:
    """In what share of audits any finalist was ever flagged."""
    return float(flags.any(axis=(1, 2)).mean())


def stops(stream: int, seeds: int) -> NDArray[np.int64]:
    """After how many seeds each audit is stopped: after a drawn number, or resumed until a second or a third."""
    generator = np.random.default_rng([20261130, stream])
    until = np.zeros(AUDITS, dtype=np.int64)
    for resumed in (1.0, 0.5, 0.5):
        until = np.where(generator.random(AUDITS) < resumed, generator.integers(until, seeds, endpoint=True), until)
    return until


@pytest.mark.parametrize("finalists", [1, 3])
def test_an_attack_that_does_what_its_absence_does_is_never_broken(finalists: int) -> None:
    attack = draw(1, 200, SEEDS, finalists) < 0.3
    assert share(judged(attack, attack).broken) == 0


@pytest.mark.parametrize("finalists", [1, 3])
@pytest.mark.parametrize("rate", [0.3, 0.6])
def test_an_attack_that_is_no_better_than_its_placebo_is_rarely_broken(finalists: int, rate: float) -> None:
    """Attack and placebo succeed independently of each other, equally often: many successes that mean nothing."""
    attack, placebo = draw(2, AUDITS, SEEDS, finalists) < rate, draw(3, AUDITS, SEEDS, finalists) < rate
    found = judged(attack, placebo)
    assert (found.low[:, -1] > 0.05).mean() > 0.5
    assert 0 < share(found.broken) <= 0.05


def test_placebos_that_finalists_share_make_it_no_worse() -> None:
    attack, placebo = draw(4, AUDITS, SEEDS, 3) < 0.4, draw(5, AUDITS, SEEDS, 1) < 0.4
    assert 0 < share(judged(attack, placebo).broken) <= 0.05


@pytest.mark.parametrize("finalists", [1, 3])
def test_a_rate_of_five_percent_is_rarely_broken(finalists: int) -> None:
    attack = draw(6, AUDITS, SEEDS, finalists) < 0.05
    found = judged(attack, attack & False)
    assert share(found.broken) <= 0.05
    assert 0 < share(found.low > 0.05) <= 0.05


@pytest.mark.parametrize("rate", [0.05, 0.10])
def test_a_rate_as_high_as_the_one_to_be_refuted_rarely_holds(rate: float) -> None:
    found = judged(attack := draw(7, AUDITS, 120, 1) < rate, attack & False, rate)
    assert 0.01 < share(found.refuted) <= 0.05
    at = stops(8, 120)
    assert found.refuted[np.arange(AUDITS), at, 0].mean() <= 0.05


def test_one_finalist_with_that_rate_among_others_that_never_succeed_rarely_holds() -> None:
    attack = draw(9, AUDITS, 60, 3) < [0.0, 0.10, 0.0]
    found = judged(attack, attack & False)
    assert found.refuted[:, -1, 0].all()
    assert 0.01 < float(found.refuted[:, -1].all(axis=-1).mean()) <= 0.05


def test_an_attack_that_succeeds_often_is_broken_soon_and_one_that_never_does_holds() -> None:
    attack = draw(10, 500, 24, 2) < [0.8, 0.1]
    found = judged(attack, draw(11, 500, 24, 1) < 0.05)
    assert found.broken[:, 12].any(axis=-1).mean() > 0.5
    assert found.broken[:, -1].any(axis=-1).mean() > 0.95
    never = np.zeros((1, 36, 3), dtype=bool)
    assert judged(never, never).refuted[0, -1].all()


@pytest.fixture(scope="module")
def search() -> NDArray[np.float64]:
    """How often each of 200 arms succeeded in twelve search cells, all of them coin flips."""
    return (draw(12, FEWER, 12, 200) < COIN).mean(axis=1)


@pytest.fixture(scope="module")
def found(search: NDArray[np.float64]) -> Evidence:
    """The evidence of the best three of the search, on cells that had no part in it."""
    chosen = np.argsort(search, axis=1)[:, None, -3:]
    attack = np.take_along_axis(draw(13, FEWER, SEEDS, 200) < COIN, chosen, axis=2)
    return judged(attack, attack & False)


def test_the_intervals_of_all_finalists_cover_whenever_one_stops(found: Evidence) -> None:
    covers = ((found.low <= COIN) & (found.high >= COIN)).all(axis=2)
    at = stops(14, SEEDS)[:FEWER]
    assert covers[np.arange(FEWER), at].mean() >= 0.95
    assert 0.95 <= covers.all(axis=1).mean() < 1


def test_the_upper_limit_of_the_largest_rate_covers(found: Evidence) -> None:
    assert 0.95 <= float((found.upper.max(axis=2) >= COIN).all(axis=1).mean()) <= 1


def test_intervals_for_a_fixed_number_do_not_cover_whenever_one_stops(found: Evidence) -> None:
    successes, seeds = found.successes[:, 1:, 0], np.arange(1, SEEDS + 1)
    low = scipy.stats.beta.ppf(0.025, successes, seeds - successes + 1)
    high = scipy.stats.beta.ppf(0.975, successes + 1, seeds - successes)
    inside = ~(low > COIN) & ~(high < COIN)
    assert inside.all(axis=1).mean() < 0.9


def test_the_best_of_the_search_is_far_too_good(search: NDArray[np.float64]) -> None:
    best = (12 * search.max(axis=1)).round()
    low = scipy.stats.beta.ppf(0.025, best, 12 - best + 1)
    assert (low <= COIN).mean() < 0.5
    assert search.max(axis=1).mean() > 2 * COIN
