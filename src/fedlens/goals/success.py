"""What the attacker wants misclassified, and how far a model does so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeInt

from fedlens.core.documents import Proportion
from fedlens.models.evaluation import right

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TargetSamples:
    """Samples that the attacker wants misclassified, each as a class of its choice.

    They are test samples, or for a goal such as a backdoor changed copies of the attacker's own.

    Attributes:
        x: inputs, shape ``[r, ...]``.
        true: their true classes, shape ``[r]``.
        target: the classes wanted by the attacker, shape ``[r]``.
        index: their indices in the test set, or in the attacker's shard, shape ``[r]``.

    Example:
        >>> import torch
        >>> from fedlens import TargetSamples
        >>> true, target, index = torch.tensor([3]), torch.tensor([8]), torch.tensor([17])
        >>> samples = TargetSamples(torch.rand(1, 64), true, target, index)
        >>> f"test sample {samples.index[0]} of class {samples.true[0]} is to be classified as {samples.target[0]}"
        'test sample 17 of class 3 is to be classified as 8'
    """

    x: Tensor
    true: Tensor
    target: Tensor
    index: Tensor


@dataclass(frozen=True)
class Success:
    """A model's answers to the r target samples; each list has an entry per sample.

    Attributes:
        confidence: probability of the target class.
        true_confidence: probability of the true class.
        predicted: class of the highest probability; ``None`` where the answer is NaN.
        met: number of samples predicted as their target class.
        success: True if all of them are.

    Example:
        >>> from fedlens import Experiment, Target, simulate
        >>> experiment = Experiment(data="digits", rounds=1, target=Target(source="3", target="8", r=2))
        >>> [result] = simulate(experiment, engine="serial")
        >>> f"{result.record.target.met} of {len(result.record.target.predicted)} targets are met"
        '0 of 2 targets are met'
    """

    confidence: Annotated[list[Proportion], Field(min_length=1)]
    true_confidence: list[Proportion]
    predicted: list[NonNegativeInt | None]
    met: NonNegativeInt
    success: bool

    @property
    def mean_confidence(self) -> float:
        """Mean probability of the target class."""
        return sum(self.confidence) / len(self.confidence)

    @property
    def mean_true_confidence(self) -> float:
        """Mean probability of the true class."""
        return sum(self.true_confidence) / len(self.true_confidence)


def success(log_probabilities: Tensor, target_samples: TargetSamples) -> Success:
    """Judge the attack by a model's log-probabilities on the test set, shape ``[n, classes]``."""
    rows = log_probabilities[target_samples.index].double()
    silent = rows.isnan().any(dim=1).tolist()
    predicted = [None if none else number for number, none in zip(rows.argmax(dim=1).tolist(), silent, strict=True)]
    met = int(right(rows, target_samples.target).sum())
    probabilities = rows.exp().nan_to_num(nan=0)
    return Success(
        confidence=probabilities.gather(1, target_samples.target[:, None]).squeeze(1).tolist(),
        true_confidence=probabilities.gather(1, target_samples.true[:, None]).squeeze(1).tolist(),
        predicted=predicted,
        met=met,
        success=met == len(predicted),
    )
