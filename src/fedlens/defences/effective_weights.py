"""Whose entries were kept: the clients' shares under rules that keep k neighbours of each column's sorted entries.

With l the smallest and h the largest entry that was kept of a column, a client's share in their mean is 1/k where
l ≤ x ≤ h, and 0 elsewhere, unless more than k entries are there. Then those that are equal to l have equal parts in as
many of them as were kept, and so have those that are equal to h.

Such ties are rare, and a block of b columns that has any shows it: more than b·k of its entries lie between the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.kernels.order_statistics import GRAIN

if TYPE_CHECKING:
    from torch import Tensor


class Credit:
    """Adds up shares, a block of columns at a time.

    Attributes:
        total: each row's share in a column's mean, added up over the columns so far, shape ``[n]``, float64.
    """

    total: Tensor

    def __init__(self, count: int, like: Tensor) -> None:
        self.total = torch.zeros(count, dtype=torch.float64, device=like.device)
        self._room = like.new_empty(0, dtype=torch.promote_types(like.dtype, torch.float32))

    def add(self, block: Tensor, kept: Tensor) -> None:
        """Add the shares in the means of a block's columns.

        Args:
            block: the entries, shape ``[n, b]``.
            kept: what was kept of each column, in any order, shape ``[k, b]``: k neighbours of the sorted entries.
        """
        few = max(GRAIN // len(block), 1)
        parts = self._summed(between, block, kept, block.shape[1] if torch.get_num_threads() == 1 else few)
        if float(parts.sum()) > kept.numel():
            parts = self._summed(dealt_out, block, kept, few)
        self.total += parts / len(kept)

    def _summed(self, count: Callable[..., Tensor], block: Tensor, kept: Tensor, columns: int) -> Tensor:
        """What `count` makes of so many columns at a time, added up.

        What is not exact has to be added up in the same way however many threads there are.
        """
        if len(self._room) < len(block) * columns:
            self._room = self._room.new_empty(len(block) * columns)
        total = torch.zeros_like(self.total)
        for some, some_kept in zip(torch.split(block, columns, dim=1), torch.split(kept, columns, dim=1), strict=True):
            total += count(some, some_kept, self._room[: some.numel()].view(some.shape))
        return total


def between(block: Tensor, kept: Tensor, room: Tensor) -> Tensor:
    """How many entries of each row are between the smallest and the largest that were kept of their column, ``[n]``."""
    reaching = torch.ge(block, kept.amin(dim=0), out=room).sum(dim=1)
    return reaching - torch.gt(block, kept.amax(dim=0), out=room).sum(dim=1)


def dealt_out(block: Tensor, kept: Tensor, room: Tensor) -> Tensor:
    """How many entries of each row were kept, where equal ones have equal parts, shape ``[n]``."""
    low, high = kept.amin(dim=0), kept.amax(dim=0)
    parts = _equal_parts(block, kept, low, room)
    if len(kept) > 1:
        apart = (high > low).to(room)
        parts += _equal_parts(block, kept, high, room, apart)
    if len(kept) > 2:
        parts += torch.gt(block, low, out=room).mul_(apart).sum(dim=1)
        parts -= torch.ge(block, high, out=room).mul_(apart).sum(dim=1)
    return parts


def _equal_parts(block: Tensor, kept: Tensor, value: Tensor, room: Tensor, wanted: Tensor | float = 1) -> Tensor:
    """How many entries equal to `value` were kept, dealt out equally to the rows that have it, in `wanted` columns."""
    number = torch.eq(kept, value, out=room[: len(kept)]).sum(dim=0)
    equal = torch.eq(block, value, out=room)
    return equal.mul_(number / equal.sum(dim=0) * wanted).sum(dim=1)
