"""The quality of a model's predictions on the test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, inf, isfinite, sqrt
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from fedlens.core.documents import Finite, Proportion
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.quantity import Quantity

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 500
"""Samples evaluated at once: fixed, so that results do not depend on which worker evaluates."""


def blocks(start: int, stop: int) -> list[slice]:
    """Divide the samples from `start` to `stop` into blocks; the last may be smaller."""
    return [slice(first, min(first + BLOCK, stop)) for first in range(start, stop, BLOCK)]


def stretches(samples: int, workers: int) -> list[tuple[int, int]]:
    """Divide the samples into jobs of whole blocks, about four per worker, so that none waits long for another."""
    span = BLOCK * ceil(samples / (BLOCK * 4 * workers))
    return [(start, min(start + span, samples)) for start in range(0, samples, span)]


def draws(root: Address, round_: int, model: int, start: int) -> Address:
    """Return the address of a model's random draws when it evaluates the block that begins at sample `start`."""
    return root.at("evaluation", round_, model, start)


ERRORS = ("mae", "rmse", "nmae")
"""What is measured of a regression: the mean absolute and the root mean square error, in the labels' unit, and the
normalised mean absolute error, in standard deviations of the training samples' labels."""


def _in_range(metrics: dict[str, float | None]) -> dict[str, float | None]:
    """Refuse errors below 0, and other metrics that are no shares."""
    for name, value in metrics.items():
        if value is not None and not 0 <= value <= (inf if name in ERRORS else 1):
            raise ValueError(f"{name} is {value:g}, which cannot be")
    return metrics


Metrics = Annotated[dict[str, Finite | None], AfterValidator(_in_range)]


@dataclass(frozen=True)
class Quality:
    """The quality of a model on the test set.

    Attributes:
        accuracy: share of samples predicted correctly; ``None`` of a regression.
        loss: mean cross-entropy, in nats; of a regression the mean squared error, in variances of the labels.
        per_class: accuracy among the samples of each class; ``None`` for a class without samples.
        metrics: what else was asked for, by name (`fedlens.models.metrics`); ``None`` where it is not defined. Of a
            regression its `ERRORS`.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> experiment = Experiment(data="digits", rounds=1, local={"batch_size": 20, "learning_rate": 0.01})
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.quality.accuracy > 0.8, len(result.record.quality.per_class)
        (True, 10)
    """

    accuracy: Proportion | None
    loss: float
    per_class: list[Proportion | None]
    metrics: Metrics = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The accuracy, which every model has that tells classes."""
        assert self.accuracy is not None, "it predicts a quantity"
        return self.accuracy

    @property
    def mae(self) -> float | None:
        """The mean absolute error, in the labels' unit; ``None`` of classes, and where predictions are not finite."""
        return self.metrics.get("mae")

    @property
    def score(self) -> float:
        """What is the higher, the better the model: its accuracy, or less its mean absolute error."""
        if self.accuracy is not None:
            return self.accuracy
        return -inf if self.mae is None else -self.mae


def right(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Tell which predictions ``[n, classes]`` equal `labels` (``[n]``); a prediction with a NaN never does."""
    return (log_probabilities.argmax(dim=1) == labels) & ~log_probabilities.isnan().any(dim=1)


def quality(predictions: Tensor, labels: Tensor, quantity: Quantity | None = None) -> Quality:
    """Measure predictions.

    Args:
        predictions: log-probabilities ``[n, classes]``; of a regression standardised quantities ``[n, 1]``.
        labels: classes ``[n]``, or standardised quantities.
        quantity: what the labels of a regression were standardised by.
    """
    return _of_classes(predictions, labels) if quantity is None else _of_quantities(predictions, labels, quantity)


def _of_quantities(predictions: Tensor, labels: Tensor, quantity: Quantity) -> Quality:
    errors = predictions[:, 0].double() - labels.double()
    squared, nmae = float(errors.square().mean()), float(errors.abs().mean())
    numbers = {"mae": nmae * quantity.std, "rmse": sqrt(squared) * quantity.std, "nmae": nmae}
    finite = all(map(isfinite, numbers.values()))
    metrics = {name: numbers[name] if finite else None for name in ERRORS}
    return Quality(accuracy=None, loss=squared, per_class=[], metrics=metrics)


def _of_classes(log_probabilities: Tensor, labels: Tensor) -> Quality:
    classes = log_probabilities.shape[1]
    hits = torch.bincount(labels[right(log_probabilities, labels)], minlength=classes).tolist()
    counts = torch.bincount(labels, minlength=classes).tolist()
    return Quality(
        accuracy=sum(hits) / len(labels),
        loss=float(torch.nn.functional.nll_loss(log_probabilities.double(), labels)),
        per_class=[hit / count if count else None for hit, count in zip(hits, counts, strict=True)],
    )
