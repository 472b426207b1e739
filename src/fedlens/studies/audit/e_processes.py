"""Evidence that may be looked at after every cell: e-processes of rates, and the limits that follow from them.

An *e-process* against a hypothesis starts at 1 and, if the hypothesis is true, is expected to be at most 1 whenever one
stops. It is what a bet against the hypothesis has earned. If the hypothesis is true, it ever reaches 1/a with a
probability of at most a (J. Ville, *Étude critique de la notion de collectif*, 1939). So one may look after every cell,
stop, and go on later with a larger budget: a hypothesis whose e-process has ever reached 20 is refuted at 5 %.

**A rate.** Of n cells, s succeeded, each with probability p. The bet puts half of its stake on "never" and half on a
rate drawn from Beta(½, ½); M is what it has earned if p is the rate:

    m(s, n) = ½ · [s = 0] + ½ · B(s + ½, n − s + ½) / B(½, ½)
    M_p(s, n) = m(s, n) / (p^s · (1 − p)^(n − s))

M_p is a martingale if p is the rate (mixtures: H. Robbins, *Statistical methods related to the law of the iterated
logarithm*, Annals of Mathematical Statistics 41, 1970; this one: R. Krichevsky and V. Trofimov, *The performance of
universal encoding*, IEEE Transactions on Information Theory 27, 1981). Against "p is at most p₀", and against "p is at
least p₀", the e-process is the least M_p of all such p: M at p₀, or at s/n where that is one of them (A. Ramdas,
J. Ruf, M. Larsson and W. Koolen, *Admissible anytime-valid sequential inference must rely on nonnegative martingales*,
arXiv:2009.03167).

**Limits.** The rates p with M_p < 1/a are an interval. The true rate is ever outside with a probability of at most a (a
confidence sequence: S. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, *Time-uniform, nonparametric, nonasymptotic
confidence sequences*, Annals of Statistics 49, 2021). A limit has passed p₀ exactly when the hypothesis that p is on
the other side of p₀ is refuted.

**Pairs.** Of the seeds in which attack and placebo differ, the attack alone succeeded in b and the placebo alone in c.
If the attack does nothing, b is not the likelier. The bet is on a probability q uniform on (½, 1):

    2 · ∫ (2q)^b · (2(1 − q))^c dq, from ½ to 1

Each factor is expected to be at most 1 if that probability is at most ½.

**Several hypotheses.** :func:`e_holm` (V. Vovk and R. Wang, *E-values: calibration, combination and applications*,
Annals of Statistics 49, 2021).

All functions take arrays and broadcast; counts are whole numbers. Earnings above `MOST` are cut off there, so that
there is no infinity; to say less than was earned is as valid.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]

MOST = 1e300
"""The largest e-value that is returned."""

HALVINGS = 60
"""How often an interval of at most 1 is halved in search of a limit: to the last bit of a float64."""


def against_at_most(successes: ArrayLike, cells: ArrayLike, rate: ArrayLike) -> Array:
    """Return the e-value against "the rate is at most this", after so many cells.

    Args:
        successes: s, from 0 to the number of cells.
        cells: n.
        rate: p₀, between 0 and 1.

    Raises:
        ValueError: counts or the rate are out of range.

    Example:
        >>> from fedlens.studies.audit.e_processes import against_at_most
        >>> float(against_at_most(2, 2, 0.05).round(6))
        75.0
    """
    s, n, p = _checked(successes, cells, rate)
    return _exp(_log_earned(s, n) - _log_likelihood(s, n, np.minimum(p, _share(s, n, 1.0))))


def against_at_least(successes: ArrayLike, cells: ArrayLike, rate: ArrayLike) -> Array:
    """Return the e-value against "the rate is at least this", after so many cells.

    Args:
        successes: s, from 0 to the number of cells.
        cells: n.
        rate: p₀, between 0 and 1.

    Raises:
        ValueError: counts or the rate are out of range.

    Example:
        >>> from fedlens.studies.audit.e_processes import against_at_least
        >>> [float(value) for value in against_at_least(0, [0, 34, 35, 36], 0.1).round(1)]
        [1.0, 19.7, 21.9, 24.3]
    """
    s, n, p = _checked(successes, cells, rate)
    return _exp(_log_earned(s, n) - _log_likelihood(s, n, np.maximum(p, _share(s, n, 0.0))))


def against_no_better(won: ArrayLike, lost: ArrayLike) -> Array:
    """Return the e-value against "where only one of two succeeds, it is at most as likely to be the first".

    Args:
        won: b, in how many seeds only the first succeeded.
        lost: c, in how many seeds only the second did.

    Raises:
        ValueError: a count is negative.

    Example:
        >>> from fedlens.studies.audit.e_processes import against_no_better
        >>> [float(value) for value in against_no_better([6, 7, 8, 9], 0).round(1)]
        [18.1, 31.9, 56.8, 102.3]
    """
    from scipy.special import betaln
    from scipy.stats import beta

    b, c = np.broadcast_arrays(_counts(won), _counts(lost))
    return _exp((b + c + 1) * np.log(2) + betaln(b + 1, c + 1) + beta.logsf(0.5, b + 1, c + 1))


def e_holm(e_values: ArrayLike) -> Array:
    """Adjust e-values for the number of hypotheses, so that any that reach 1/a are refuted at a together.

    A hypothesis's adjusted e-value is the least mean of any set of e-values that has its own in it. If e-processes are
    adjusted at every step, the probability that one of a true hypothesis ever reaches 1/a is at most a.

    Args:
        e_values: one for each hypothesis along the last axis, shape ``[..., k]``, not negative.

    Returns:
        The adjusted ones, in the same places.

    Raises:
        ValueError: one is negative or not a number.

    Example:
        >>> from fedlens.studies.audit.e_processes import e_holm
        >>> [float(value) for value in e_holm([60, 3, 0])]
        [21.0, 1.5, 0.0]
    """
    values = np.asarray(e_values, dtype=np.float64)
    if not (values >= 0).all():
        raise ValueError("e-values: all must be 0 or more")
    order = np.argsort(values, axis=-1)
    rising = np.take_along_axis(values, order, axis=-1)
    least = rising.copy()
    for number in range(1, values.shape[-1]):
        smallest = rising[..., :number].sum(axis=-1, keepdims=True)
        larger = rising[..., number:]
        least[..., number:] = np.minimum(least[..., number:], (larger + smallest) / (number + 1))
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, least, axis=-1)
    return adjusted


def limits(successes: ArrayLike, cells: ArrayLike, level: float) -> tuple[Array, Array]:
    """Return the lower and the upper limit of a rate, which may be looked at after every cell.

    Args:
        successes: s, from 0 to the number of cells.
        cells: n.
        level: a, with what probability the true rate is ever outside, at most.

    Raises:
        ValueError: counts or the level are out of range.

    Example:
        >>> from fedlens.studies.audit.e_processes import limits
        >>> low, high = limits([0, 7], [36, 10], 0.05)
        >>> [(round(float(one), 3), round(float(other), 3)) for one, other in zip(low, high)]
        [(0.0, 0.095), (0.225, 0.975)]
    """
    s, n, a = _checked(successes, cells, level)
    least = _log_earned(s, n) + np.log(a)
    shape = np.broadcast_shapes(s.shape, n.shape)
    share = np.broadcast_to(_share(s, n, 0.5), shape)
    return _crossing(s, n, least, np.zeros(shape), share), _crossing(s, n, least, np.ones(shape), share)


def cells_to_refute(successes: int, cells: int, rate: float, needed: float) -> int:
    """Return how many more cells, none of which succeeds, refute "the rate is at least this".

    Args:
        successes: s so far.
        cells: n so far.
        rate: p₀.
        needed: the e-value that refutes, such as 20.

    Raises:
        ValueError: counts or the rate are out of range.

    Example:
        >>> from fedlens.studies.audit.e_processes import cells_to_refute
        >>> cells_to_refute(0, 0, 0.1, 20), cells_to_refute(0, 30, 0.1, 20), cells_to_refute(1, 30, 0.1, 20)
        (35, 5, 61)
    """
    first = 0
    while True:
        more = np.arange(first, 2 * first + 1)
        enough = against_at_least(successes, cells + more, rate) >= needed
        if enough.any():
            return int(more[enough.argmax()])
        first = 2 * first + 1


def _checked(successes: ArrayLike, cells: ArrayLike, rate: ArrayLike) -> tuple[Array, Array, Array]:
    s, n, p = _counts(successes), _counts(cells), np.asarray(rate, dtype=np.float64)
    if not (s <= n).all():
        raise ValueError("successes: there cannot be more than cells")
    if not ((p > 0) & (p < 1)).all():
        raise ValueError(f"a number between 0 and 1 is needed, not {p}")
    return s, n, p


def _counts(values: ArrayLike) -> Array:
    counts = np.asarray(values, dtype=np.float64)
    if not ((counts >= 0) & (counts == np.floor(counts))).all():
        raise ValueError("counts: whole numbers of 0 or more are needed")
    return counts


def _share(s: Array, n: Array, empty: float) -> Array:
    """Return s/n, and `empty` where there is no cell."""
    return np.where(n > 0, s / np.maximum(n, 1), empty)


def _log_earned(s: Array, n: Array) -> Array:
    from scipy.special import betaln

    never = np.where(s == 0, 0.0, -np.inf)
    mixed = betaln(s + 0.5, n - s + 0.5) - betaln(0.5, 0.5)
    return np.asarray(np.logaddexp(never, mixed) - np.log(2))


def _log_likelihood(s: Array, n: Array, p: Array) -> Array:
    from scipy.special import xlog1py, xlogy

    return np.asarray(xlogy(s, p) + xlog1py(n - s, -p))


def _crossing(s: Array, n: Array, least: Array, end: Array, share: Array) -> Array:
    """Return the rate between s/n and `end` at which the likelihood falls to `least`, or `end` if it never does."""
    outside, inside = end, share
    for _ in range(HALVINGS):
        middle = (outside + inside) / 2
        possible = _log_likelihood(s, n, middle) > least
        outside, inside = np.where(possible, outside, middle), np.where(possible, middle, inside)
    return np.where(_log_likelihood(s, n, end) > least, end, outside)


def _exp(logarithm: Any) -> Array:
    return np.asarray(np.exp(np.minimum(logarithm, np.log(MOST))))
