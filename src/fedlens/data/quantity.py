"""The labels of a regression: quantities, standardised by the training samples, and what turns them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Quantity:
    """What the labels of a regression are standardised by, so that learning rates suit any unit.

    Attributes:
        mean: of the training samples' labels, in their own unit.
        std: their standard deviation, over n, in the same unit.

    Example:
        >>> import torch
        >>> from fedlens.data import Quantity
        >>> price = Quantity.fitted(torch.tensor([100.0, 300.0]))
        >>> price, price.standardised(torch.tensor([100.0, 250.0]))
        (Quantity(mean=200.0, std=100.0), tensor([-1.0000,  0.5000]))
    """

    mean: float
    std: float

    @classmethod
    def fitted(cls, labels: Tensor) -> Quantity:
        """Return the mean and the standard deviation of `labels`, shape ``[n]``."""
        numbers = labels.double()
        return cls(float(numbers.mean()), float(numbers.std(correction=0)))

    def standardised(self, labels: Tensor) -> Tensor:
        """Return `labels` in standard deviations from the mean, float32."""
        return ((labels.double() - self.mean) / self.std).to(torch.float32)

    def in_unit(self, standardised: Tensor) -> Tensor:
        """Return labels in their own unit, float64."""
        return standardised.double() * self.std + self.mean
