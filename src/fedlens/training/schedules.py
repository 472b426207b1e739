"""Learning rates over rounds.

A round's rate is a function of its number alone, so that a run that is resumed goes on with the right one. As in
PyTorch, whose `torch.optim.lr_scheduler` counts rounds from 0, factors are those of `StepLR`, `ExponentialLR` and
`CosineAnnealingLR` (Loshchilov and Hutter, *SGDR*, ICLR 2017, without restarts), after a `LinearLR`. Deviation: when a
cosine has come down, it stays there.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt
from typing_extensions import override

from fedlens.core.config import Config
from fedlens.core.named import Named

Factor = Annotated[float, Field(gt=0, le=1)]


class Constant(Config):
    """The same rate in every round, after a warm-up.

    Attributes:
        warm_up: rounds before the first one at the full rate, to which the rate rises in equal steps.

    Example:
        >>> from fedlens.training import Constant
        >>> [Constant(warm_up=3).factor(round_) for round_ in (1, 2, 3, 4, 5)]
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    warm_up: NonNegativeInt = 0

    def factor(self, round_: int) -> float:
        """Return what the learning rate is multiplied by in this round, from 1."""
        if round_ <= self.warm_up:
            return round_ / (self.warm_up + 1)
        return self._after(round_ - self.warm_up - 1)

    def _after(self, rounds: int) -> float:  # noqa: ARG002
        """Return the factor in the round that has this many since the warm-up."""
        return 1.0


class Step(Constant):
    """A rate that falls every few rounds.

    Attributes:
        every: rounds between two falls.
        decay: what the rate is multiplied by.

    Example:
        >>> from fedlens.training import Step
        >>> [Step(every=2, decay=0.5).factor(round_) for round_ in (1, 2, 3, 4, 5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    every: PositiveInt = Field(examples=[10])
    decay: Factor = 0.1

    @override
    def _after(self, rounds: int) -> float:
        return self.decay ** (rounds // self.every)


class Exponential(Constant):
    """A rate that falls in every round.

    Attributes:
        decay: what the rate is multiplied by.

    Example:
        >>> from fedlens.training import Exponential
        >>> [Exponential(decay=0.5).factor(round_) for round_ in (1, 2, 3)]
        [1.0, 0.5, 0.25]
    """

    decay: Factor = 0.95

    @override
    def _after(self, rounds: int) -> float:
        return self.decay**rounds


class Cosine(Constant):
    """A rate that comes down along half a cosine.

    Attributes:
        rounds: rounds until it is down, without those of the warm-up.
        lowest: the rate then, as a share of the full one.

    Example:
        >>> from fedlens.training import Cosine
        >>> [round(Cosine(rounds=2).factor(round_), 3) for round_ in (1, 2, 3, 4)]
        [1.0, 0.5, 0.0, 0.0]
    """

    rounds: PositiveInt = Field(examples=[10])
    lowest: Annotated[float, Field(ge=0, le=1)] = 0.0

    @override
    def _after(self, rounds: int) -> float:
        way = min(rounds / self.rounds, 1.0)
        return self.lowest + (1 - self.lowest) * (1 + cos(pi * way)) / 2


Schedule = Constant | Step | Exponential | Cosine

SCHEDULES: Mapping[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "exponential": Exponential,
    "cosine": Cosine,
}

ScheduleField = Annotated[
    Literal["constant", "step", "exponential", "cosine"] | Schedule, Named("local.schedule", SCHEDULES)
]


def factor(held: str | Schedule, round_: int) -> float:
    """Return what a schedule multiplies the learning rate by in this round."""
    return (SCHEDULES[held].model_validate({}) if isinstance(held, str) else held).factor(round_)
