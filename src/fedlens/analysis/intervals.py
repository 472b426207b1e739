"""How sure a result over seeds and targets is: the median over seeds, and rates, with 95 % intervals.

Runs of one seed share their clients' data, their initial model and their twin, so only seeds are independent of each
other. Each seed therefore counts once, however many targets it has: its values become one number, their mean or their
median, and n is the number of seeds.

- **Median over seeds**, between two order statistics: of n seeds the population's median lies between the r-th smallest
  and the r-th largest with a probability of at least 1 − 2 · P(Binomial(n, ½) < r), whatever the distribution
  (H. A. David and H. N. Nagaraja, *Order Statistics*, 3rd edition, 2003, section 7.1). r is the largest for which that
  is `COVERAGE` or more. This takes five seeds, and with five to eight the interval is their range.
- **Rates**, by the score interval with continuity correction, of as many trials as there are seeds (E. B. Wilson, 1927;
  R. G. Newcombe, *Two-sided confidence intervals for the single proportion*, 1998, method 4). Several targets of a seed
  may all succeed or fail together; they add to the rate, not to n.

A *mean* over seeds has no interval here: with as few seeds as one can afford, none covers it where values are skewed or
pile up near 0 and 1, as confidences do. ``tools/interval_coverage.py`` measures this and all of the above.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Statistic = Literal["mean", "median"]
"""How the values of one seed become one."""

LEVEL = 0.95
COVERAGE = 0.93
"""An interval of nominally 95 % is given where it covers at least so often; five seeds reach 0.9375, never 0.95."""


@dataclass(frozen=True)
class Interval:
    """A statistic over seeds, how sure it is, and what is known of it otherwise.

    Attributes:
        value: the median over seeds, or the rate.
        low: where the 95 % interval begins; ``None`` where no interval covers.
        high: where it ends; likewise.
        range: the smallest and the largest of the seeds' values, to be shown, and named so, where there is no interval.
        seeds: n, the number of seeds.
        needed: with how many seeds there is an interval; ``None`` where with no number of them.

    Example:
        >>> from fedlens.analysis import estimate
        >>> interval = estimate([0.9, 0.7, 0.8, 0.4, 0.6], seeds=[0, 1, 2, 3, 4])
        >>> f"{interval.value} [{interval.low}, {interval.high}]"
        '0.7 [0.4, 0.9]'
    """

    value: float
    low: float | None
    high: float | None
    range: tuple[float, float]
    seeds: int
    needed: int | None


def estimate(
    values: ArrayLike, seeds: ArrayLike, statistic: Statistic = "mean", coverage: float | None = COVERAGE
) -> Interval:
    """Estimate the median over seeds of each seed's mean or median, with its 95 % interval.

    The order of the values does not matter.

    Args:
        values: what was measured, shape ``[n]``, one for each seed and target; finite.
        seeds: the seed that each value belongs to, shape ``[n]``.
        statistic: how the values of a seed become one.
        coverage: how often the interval covers at least, if the seeds are independent of each other; ``None`` where
            they are not, so that no interval does.

    Raises:
        ValueError: there is no value, one is not finite, or there are not as many seeds.

    Example:
        >>> from fedlens.analysis import estimate
        >>> estimate([0.9, 0.7, 0.4, 0.5, 0.6, 0.3], [0, 0, 1, 2, 3, 4])
        Interval(value=0.5, low=0.3, high=0.8, range=(0.3, 0.8), seeds=5, needed=5)
        >>> estimate([0.9, 0.4, 0.5], [0, 1, 2])
        Interval(value=0.5, low=None, high=None, range=(0.4, 0.9), seeds=3, needed=5)
    """
    ordered = np.sort(_by_seed(values, seeds, np.mean if statistic == "mean" else np.median))
    outside = None if coverage is None else left_out(len(ordered), coverage)
    needed = None if coverage is None else seeds_needed(coverage)
    low, high = (None, None) if outside is None else (float(ordered[outside]), float(ordered[-1 - outside]))
    return Interval(float(np.median(ordered)), low, high, _range(ordered), len(ordered), needed)


def rate(successes: ArrayLike, seeds: ArrayLike) -> Interval:
    """Estimate a rate, the mean over seeds of each seed's share of successes, with its 95 % interval.

    Args:
        successes: whether each run succeeded, or in what share of cases, shape ``[n]``; 0 to 1.
        seeds: the seed that each belongs to, shape ``[n]``.

    Raises:
        ValueError: there is no value, one is not from 0 to 1, or there are not as many seeds.

    Example:
        >>> from fedlens.analysis import rate
        >>> interval = rate([True, True, True, False], [0, 0, 1, 2])
        >>> f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}], {interval.seeds} seeds"
        '0.67 [0.13, 0.98], 3 seeds'
    """
    shares = _by_seed(successes, seeds, np.mean)
    if shares.min() < 0 or shares.max() > 1:
        raise ValueError("successes: all must be from 0 to 1")
    share, trials = float(shares.mean()), len(shares)
    half = 1 / (2 * trials)  # of a success: the correction for continuity
    low, high = score_bound(max(share - half, 0), trials), 1 - score_bound(max(1 - share - half, 0), trials)
    return Interval(share, low, high, _range(shares), trials, needed=1)


@lru_cache
def left_out(seeds: int, coverage: float) -> int | None:
    """Count the smallest values, and the largest, that are outside the interval; ``None`` if there is none."""
    from scipy.stats import binom

    outside = int(binom.ppf((1 - coverage) / 2, seeds, 0.5)) - 1
    return None if outside < 0 else outside


@lru_cache
def seeds_needed(coverage: float) -> int:
    """Return the number of seeds from which the median over seeds has an interval."""
    return next(seeds for seeds in count(1) if left_out(seeds, coverage) is not None)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a rate, of `hits` among `count` independent trials.

    Example:
        >>> from fedlens.analysis import wilson
        >>> low, high = wilson(9, 10)
        >>> f"{low:.3f} {high:.3f}"
        '0.596 0.982'
    """
    return score_bound(hits / count, count), 1 - score_bound(1 - hits / count, count)


def score_bound(share: float, trials: int) -> float:
    """Return the lower end of Wilson's interval of a rate."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = share + z**2 / (2 * trials)
    reach = z * sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return max(0.0, (middle - reach) / (1 + z**2 / trials))


def _by_seed(values: ArrayLike, seeds: ArrayLike, statistic: Callable[[NDArray[Any]], Any]) -> NDArray[Any]:
    """Return a value for each seed, in the order of seeds."""
    numbers, labels = np.asarray(values, dtype=np.float64), np.asarray(seeds)
    if numbers.ndim != 1 or numbers.shape != labels.shape or not len(numbers):
        raise ValueError(f"expected values and their seeds, [n] each, not {numbers.shape} and {labels.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("values: all must be finite")
    return np.array([statistic(np.sort(numbers[labels == seed])) for seed in np.unique(labels)])


def _range(values: NDArray[Any]) -> tuple[float, float]:
    return float(values.min()), float(values.max())
