"""A model's answers to triggered inputs, counted.

The attack success rate is the share of these inputs that go to the target class. Inputs that are of the target class
anyway are left out: with ten classes they would give a clean model 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveInt

from fedlens.core.documents import Proportion
from fedlens.core.lazy import torch
from fedlens.models.evaluation import right

if TYPE_CHECKING:
    from torch import Tensor

PROBABILITY, HIT = 0, 1
"""Rows of answers: the probability of the class wanted, and whether it is the class predicted."""


def parts_alone(parts: int) -> int:
    """Return how many of a goal's `parts` are asked about alone: of a single one none, for it is the whole."""
    return parts if parts > 1 else 0


@dataclass(frozen=True)
class BackdoorRecord:
    """A model's answers to those test samples of which a backdoor wants something.

    Attributes:
        hits: how many are taken for the class wanted once they carry the trigger.
        count: how many there are.
        probability: mean probability of the class wanted, with the trigger.
        untriggered: how many are taken for the class wanted without the trigger.
        effect: the largest change that the trigger makes in an input's probability of the class wanted; 0 of a model
            that does not see it.
        parts: how many with each part of the trigger alone; empty unless it has several.
        distinct: how many distinct inputs the trigger leaves of them, if they are few; then it replaces nearly all.

    Example:
        >>> from fedlens.goals import BackdoorRecord
        >>> BackdoorRecord(hits=30, count=40, probability=0.7, untriggered=1, effect=0.9).rate
        0.75
    """

    hits: NonNegativeInt
    count: PositiveInt
    probability: Proportion
    untriggered: NonNegativeInt
    effect: Proportion
    parts: list[NonNegativeInt] = field(default_factory=list)
    distinct: PositiveInt | None = None

    @property
    def rate(self) -> float:
        """The attack success rate: the share of inputs with the trigger that are taken for the class wanted."""
        return self.hits / self.count


def answered(log_probabilities: Tensor, wanted: Tensor) -> Tensor:
    """Return the answers, shape ``[2, n]``, in log-probabilities ``[n, classes]``; none where a model says NaN."""
    probabilities = log_probabilities.exp().nan_to_num(nan=0)
    asked = probabilities.gather(1, wanted.clamp(min=0)[:, None])[:, 0]
    return torch.stack([asked, right(log_probabilities, wanted).to(asked)])


def tally(answers: Tensor, log_probabilities: Tensor, wanted: Tensor) -> BackdoorRecord:
    """Count a model's answers.

    Args:
        answers: shape ``[variants, 2, n]``: to inputs with the whole trigger, then with each part of it if there are
            several.
        log_probabilities: of the same inputs without the trigger, shape ``[n, classes]``.
        wanted: the classes wanted, shape ``[n]``, negative for inputs that do not count.
    """
    counted = wanted >= 0
    hits = [int(variant[HIT][counted].sum()) for variant in answers]
    probabilities = answers[0, PROBABILITY][counted]
    without = answered(log_probabilities, wanted)[PROBABILITY][counted]
    return BackdoorRecord(
        hits=hits[0],
        count=int(counted.sum()),
        probability=float(probabilities.double().mean()),
        untriggered=int(right(log_probabilities, wanted).sum()),
        effect=float((probabilities - without).abs().max()),
        parts=hits[1:],
    )
