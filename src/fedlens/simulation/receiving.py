"""Reception of updates: one with an entry that is not finite is rejected before any check or rule sees it.

It would be the simplest attack: one NaN in a sum makes all of it NaN. A finite update is received whatever its length,
which is for checks and rules to judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedlens.core.layout import Layout


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


def negative_variances(updates: Tensor, weights: Tensor, layout: Layout) -> list[int]:
    """Count the running variances below 0 in each client's own model, w_G + δ.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        weights: the global weights w_G, shape ``[d]``.
        layout: what each of the d entries is.
    """
    parts = [part for part in layout.slices if part.kind == "buffer" and part.name.endswith("running_var")]
    counts = torch.zeros(len(updates), dtype=torch.int64, device=updates.device)
    for columns in (slice(part.start, part.stop) for part in parts):
        counts += (weights[columns] + updates[:, columns] < 0).sum(dim=1)
    return counts.tolist()


def gathered(updates: Tensor, rows: Sequence[int]) -> Tensor:
    """Move these rows (in ascending order) of `updates` (shape ``[n, d]``) to its start; return them."""
    for new_row, row in enumerate(rows):
        if row != new_row:
            updates[new_row] = updates[row]
    return updates[: len(rows)]


def renormalised(alpha: Tensor, rows: Sequence[int]) -> Tensor:
    """Renormalise the weights (shape ``[n]``) of these rows to 1; unchanged if these are all."""
    return alpha if len(rows) == len(alpha) else alpha[list(rows)] / alpha[list(rows)].sum()
