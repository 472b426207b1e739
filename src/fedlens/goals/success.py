"""What a model makes of the samples that the attacker wants misclassified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedlens.models.evaluation import right

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Auxiliary:
    """The samples that the attacker wants misclassified.

    Attributes:
        x: inputs, shape ``[r, ...]``.
        true: their true classes, shape ``[r]``.
        target: the classes wanted by the attacker, shape ``[r]``.
        index: where the samples stand in the test set, shape ``[r]``.
    """

    x: Tensor
    true: Tensor
    target: Tensor
    index: Tensor


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
