"""Intervals that could be given, of many studies at once.

Values are ``[studies, seeds, targets]``, numbers of a seed each ``[studies, seeds]``, and pairs of seeds
``[studies, seeds, seeds]``.

Percentiles, expanded percentiles and bootstrap-t: T. C. Hesterberg, *What Teachers Should Know About the Bootstrap*,
The American Statistician 69(4), 2015. BCa is SciPy's. The jackknife of pairs: J. N. Arvesen, *Jackknifing
U-statistics*, 1969.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from fedlens.analysis.intervals import COVERAGE, left_out, score_bound

Array = NDArray[Any]
Ends = tuple[Array, Array]
TAILS = np.array([0.025, 0.975])
RESAMPLES = 999
FAR = 1e9
"""In place of what is infinitely many standard errors away."""


def resampled(values: Array, generator: np.random.Generator) -> Array:
    """Return means of nested resamples, ``[studies, RESAMPLES]``: seeds, and of each as many targets as it has."""
    seeds, targets = values.shape[1:]
    drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES)
    counts = generator.multinomial(drawn * targets, np.full(targets, 1 / targets)).reshape(RESAMPLES, -1)
    means: Array = values.reshape(len(values), -1) @ counts.T / (seeds * targets)
    return means


def percentile(values: Array, generator: np.random.Generator) -> Ends:
    """Give the percentiles of the hierarchical bootstrap of the mean."""
    low, high = np.quantile(resampled(values, generator), TAILS, axis=1)
    return low, high


def expanded(values: Array, generator: np.random.Generator) -> Ends:
    """Give the same, further out by as much as Student's t with as many seeds is wider than the normal."""
    seeds = values.shape[1]
    tails = scipy.stats.norm.cdf(scipy.stats.t.ppf(TAILS, seeds - 1) * np.sqrt(seeds / (seeds - 1)))
    low, high = np.quantile(resampled(values, generator), tails, axis=1)
    return low, high


def studentised(values: Array, generator: np.random.Generator) -> Ends:
    """Give the bootstrap-t of the seeds' means."""
    means = values.mean(axis=2)
    seeds = means.shape[1]
    counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES) / seeds
    again, mean, error = means @ counts.T, means.mean(axis=1, keepdims=True), _error(means)
    spread = np.sqrt(np.maximum(means**2 @ counts.T - again**2, 0) / (seeds - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.nan_to_num((again - mean) / spread, nan=0.0, posinf=FAR, neginf=-FAR)
    upper, lower = np.quantile(ratios, TAILS, axis=1, method="nearest")
    return mean[:, 0] - lower * error, mean[:, 0] - upper * error


def accelerated(values: Array, generator: np.random.Generator) -> Ends:
    """Give the bias-corrected and accelerated bootstrap of the seeds' means."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = scipy.stats.bootstrap(
            (values.mean(axis=2),), np.mean, axis=1, n_resamples=RESAMPLES, method="BCa", rng=generator
        ).confidence_interval
    return found.low, found.high


def student(values: Array, _: np.random.Generator) -> Ends:
    """Give Student's t over the seeds' means."""
    return student_of(values.mean(axis=2))


def scored(values: Array, _: np.random.Generator) -> Ends | None:
    """Give Wilson's interval with the mean as the rate and the seeds as trials; only of values from 0 to 1."""
    if values.min() < 0 or values.max() > 1:
        return None
    means = values.mean(axis=(1, 2))
    half = 1 / (2 * values.shape[1])
    low, less = (
        np.array([score_bound(max(share - half, 0), values.shape[1]) for share in shares])
        for shares in (means, 1 - means)
    )
    return low, 1 - less


def student_of(numbers: Array) -> Ends:
    """Give Student's t of a number for each seed, ``[studies, seeds]``."""
    reach = scipy.stats.t.ppf(TAILS[1], numbers.shape[1] - 1) * _error(numbers)
    return numbers.mean(axis=1) - reach, numbers.mean(axis=1) + reach


def bootstrapped_median(numbers: Array, generator: np.random.Generator) -> Ends:
    """Give the percentiles of the bootstrap of the median over seeds, of a number for each seed."""
    chosen = generator.integers(numbers.shape[1], size=(RESAMPLES, numbers.shape[1]))
    low, high = np.quantile(np.median(numbers[:, chosen], axis=2), TAILS, axis=1)
    return low, high


def ordered(numbers: Array, coverage: float = COVERAGE) -> Ends | None:
    """Give order statistics of a number for each seed, as `fedlens.analysis.intervals.estimate` does."""
    outside = left_out(numbers.shape[1], coverage)
    if outside is None:
        return None
    sorted_ = np.sort(numbers, axis=1)
    return sorted_[:, outside], sorted_[:, -1 - outside]


def jackknifed(pairs: Array, _: np.random.Generator) -> Ends:
    """Give Student's t over pseudo-values of the mean over pairs of different seeds, ``[studies, seeds, seeds]``."""
    seeds = pairs.shape[1]
    apart = pairs * (1 - np.eye(seeds))
    total = apart.sum(axis=(1, 2))[:, None]
    without = (total - apart.sum(axis=1) - apart.sum(axis=2)) / ((seeds - 1) * (seeds - 2))
    return student_of(total / (seeds - 1) - (seeds - 1) * without)


def drawn_seeds(pairs: Array, generator: np.random.Generator) -> Ends:
    """Give the percentiles of means over the pairs of resampled seeds, without a seed's pairs with itself."""
    seeds = pairs.shape[1]
    counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES).astype(float)
    counts = counts[counts.max(axis=1) < seeds]
    apart = 1 - np.eye(seeds)
    means = (((pairs * apart) @ counts.T) * counts.T).sum(axis=1) / ((counts @ apart) * counts).sum(axis=1)
    low, high = np.quantile(means, TAILS, axis=1)
    return low, high


def _error(numbers: Array) -> Array:
    error: Array = numbers.std(axis=1, ddof=1) / np.sqrt(numbers.shape[1])
    return error


MEANS: dict[str, Callable[[Array, np.random.Generator], Ends | None]] = {
    "percentiles": percentile,
    "expanded percentiles": expanded,
    "BCa": accelerated,
    "bootstrap-t": studentised,
    "Student's t": student,
    "Wilson, for rates": scored,
}
