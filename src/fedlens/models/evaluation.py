"""The quality of a model's predictions on the test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from fedlens.core.documents import Proportion
from fedlens.core.lazy import torch
from fedlens.core.random import Address

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


@dataclass(frozen=True)
class Quality:
    """The quality of a model on the test set.

    Attributes:
        accuracy: share of samples predicted correctly.
        loss: mean cross-entropy, in nats.
        per_class: accuracy among the samples of each class; ``None`` for a class without samples.
        metrics: what else was asked for, by name (`fedlens.models.metrics`); ``None`` where it is not defined.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> experiment = Experiment(data="digits", rounds=1, local={"batch_size": 20, "learning_rate": 0.01})
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.quality.accuracy > 0.8, len(result.record.quality.per_class)
        (True, 10)
    """

    accuracy: Proportion
    loss: float
    per_class: list[Proportion | None]
    metrics: dict[str, Proportion | None] = field(default_factory=dict)


def right(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Tell which predictions ``[n, classes]`` equal `labels` (``[n]``); a prediction with a NaN never does."""
    return (log_probabilities.argmax(dim=1) == labels) & ~log_probabilities.isnan().any(dim=1)


def quality(log_probabilities: Tensor, labels: Tensor) -> Quality:
    """Measure log-probabilities ``[n, classes]`` for samples of classes `labels` (``[n]``)."""
    classes = log_probabilities.shape[1]
    hits = torch.bincount(labels[right(log_probabilities, labels)], minlength=classes).tolist()
    counts = torch.bincount(labels, minlength=classes).tolist()
    return Quality(
        accuracy=sum(hits) / len(labels),
        loss=float(torch.nn.functional.nll_loss(log_probabilities.double(), labels)),
        per_class=[hit / count if count else None for hit, count in zip(hits, counts, strict=True)],
    )
