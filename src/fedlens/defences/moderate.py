"""Updates at a scale at which sums of squares can be computed in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

LARGEST, SMALLEST = 1e130, 1e-130


def moderate(rows: Tensor) -> Tensor:
    """Return `rows` (shape ``[n, d]``) themselves, or divided by their largest entry if that is extreme.

    Entries of float32 never are.
    """
    if rows.dtype != torch.float64 or not rows.numel():
        return rows
    low, high = rows.aminmax()
    largest = max(-float(low), float(high))
    return rows if largest == 0 or SMALLEST <= largest <= LARGEST else rows / largest


def raised(rows: Tensor) -> Tensor:
    """Return `rows` (shape ``[n, d]``) themselves, or divided by their largest entry if that is extremely small.

    So the squares of distances between updates of 1e-200 are not all 0, in which case the first would be the nearest to
    the others. Large entries stay, for one attacker's would otherwise make the others' differences 0.
    """
    if rows.dtype != torch.float64 or not rows.numel():
        return rows
    largest = float(rows.abs().max())
    return rows / largest if 0 < largest < SMALLEST else rows
