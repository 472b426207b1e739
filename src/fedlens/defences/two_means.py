"""Do numbers fall into two groups? The gap statistic, and the best division of numbers in two.

R. Tibshirani, G. Walther, T. Hastie, *Estimating the Number of Clusters in a Data Set via the Gap Statistic* (Journal
of the Royal Statistical Society B 63, 2001). With W_k the sum of squares within k clusters, and W_k* those of B sets of
as many numbers drawn evenly from their range,

    Gap(k) = mean log W_k* − log W_k,    s_k = √(1 + 1/B) · the deviation of log W_k*,

the numbers are one group if Gap(1) ≥ Gap(2) − s_2. Two means of numbers are exact: the best of all n − 1 places to cut
the sorted ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

TINY = 1e-300
"""In place of a sum of squares of 0."""


def two_means(numbers: Numbers) -> tuple[NDArray[np.bool_], Numbers]:
    """Divide each row of `numbers` (shape ``[b, n]``, n ≥ 2) in two so that squares within the two are least.

    Returns:
        Which are in the upper one, shape ``[b, n]``, and the sums of squares within both, ``[b]``.
    """
    ordered, count = np.sort(numbers, axis=1), numbers.shape[1]
    below, squares = ordered.cumsum(axis=1), (ordered**2).cumsum(axis=1)
    sizes = np.arange(1, count)
    lower = squares[:, :-1] - below[:, :-1] ** 2 / sizes
    upper = squares[:, -1:] - squares[:, :-1] - (below[:, -1:] - below[:, :-1]) ** 2 / (count - sizes)
    within = np.maximum(lower + upper, 0)
    cut = within.argmin(axis=1)
    rows = np.arange(len(numbers))
    return numbers > ordered[rows, cut][:, None], within[rows, cut]


def upper_group(numbers: Numbers, references: int, generator: np.random.Generator) -> NDArray[np.bool_] | None:
    """Tell which of some numbers (shape ``[n]``) are in the upper of two groups; ``None`` if they are one group.

    Args:
        numbers: at least three, or they are one group.
        references: how many sets are drawn to compare with (B).
        generator: draws them.
    """
    spread = numbers.max(initial=-np.inf) - numbers.min(initial=np.inf)
    if len(numbers) < 3 or not spread > 0:
        return None
    scaled = (numbers - numbers.min())[None] / spread
    drawn = generator.random((references, len(numbers)))
    upper, within = two_means(scaled)
    one, _ = gap(_squares(scaled)[0], _squares(drawn))
    two, deviation = gap(within[0], two_means(drawn)[1])
    return None if one >= two - deviation else upper[0]


def gap(within: float, drawn: Numbers) -> tuple[float, float]:
    """Return Gap(k) and s_k.

    Args:
        within: the sum of squares within clusters, W_k.
        drawn: those of the sets drawn, W_k*, shape ``[b]``.
    """
    logs = np.log(np.maximum(drawn, TINY))
    return float(logs.mean() - np.log(max(within, TINY))), float(logs.std() * np.sqrt(1 + 1 / len(logs)))


def _squares(numbers: Numbers) -> Numbers:
    """Return the sum of squares of each row about its mean."""
    squares: Numbers = ((numbers - numbers.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return squares
