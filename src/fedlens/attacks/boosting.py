"""Boosting: an update multiplied by λ, so that the average cannot shrink it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def boosted(update: Tensor, factor: float, layout: Layout, *, weights_only: bool) -> Tensor:
    """Multiply `update` (shape ``[d]``) by `factor`; with `weights_only`, leave biases as they are."""
    if not weights_only:
        return update * factor
    return torch.where(layout.mask({"weight"}).to(update.device), update * factor, update)
