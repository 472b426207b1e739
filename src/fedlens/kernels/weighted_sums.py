"""Weighted sums of updates, also where very small weights multiply very long updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.kernels.pairwise import BLOCK_ENTRIES, block_columns

if TYPE_CHECKING:
    from torch import Tensor


def weighted_sum(weights: Tensor, updates: Tensor) -> Tensor:
    """Compute Σ w_i δ_i of updates (shape ``[n, d]``) in their precision, with weights of float64, shape ``[n]``.

    Weights that the updates' type would round to less than its precision, or that are out of its range, are multiplied
    in float64: one of 1e-40 is as important as one of 1 if its update is 1e40 times as long.
    """
    sizes, limits = weights[weights != 0].abs(), torch.finfo(updates.dtype)
    if not len(sizes) or (float(sizes.min()) >= limits.tiny and float(sizes.max()) <= limits.max):
        return weights.to(updates) @ updates
    total = torch.zeros(updates.shape[1], dtype=torch.float64, device=updates.device)
    for weight, update in zip(weights.tolist(), updates, strict=True):
        total.add_(update.double(), alpha=weight)
    return total.to(updates)


def mix(matrix: Tensor, rows: Tensor) -> None:
    """Replace `rows` (shape ``[n, d]``) by ``matrix @ rows``, in place; `matrix` is square, shape ``[n, n]``.

    That is done a block of columns after the other, from the first on: beyond the rows it takes no more memory than a
    block. The blocks depend on n and d alone, so that equal rows give equal bits.
    """
    factors = matrix.to(rows)
    for block in torch.split(rows, block_columns(BLOCK_ENTRIES, len(rows)), dim=1):
        block.copy_(factors @ block)
