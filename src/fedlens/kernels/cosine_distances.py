"""Cosine distances 1 − cos(x_i, x_j) of rows, or of rows that all have the same vector added to them.

That of models is w_G + δ_i, which are nearly parallel: their cosines differ in the last digits only. The distance is
therefore taken as half the squared distance of both at length 1,

    1 − cos(x_i, x_j) = ‖x_i/‖x_i‖ − x_j/‖x_j‖‖² / 2,

of rows that are centred before they are multiplied, all in float64. Distances that are within the rounding of the rows'
type are taken for 0, so that equal rows, and rows that are multiples of each other, are at 0 exactly.

Only blocks of columns are ever copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.kernels.pairwise import BLOCK_ENTRIES, add_products, block_columns

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SQUARE, LARGEST_SQUARE = 1e-250, 1e250
"""Sums of squares within these have lost nothing to the range of float64."""

CANCELLED = 1e-13
"""What cancels by more than this is rounding."""


def cosine_distances(rows: Tensor, origin: Tensor | None = None) -> Tensor:
    """Compute 1 - cos(o + x_i, o + x_j) of every pair of `rows` x.

    Args:
        rows: shape ``[n, d]``; finite, of any floating-point type.
        origin: what is added to each row (o), shape ``[d]``; nothing by default.

    Returns:
        A symmetric matrix of float64, shape ``[n, n]``, from 0 to 2 and with zeros on its diagonal. A vector of zeros
        is at 0 from another, and at 1 from all else.
    """
    lengths = row_lengths(rows, origin)
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    divisors = lengths.where(lengths > 0, 1)[:, None]
    for block in _blocks(rows, origin):
        block.div_(divisors)
        block.sub_(block.mean(dim=0))
        add_products(gram, block)
    gram = gram.tril() + gram.tril(-1).T
    sums = gram.diagonal()[:, None] + gram.diagonal()
    squares = (sums - 2 * gram).clamp_(0, 4)
    squares[squares <= torch.finfo(rows.dtype).eps ** 2 + CANCELLED * sums] = 0
    zero = lengths == 0
    squares[zero[:, None] ^ zero] = 2
    return squares.fill_diagonal_(0) / 2


def row_lengths(rows: Tensor, origin: Tensor | None = None) -> Tensor:
    """Compute the L2 norm of each of the `rows` (``[n, d]``) with `origin` (``[d]``) added; float64, ``[n]``."""
    squares = _squares(rows, origin)
    if bool(((squares >= LEAST_SQUARE) & (squares <= LARGEST_SQUARE)).all()):
        return squares.sqrt()
    largest = torch.zeros_like(squares)
    for block in _blocks(rows, origin):
        largest = torch.maximum(largest, block.abs().amax(dim=1))
    return _squares(rows, origin, largest.where(largest > 0, 1)).sqrt() * largest


def _squares(rows: Tensor, origin: Tensor | None, divisors: Tensor | None = None) -> Tensor:
    """Add up the squares of the rows' entries, each row's divided by its own of the `divisors`, shape ``[n]``."""
    squares = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows, origin):
        scaled = block if divisors is None else block.div_(divisors[:, None])
        squares += scaled.square_().sum(dim=1)
    return squares


def _blocks(rows: Tensor, origin: Tensor | None) -> Iterator[Tensor]:
    """Yield copies of blocks of columns in float64, with `origin` added; each in the memory of the one before."""
    columns = block_columns(BLOCK_ENTRIES, len(rows))
    room = torch.empty(0, dtype=torch.float64, device=rows.device)
    for start in range(0, rows.shape[1], columns):
        block = rows[:, start : start + columns]
        if room.shape != block.shape:
            room = room.new_empty(block.shape)
        room.copy_(block)
        yield room if origin is None else room.add_(origin[start : start + columns])
