"""Reception of updates: one with an entry that is not finite is rejected before any check or rule sees it.

It would be the simplest attack: one NaN in a sum makes all of it NaN. A finite update is received whatever its length,
which is for checks and rules to judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reception:
    """The finite updates of a round.

    Attributes:
        rows: their rows in the cohort.
        updates: a row for each, shape ``[m, d]``.
        alpha: their weights α_i, renormalised, shape ``[m]``.
    """

    rows: list[int]
    updates: Tensor
    alpha: Tensor


def receive(updates: Tensor, alpha: Tensor) -> Reception:
    """Receive the finite rows of `updates` (shape ``[n, d]``), moved to its start, and their `alpha` (``[n]``)."""
    rows = [row for row, update in enumerate(updates) if bool(torch.isfinite(update).all())]
    return Reception(rows, gathered(updates, rows), renormalised(alpha, rows))


def gathered(updates: Tensor, rows: Sequence[int]) -> Tensor:
    """Move these rows (in ascending order) of `updates` (shape ``[n, d]``) to its start; return them."""
    for new_row, row in enumerate(rows):
        if row != new_row:
            updates[new_row] = updates[row]
    return updates[: len(rows)]


def renormalised(alpha: Tensor, rows: Sequence[int]) -> Tensor:
    """Renormalise the weights (shape ``[n]``) of these rows to 1; unchanged if these are all."""
    return alpha if len(rows) == len(alpha) else alpha[list(rows)] / alpha[list(rows)].sum()
