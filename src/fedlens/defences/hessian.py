"""The product of a vector and a Hessian that is known by its secant pairs alone: compact L-BFGS.

R. H. Byrd, J. Nocedal, R. B. Schnabel, *Representations of Quasi-Newton Matrices and their Use in Limited Memory
Methods* (Mathematical Programming 63, 1994). With steps S and changes of the gradient Y, N columns each, the latest
last, σ = ⟨y_N, s_N⟩ / ⟨s_N, s_N⟩, and L the part of SᵀY strictly below its diagonal D,

    B v = σ v − [σS Y] [[σ SᵀS, L], [Lᵀ, −D]]⁻¹ [σSᵀv; Yᵀv],

so that B s_N = y_N. Where the matrix is singular, its pseudo-inverse stands for its inverse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_COLUMNS = 2**14


def hessian_times(steps: Tensor, changes: Tensor, vector: Tensor) -> Tensor:
    """Return the product B v in float64; zeros where there is no pair, or their products are out of range.

    Args:
        steps: of the weights, the latest last, shape ``[N, d]``.
        changes: of the gradient, shape ``[N, d]``.
        vector: v, shape ``[d]``.
    """
    count, result = len(steps), torch.zeros(len(vector), dtype=torch.float64, device=vector.device)
    rows = [*steps, *changes, vector]
    if not count:
        return result
    inner = sum((block @ block.T for block in _blocks(rows)), result.new_zeros(())).cpu().numpy()
    ss, sy = inner[:count, :count], inner[:count, count:-1]
    if not np.isfinite(inner).all() or ss[-1, -1] == 0:
        return result
    sigma = sy[-1, -1] / ss[-1, -1]
    lower = np.tril(sy, -1)
    matrix = np.block([[sigma * ss, lower], [lower.T, -np.diag(np.diag(sy))]])
    right = np.concatenate([sigma * inner[:count, -1], inner[count:-1, -1]])
    solution = np.linalg.lstsq(matrix, right, rcond=None)[0]
    factors = np.concatenate([-sigma * solution[:count], -solution[count:], [sigma]])
    if not np.isfinite(factors).all():
        return result
    start = 0
    for block in _blocks(rows):
        result[start : start + block.shape[1]] = torch.from_numpy(factors).to(block) @ block
        start += block.shape[1]
    return result


def _blocks(rows: list[Tensor]) -> Iterator[Tensor]:
    """Yield the rows in float64, block of columns by block."""
    for parts in zip(*(torch.split(row, BLOCK_COLUMNS) for row in rows), strict=True):
        yield torch.stack(parts).double()
