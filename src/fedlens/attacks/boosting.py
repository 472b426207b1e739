"""Boosting: an update multiplied by λ, so that the average cannot shrink it away.

Buffers that training changes are sent as they are. A running variance moved λ times as far would soon be negative, of
which no model has a use, and the malicious loss is taken at the statistics that the server will have, not at those of
the malicious samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.core.layout import PARAMETERS, Layout
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def boosted(update: Tensor, factor: float, layout: Layout, *, weights_only: bool) -> Tensor:
    """Multiply the parameters in `update` by `factor`; with `weights_only`, leave biases as they are.

    Args:
        update: shape ``[d]``, or ``[p]`` of the parameters alone.
        factor: λ.
        layout: what each of the d entries is.
        weights_only: whether to boost weights alone.
    """
    if not weights_only and layout.parameters.size == len(update):
        return update * factor
    mask = layout.mask({"weight"} if weights_only else PARAMETERS)[: len(update)]
    return torch.where(mask.to(update.device), update * factor, update)
