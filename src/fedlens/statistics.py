"""How sure a mean over seeds and targets is: the hierarchical bootstrap.

Runs of one seed share their clients' data, their initial model and their twin, so that several targets of one seed say
less than as many seeds would. The bootstrap draws as the runs came about: seeds with replacement, and for every seed
drawn, as many targets of it as it has, with replacement (A. C. Davison and D. V. Hinkley, *Bootstrap Methods and Their
Application*, Cambridge University Press 1997, section 3.8; V. Saravanan, G. J. Berman and S. J. Sober, *Application of
the hierarchical bootstrap to multi-level data in neuroscience*, 2020). The interval goes from the 2.5th to the 97.5th
percentile of the resampled statistic. A resample is kept as the number of times that it has each value: for a seed of
n targets that was drawn k times, these numbers are multinomial, of k·n draws.

With two or three seeds such an interval is too narrow, for percentiles know no more than what was seen; with one seed
it is about that seed's targets only.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlens.random import Address

Statistic = Literal["mean", "median"]

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A statistic and how sure it is.

    Attributes:
        value: the statistic of the values: their mean, or their median where that was asked for.
        low: where its 95 % interval begins; ``None`` where there is but one value.
        high: where it ends.
    """

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: float, resampled: NDArray[Any]) -> "Interval":
        """The statistic with the percentiles of its resampled values, of any shape."""
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(resampled, [tail, 1 - tail])
        return cls(value, float(low), float(high))


def bootstrap(values: ArrayLike, seeds: ArrayLike, statistic: Statistic = "mean") -> Interval:
    """A statistic of all values with its 95 % interval by the hierarchical bootstrap.

    The same values give the same interval, in whatever order they are.

    Args:
        values: what was measured, shape ``[n]``, one for each seed and target; finite.
        seeds: the seed that each value belongs to, shape ``[n]``.
        statistic: of what the interval is.

    Raises:
        ValueError: there is no value, one is not finite, or there are not as many seeds.
    """
    numbers, labels = np.asarray(values, dtype=np.float64), np.asarray(seeds)
    if numbers.ndim != 1 or numbers.shape != labels.shape or not len(numbers):
        raise ValueError(f"expected values and their seeds, [n] each, not {numbers.shape} and {labels.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("values: all must be finite")
    numbers = numbers[np.lexsort((numbers, labels))]
    value = float(np.mean(numbers) if statistic == "mean" else np.median(numbers))
    if len(numbers) == 1:
        return Interval(value, None, None)
    counts = _counts(tuple(np.unique(labels, return_counts=True)[1].tolist()))
    resampled = _means(numbers, counts) if statistic == "mean" else _medians(numbers, counts)
    return Interval.of(value, resampled)


@lru_cache(maxsize=16)
def _counts(sizes: tuple[int, ...]) -> NDArray[Any]:
    """How often each resample has each value, for seeds of so many values each; shape ``[RESAMPLES, n]``."""
    generator = Address.root(0).at("statistics", "bootstrap").generator()
    drawn = generator.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=RESAMPLES)
    of_seeds = [
        generator.multinomial(times * size, np.full(size, 1 / size)) for times, size in zip(drawn.T, sizes, strict=True)
    ]
    counts = np.concatenate(of_seeds, axis=1).astype(np.float64)
    counts.setflags(write=False)
    return counts


def _means(values: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """The mean of each resample."""
    means: NDArray[Any] = counts @ values / counts.sum(axis=1)
    return means


def _medians(values: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """The median of each resample: the middle value, or halfway between the two in the middle."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(counts[:, order], axis=1)
    total = upto[:, -1:]
    lower, upper = ((upto > place).argmax(axis=1) for place in ((total - 1) // 2, total // 2))
    medians: NDArray[Any] = (values[order][lower] + values[order][upper]) / 2
    return medians
