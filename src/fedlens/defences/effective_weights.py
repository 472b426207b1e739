"""Effective weights of clients under rules that average k consecutive ranks of each column's entries.

With l the smallest and h the largest entry averaged in a column, a client's weight in their mean is 1/k if l ≤ x ≤ h,
and 0 otherwise, unless more than k entries are in that range. Then the entries equal to l share equally in the weight
of those that were averaged, and so do those equal to h.

Such ties are rare, and a block of b columns that has any shows it: more than b·k of its entries lie between the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.kernels.order_statistics import GRAIN

if TYPE_CHECKING:
    from torch import Tensor


class EffectiveWeights:
    """A sum of clients' weights over columns, a block at a time.

    Attributes:
        total: each row's weight in a column's mean, summed over the columns so far, shape ``[n]``, float64.
    """

    total: Tensor

    def __init__(self, count: int, like: Tensor) -> None:
        self.total = torch.zeros(count, dtype=torch.float64, device=like.device)
        self._buffer = like.new_empty(0, dtype=torch.promote_types(like.dtype, torch.float32))

    def add(self, block: Tensor, averaged: Tensor) -> None:
        """Add the weights in the means of a block's columns.

        Args:
            block: the entries, shape ``[n, b]``.
            averaged: the entries averaged in each column, in any order, shape ``[k, b]``: k consecutive ranks.
        """
        few = max(GRAIN // len(block), 1)
        parts = self._summed(count_between, block, averaged, block.shape[1] if torch.get_num_threads() == 1 else few)
        if float(parts.sum()) > averaged.numel():
            parts = self._summed(count_with_ties, block, averaged, few)
        self.total += parts / len(averaged)

    def _summed(self, count: Callable[..., Tensor], block: Tensor, averaged: Tensor, columns: int) -> Tensor:
        """Sum `count` over parts of `columns` columns.

        Inexact counts must be summed in the same order for any number of threads.
        """
        if len(self._buffer) < len(block) * columns:
            self._buffer = self._buffer.new_empty(len(block) * columns)
        total = torch.zeros_like(self.total)
        parts = zip(torch.split(block, columns, dim=1), torch.split(averaged, columns, dim=1), strict=True)
        for part, part_averaged in parts:
            total += count(part, part_averaged, self._buffer[: part.numel()].view(part.shape))
        return total


def count_between(block: Tensor, averaged: Tensor, out: Tensor) -> Tensor:
    """Count each row's entries between the smallest and the largest averaged in their column, ``[n]``."""
    reaching = torch.ge(block, averaged.amin(dim=0), out=out).sum(dim=1)
    return reaching - torch.gt(block, averaged.amax(dim=0), out=out).sum(dim=1)


def count_with_ties(block: Tensor, averaged: Tensor, out: Tensor) -> Tensor:
    """Count each row's averaged entries; equal entries share equally, shape ``[n]``."""
    low, high = averaged.amin(dim=0), averaged.amax(dim=0)
    parts = _equal_parts(block, averaged, low, out)
    if len(averaged) > 1:
        apart = (high > low).to(out)
        parts += _equal_parts(block, averaged, high, out, apart)
    if len(averaged) > 2:
        parts += torch.gt(block, low, out=out).mul_(apart).sum(dim=1)
        parts -= torch.ge(block, high, out=out).mul_(apart).sum(dim=1)
    return parts


def _equal_parts(block: Tensor, averaged: Tensor, value: Tensor, out: Tensor, columns: Tensor | float = 1) -> Tensor:
    """Count averaged entries equal to `value`, shared equally by the rows that have it, in `columns` (0 or 1)."""
    number = torch.eq(averaged, value, out=out[: len(averaged)]).sum(dim=0)
    equal = torch.eq(block, value, out=out)
    return equal.mul_(number / equal.sum(dim=0) * columns).sum(dim=1)
