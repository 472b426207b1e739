"""What reaches the server: an update with an entry that is no finite number is rejected before anybody looks at it.

Anybody can send one, and it is the simplest attack there is: one NaN in a sum makes all of it NaN. A finite update is
received whatever its length; what to make of that is for checks and rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reception:
    """The updates of a round that can be worked with.

    Attributes:
        rows: which of the cohort's rows these are.
        updates: a row for each, shape ``[m, d]``.
        alpha: their weights α_i, renormalised, shape ``[m]``.
    """

    rows: list[int]
    updates: Tensor
    alpha: Tensor


def receive(updates: Tensor, alpha: Tensor) -> Reception:
    """The finite rows of `updates` (shape ``[n, d]``; weights `alpha`, shape ``[n]``), moved together within these."""
    rows = [row for row, update in enumerate(updates) if bool(torch.isfinite(update).all())]
    return Reception(rows, gathered(updates, rows), renormalised(alpha, rows))


def gathered(updates: Tensor, rows: Sequence[int]) -> Tensor:
    """The rows of `updates` (shape ``[n, d]``) with these ascending numbers, moved together within `updates`."""
    for place, row in enumerate(rows):
        if row != place:
            updates[place] = updates[row]
    return updates[: len(rows)]


def renormalised(alpha: Tensor, rows: Sequence[int]) -> Tensor:
    """The weights (shape ``[n]``) of these rows, adding up to 1; as they are where these are all."""
    return alpha if len(rows) == len(alpha) else alpha[list(rows)] / alpha[list(rows)].sum()
