"""Cases: rounds of updates that are put to somebody's rule, and what is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Value = bool | int | float | str
"""An option's."""


@dataclass(frozen=True)
class Cohort:
    """The updates of a round, and whose they are.

    Attributes:
        rows: an update each, shape ``[n, d]``.
        clients: the clients' numbers, n of them.
        weights: what they have in an average, shape ``[n]``; the same by default.
        trusted: the update that the server trains on samples of its own, shape ``[d]``; see `root`.

    Example:
        >>> import numpy as np
        >>> from fedlens.studies.conformance.case import Cohort
        >>> Cohort.of(np.array([[1.0], [2.0]])).clients
        (0, 1)
    """

    rows: Rows
    clients: tuple[int, ...]
    weights: Rows | None = None
    trusted: Rows | None = None

    @property
    def alpha(self) -> Rows:
        """The weights of the updates in an average, shape ``[n]``, adding up to 1."""
        return np.full(len(self.rows), 1 / len(self.rows)) if self.weights is None else self.weights

    @property
    def root(self) -> Rows:
        """The server's own update, shape ``[d]``; by default the mean with every other entry thrice the rest."""
        if self.trusted is not None:
            return self.trusted
        factors: Rows = np.where(np.arange(self.rows.shape[1]) % 2, 0.5, 1.5)
        root: Rows = self.rows.mean(axis=0) * factors
        return root

    @classmethod
    def of(cls, rows: Rows) -> Cohort:
        """Return a round of clients 0 to n - 1."""
        return cls(rows, tuple(range(len(rows))))


@dataclass(frozen=True)
class Case:
    """Rounds to be put to a rule.

    Attributes:
        name: what is tried.
        rounds: one after the other; most cases have one.
        options: the method's options; the others stay at their defaults.
        right: what leaves it in each round, where that was computed by hand; else fedlens' own method says.
        tied: whether it may break ties as it likes: what it would say of the same rows in another order is right, too.

    Example:
        >>> import numpy as np
        >>> from fedlens.studies.conformance.case import Case, Cohort
        >>> rows = np.array([[1.0], [2.0], [9.0]])
        >>> Case("by hand", (Cohort.of(rows),), right=(np.array([[2.0]]),)).options
        {}
    """

    name: str
    rounds: tuple[Cohort, ...]
    options: Mapping[str, Value] = field(default_factory=dict)
    right: tuple[Rows, ...] | None = None
    tied: bool = False


def column(*values: float) -> Rows:
    """Return updates of one entry each, shape ``[n, 1]``."""
    return np.array(values, dtype=np.float64)[:, None]
