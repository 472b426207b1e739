"""The losses of local training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.lazy import torch
from fedlens.core.named import Named
from fedlens.kernels.loss import SQUARED, Criterion, Loss, SquaredError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LOSSES", "Binary", "CrossEntropy", "Loss", "LossField", "MeanSquaredError", "SquaredError", "loss_of"]


class CrossEntropy(Config):
    """Cross-entropy.

    Attributes:
        label_smoothing: share of each label that is spread over all classes.
        class_weights: what a sample counts by its class, a number for each; ``balanced``: inversely to the class's
            share of the training samples, those of all clients together, n / (C n_c).

    Example:
        >>> import torch
        >>> from fedlens.training import CrossEntropy
        >>> loss = CrossEntropy(class_weights="balanced").fitted(torch.tensor([0, 0, 0, 1]), classes=2)
        >>> [round(weight, 3) for weight in loss.class_weights]
        [0.667, 2.0]
    """

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = None

    def fitted(self, labels: Tensor, classes: int) -> CrossEntropy:
        """Return the loss for training samples with these `labels` (``[n]``), with a number for each class.

        A class without samples, which nobody can train on, counts as one with a sample.

        Raises:
            ConfigError: there are more or fewer numbers.
        """
        if self.class_weights is None:
            return self
        if self.class_weights == "balanced":
            counts = torch.bincount(labels, minlength=classes).clamp(min=1).tolist()
            return self.model_copy(update={"class_weights": tuple(len(labels) / (classes * n) for n in counts)})
        if len(self.class_weights) != classes:
            ones = ", ".join(["1"] * classes)
            raise ConfigError(
                f"local.loss.class_weights: {len(self.class_weights)} numbers for {classes} classes; "
                f"e.g. -o 'local.loss.class_weights=[{ones}]'"
            )
        return self

    def criterion(self) -> Loss:
        """Return the loss as a function.

        Raises:
            ValueError: it has not been fitted to the data.
        """
        if self.class_weights == "balanced":
            raise ValueError("balanced class weights depend on the data; call fitted before")
        return Loss(self.label_smoothing, self.class_weights)


class Binary(CrossEntropy):
    """Cross-entropy of two classes from one logit z, which the model is built with: they get -z/2 and z/2.

    Example:
        >>> from fedlens import Experiment
        >>> Experiment(data="adult", model="census-mlp", local={"loss": "binary"}).local.loss
        'binary'
    """

    def fitted(self, labels: Tensor, classes: int) -> CrossEntropy:
        """Return the loss for the training samples, as of `CrossEntropy`.

        Raises:
            ConfigError: there are not two classes, too.
        """
        if classes != 2:
            raise ConfigError(f"local.loss: binary is for 2 classes, not {classes}; e.g. -o local.loss=cross-entropy")
        return super().fitted(labels, classes)


class MeanSquaredError(Config):
    """Mean squared error, of labels that are quantities; they are standardised, so that 1 is their variance.

    Example:
        >>> import torch
        >>> from fedlens.training import MeanSquaredError
        >>> float(MeanSquaredError().criterion()(torch.tensor([[1.0], [0.0]]), torch.tensor([3.0, 1.0])))
        2.5
    """

    def fitted(self, labels: Tensor, classes: int) -> MeanSquaredError:  # noqa: ARG002 - as of `CrossEntropy`
        """Return the loss as it is, for it takes nothing from the data."""
        return self

    def criterion(self) -> Criterion:
        """Return the loss as a function."""
        return SQUARED


AnyLoss = CrossEntropy | MeanSquaredError

LOSSES: Mapping[str, type[AnyLoss]] = {"cross-entropy": CrossEntropy, "binary": Binary, "mse": MeanSquaredError}

LossField = Annotated[
    Literal["cross-entropy", "binary", "mse"] | CrossEntropy | Binary | MeanSquaredError, Named("local.loss", LOSSES)
]


def loss_of(held: str | AnyLoss) -> AnyLoss:
    """Return the loss that an option holds, maybe by its name alone."""
    return LOSSES[held]() if isinstance(held, str) else held
