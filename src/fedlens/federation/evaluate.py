"""What a model's predictions on the test set say about it."""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional

from fedlens.attacks.attack import Auxiliary
from fedlens.random import Address

BLOCK = 500
"""Samples evaluated at once: fixed, so that results do not depend on who evaluates."""


def blocks(start: int, stop: int) -> list[slice]:
    """The samples from `start` to `stop` as blocks, the last of which may be smaller."""
    return [slice(at, min(at + BLOCK, stop)) for at in range(start, stop, BLOCK)]


def stretches(samples: int, workers: int) -> list[tuple[int, int]]:
    """Where to begin and end jobs of whole blocks: about four for each worker, so that none waits long for another."""
    span = BLOCK * ceil(samples / (BLOCK * 4 * workers))
    return [(start, min(start + span, samples)) for start in range(0, samples, span)]


def draws(root: Address, round_: int, model: int, start: int) -> Address:
    """Where the random draws of a model begin that evaluates the block from the sample `start` on, if it draws any."""
    return root.at("evaluation", round_, model, start)


@dataclass(frozen=True)
class Quality:
    """How well a model does on the test set.

    Attributes:
        accuracy: share of samples predicted right.
        loss: mean cross-entropy, in nats.
        per_class: accuracy among the samples of each class; ``None`` for a class without samples.
    """

    accuracy: float
    loss: float
    per_class: list[float | None]


@dataclass(frozen=True)
class Success:
    """What a model makes of the attacker's samples; lists have an entry for each of the r samples.

    Attributes:
        confidence: probability of the target class.
        true_confidence: probability of the true class.
        predicted: class of the highest probability; ``None`` where the answer is no number.
        met: how many of the r samples are predicted as their target.
        success: whether all of them are.
    """

    confidence: list[float]
    true_confidence: list[float]
    predicted: list[int | None]
    met: int
    success: bool


def right(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Which of the predictions ``[n, classes]`` are `labels` (``[n]``); no prediction is one that is not a number."""
    return (log_probabilities.argmax(dim=1) == labels) & ~log_probabilities.isnan().any(dim=1)


def quality(log_probabilities: Tensor, labels: Tensor) -> Quality:
    """The quality of predictions ``[n, classes]`` for samples of classes `labels` (``[n]``)."""
    classes = log_probabilities.shape[1]
    hits = torch.bincount(labels[right(log_probabilities, labels)], minlength=classes).tolist()
    counts = torch.bincount(labels, minlength=classes).tolist()
    return Quality(
        accuracy=sum(hits) / len(labels),
        loss=float(functional.nll_loss(log_probabilities.double(), labels)),
        per_class=[hit / count if count else None for hit, count in zip(hits, counts, strict=True)],
    )


def success(log_probabilities: Tensor, auxiliary: Auxiliary) -> Success:
    """What test-set predictions ``[n, classes]`` say about the attacker's samples."""
    rows = log_probabilities[auxiliary.index].double()
    silent = rows.isnan().any(dim=1).tolist()
    predicted = [None if none else number for number, none in zip(rows.argmax(dim=1).tolist(), silent, strict=True)]
    met = int(right(rows, auxiliary.target).sum())
    probabilities = rows.exp().nan_to_num(nan=0)
    return Success(
        confidence=probabilities.gather(1, auxiliary.target[:, None]).squeeze(1).tolist(),
        true_confidence=probabilities.gather(1, auxiliary.true[:, None]).squeeze(1).tolist(),
        predicted=predicted,
        met=met,
        success=met == len(predicted),
    )
