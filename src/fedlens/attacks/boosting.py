"""Boosting: an update multiplied by λ, so that the average cannot shrink it away."""

import torch
from torch import Tensor

from fedlens.vector import Layout


def boosted(update: Tensor, factor: float, layout: Layout, *, weights_only: bool) -> Tensor:
    """`update` (shape ``[d]``) times `factor`; with `weights_only`, its biases as they are."""
    if not weights_only:
        return update * factor
    return torch.where(layout.mask({"weight"}).to(update.device), update * factor, update)


def boost_in_place(vector: Tensor, start: Tensor, factor: float, layout: Layout, *, weights_only: bool) -> None:
    """Move `vector` so that its displacement from `start` (both of shape ``[d]``) is `boosted`."""
    if weights_only:
        torch.add(start, boosted(vector - start, factor, layout, weights_only=True), out=vector)
    else:
        torch.lerp(start, vector, factor, out=vector)
