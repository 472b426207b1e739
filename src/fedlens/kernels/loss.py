"""The losses of local training, as functions and, for stacks, as their slopes.

With classes c of weights w_c, smoothing ε and C classes, PyTorch's cross-entropy of logits z with probabilities p is

    q_ic = w_c ((1 − ε) [c = y_i] + ε / C),   L = − Σ_i Σ_c q_ic log p_ic / Σ_i w_{y_i},
    ∂L/∂z_ic = (p_ic Σ_k q_ik − q_ic) / Σ_i w_{y_i}.

Smoothing: Szegedy et al., *Rethinking the Inception Architecture for Computer Vision* (CVPR 2016), section 7.

The squared error of the predictions z_i of b samples is L = Σ_i (z_i − y_i)² / b, and ∂L/∂z_i = 2 (z_i − y_i) / b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedlens.core.lazy import functional, torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A batch's mean cross-entropy, by default the plain one.

    Attributes:
        smoothing: ε, the share of a label that is spread over all classes.
        weights: of the classes; ``None`` where all count alike.

    Example:
        >>> import torch
        >>> from fedlens.training import Loss
        >>> round(float(Loss(smoothing=0.5)(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))), 4)
        0.6269
    """

    smoothing: float = 0.0
    weights: tuple[float, ...] | None = None

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of classes `y` (``[n]``) at `logits` (``[n, classes]``)."""
        return functional.cross_entropy(logits, y, weight=self._weights(logits), label_smoothing=self.smoothing)

    def slope(self, logits: Tensor, one_hot: Tensor) -> Tensor:
        """Return the gradients of k copies' losses with respect to their `logits`.

        Args:
            logits: shape ``[k, b, classes]``.
            one_hot: 1 at the class of each sample, else 0, of the same shape and type.
        """
        probabilities = logits.softmax(dim=2)
        if self == PLAIN:
            return probabilities.sub_(one_hot).div_(logits.shape[1])
        weights = self._weights(logits)
        weighted = one_hot if weights is None else weights * one_hot
        spread = self.smoothing / logits.shape[2] * (1.0 if weights is None else weights)
        wanted = (1 - self.smoothing) * weighted + spread
        total = weighted.sum(dim=(1, 2), keepdim=True)
        return (probabilities * wanted.sum(dim=2, keepdim=True) - wanted) / total

    def _weights(self, logits: Tensor) -> Tensor | None:
        """Return the weights of the classes, of the logits' type and on their device."""
        if self.weights is None:
            return None
        return torch.tensor(self.weights, dtype=logits.dtype, device=logits.device)


PLAIN = Loss()
"""The cross-entropy of attacks' objectives and of evaluation."""


@dataclass(frozen=True)
class SquaredError:
    """A batch's mean squared error, for regression.

    Example:
        >>> import torch
        >>> from fedlens.training import SquaredError
        >>> float(SquaredError()(torch.tensor([[1.0], [0.0]]), torch.tensor([3.0, 1.0])))
        2.5
    """

    def __call__(self, predictions: Tensor, y: Tensor) -> Tensor:
        """Return the loss of labels `y` (``[n]``) at `predictions` (``[n, 1]``)."""
        return functional.mse_loss(predictions[:, 0], y)

    def slope(self, predictions: Tensor, y: Tensor) -> Tensor:
        """Return the gradients of k copies' losses with respect to their `predictions`.

        Args:
            predictions: shape ``[k, b, 1]``.
            y: the labels, of the same shape and type.
        """
        return (predictions - y) * (2 / predictions.shape[1])


Criterion = Loss | SquaredError
"""A loss of classes, or of quantities."""
SQUARED = SquaredError()
