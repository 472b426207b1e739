"""What is known of the finalists after every seed: limits, e-processes, and which of them have decided something.

Of one audit, or of many simulated ones at once. A seed counts once all finalists have been tried on it; between two of
them the evidence is not looked at, because what one of them did with a seed says something of what the next will do.
Whatever was decided stays decided, because e-processes go by the most that they have ever reached, and limits by the
narrowest that they have ever been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedlens.studies.audit.e_processes import (
    Array,
    against_at_least,
    against_at_most,
    against_no_better,
    e_holm,
    limits,
)

LEVEL = 0.05
"""How often a verdict of one kind is wrong, at most, however often one looks."""
NEEDED = 1 / LEVEL
"""The e-value that refutes."""
FLOOR = 0.05
"""An attack that succeeds more often than this breaks what is audited."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """What is known after no seed, after the first, and so on: arrays of the shape ``[..., n + 1, k]`` for k finalists.

    Attributes:
        successes: how many seeds counted as successes.
        lost: in how many seeds the placebo alone succeeded.
        low: lower limit of the rate of successes; all limits of all finalists are right together, in 95 % of audits.
        high: upper limit.
        upper: upper limit of this finalist alone. The largest of the finalists' is one of the largest rate, since each
            may be wrong only if its own finalist's rate is above it.
        floor: e-value against "the rate is at most `FLOOR`".
        placebo: e-value against "no likelier than the placebo to succeed alone".
        adjusted: the lesser of these two, adjusted for the number of finalists: the most that it has been.
        rate: e-value against "the rate is at least what was asked for": the most that it has been.
        broken: whether this finalist breaks what is audited.
        refuted: whether this finalist's rate is below what was asked for.

    Example:
        >>> import numpy as np
        >>> from fedlens.studies.audit.evidence import evidence
        >>> found = evidence(np.zeros((36, 2), dtype=bool), np.zeros((36, 2), dtype=bool), rate=0.1)
        >>> found.refuted[[0, 34, 35, 36]].tolist()
        [[False, False], [False, False], [True, True], [True, True]]
    """

    successes: Array
    lost: Array
    low: Array
    high: Array
    upper: Array
    floor: Array
    placebo: Array
    adjusted: Array
    rate: Array
    broken: Flags
    refuted: Flags


def evidence(won: Flags, lost: Flags, rate: float, failed: Flags | None = None) -> Evidence:
    """Compute the evidence after every seed.

    What failed counts as whatever is worse: as a success in upper limits, and against `rate`; as none in lower limits,
    and against `FLOOR`; and as a success of the placebo alone. So all that is said is true whatever would have come
    of it.

    Args:
        won: whether a finalist succeeded with a seed and the placebo did not, shape ``[..., n, k]``.
        lost: whether the placebo succeeded with it and the finalist did not; likewise.
        rate: the rate that is to be refuted, between 0 and 1.
        failed: whether nobody knows, because the run failed; likewise. Neither `won` nor `lost` is true there.

    Example:
        >>> import numpy as np
        >>> from fedlens.studies.audit.evidence import evidence
        >>> found = evidence(np.ones((8, 1), dtype=bool), np.zeros((8, 1), dtype=bool), rate=0.1)
        >>> found.broken[:, 0].tolist()
        [False, False, False, False, False, False, False, True, True]
    """
    finalists = won.shape[-1]
    successes, placebos = _counted(won), _counted(lost)
    unknown = np.zeros_like(successes) if failed is None else _counted(failed)
    most = successes + unknown if unknown.any() else successes
    seeds = np.broadcast_to(np.arange(won.shape[-2] + 1, dtype=np.float64)[:, None], successes.shape)
    low, high = _running_limits(successes, most, seeds, LEVEL / finalists)
    upper = high if finalists == 1 else _running_limits(successes, most, seeds, LEVEL)[1]
    [floor] = _by_counts(lambda s, n: [against_at_most(s, n, FLOOR)], successes, seeds)
    [placebo] = _by_counts(lambda b, c: [against_no_better(b, c)], successes, placebos + unknown)
    [below] = _by_counts(lambda s, n: [against_at_least(s, n, rate)], most, seeds)
    adjusted = np.maximum.accumulate(e_holm(np.minimum(floor, placebo)), axis=-2)
    below = np.maximum.accumulate(below, axis=-2)
    return Evidence(
        successes=successes,
        lost=placebos,
        low=low,
        high=high,
        upper=upper,
        floor=floor,
        placebo=placebo,
        adjusted=adjusted,
        rate=below,
        broken=(adjusted >= NEEDED) & (low > FLOOR),
        refuted=below >= NEEDED,
    )


def _counted(flags: Flags) -> Array:
    """Count along the seeds, beginning with no seed."""
    counts = np.zeros((*flags.shape[:-2], flags.shape[-2] + 1, flags.shape[-1]))
    np.cumsum(flags, axis=-2, out=counts[..., 1:, :])
    return counts


def _running_limits(least: Array, most: Array, seeds: Array, level: float) -> tuple[Array, Array]:
    """Return the narrowest limits so far; those before, from where they would contradict each other.

    In the audits in which every interval has the true rate, which are 1 − `level` of them at least, none contradict.
    """
    low, high = _by_counts(lambda s, n: limits(s, n, level), least, seeds)
    if most is not least:
        [high] = _by_counts(lambda s, n: limits(s, n, level)[1:], most, seeds)
    low, high = np.maximum.accumulate(low, axis=-2), np.minimum.accumulate(high, axis=-2)
    steps = np.broadcast_to(np.arange(low.shape[-2])[:, None], low.shape)
    last = np.maximum.accumulate(np.where(low <= high, steps, 0), axis=-2)
    return np.take_along_axis(low, last, axis=-2), np.take_along_axis(high, last, axis=-2)


def _by_counts(function: Callable[[Array, Array], Sequence[Array]], first: Array, second: Array) -> list[Array]:
    """Call a function of two counts once for every two that there are, which are few."""
    most = second.max() + 1
    values, which = np.unique(first * most + second, return_inverse=True)
    return [result[which.reshape(first.shape)] for result in function(values // most, values % most)]
