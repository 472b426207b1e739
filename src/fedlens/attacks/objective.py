"""Objectives of an attack's malicious steps.

Targeted, the subject of Bhagoji et al. (ICML 2019): minimise L({x, τ}), the mean cross-entropy of the r target
samples with their target classes. They are one batch. A step is skipped if the loss is exactly 0, as by the authors.
Layers with running statistics use these there, as the server's model will when it is asked: a batch of the target
samples has others, and a single sample has none.

Untargeted, which their threat model names: maximise L over a subset of the data, here the malicious client's own shard,
a batch after the other. Cross-entropy has no upper bound, so (our choice) a step is skipped once a batch's loss is
above `CEILING`. Of a regression, L is the mean squared error in variances of the labels, and has the same ceiling.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, ValidationInfo
from typing_extensions import override

from fedlens.attacks.attack import View
from fedlens.core.lazy import functional
from fedlens.training.local import batches


def _without_waiting(objective: str, info: ValidationInfo) -> str:
    if objective == "untargeted" and info.data.get("hold_off") is not None:
        raise ValueError(
            "untargeted, without a target whose confidence hold_off could wait for; e.g. -o attack.hold_off=null"
        )
    return objective


Objective = Annotated[Literal["targeted", "untargeted"], AfterValidator(_without_waiting)]
"""The option of an attack that has either; refused where `Attack.hold_off` waits for a target that there is not."""

OnlyUntargeted = Annotated[Literal["untargeted"], AfterValidator(_without_waiting)]
"""That of an attack without target samples."""

CEILING = 10.0
"""Cross-entropy, in nats, that satisfies an untargeted attacker: the true class has probability 5e-5.

So does a squared error of ten variances of the labels, for which predictions are off by three standard deviations.
"""


class Goal(Protocol):
    """An objective, pursued with a view's network."""

    def backward(self) -> bool:
        """Leave the gradient of the loss to minimise in the network; tell whether a step is due."""

    def loss(self) -> float:
        """Return the present loss with dropout off, such as a cross-entropy in nats."""

    def reached(self, loss: float, threshold: float) -> bool:
        """Tell whether this `loss` achieves the goal."""


class Targeted(Goal):
    """The goal of having the target samples classified as their target classes."""

    def __init__(self, view: View) -> None:
        self._network = view.network
        self._samples = view.auxiliary

    @override
    def backward(self, factor: float = 1) -> bool:
        """Leave `factor` times the gradient in the network; tell whether a step is due."""
        with self._network.fixed_statistics():
            return bool(self._network.backward(self._samples.x, self._samples.target, factor) > 0)

    @override
    def loss(self) -> float:
        return float(functional.nll_loss(self._network.log_probabilities(self._samples.x), self._samples.target))

    @override
    def reached(self, loss: float, threshold: float) -> bool:
        return loss < threshold


class Untargeted(Goal):
    """The goal of raising the loss on the shard."""

    def __init__(self, view: View) -> None:
        self._network = view.network
        endless = view.local.model_copy(update={"epochs": None, "steps": sys.maxsize})
        self._batches = batches(view.shard, endless, view.address.at("untargeted"))
        self._batch = view.shard

    @override
    def backward(self) -> bool:
        self._batch = next(self._batches)
        loss = self._network.backward(self._batch.x, self._batch.y)
        self._network.gradient.neg_()
        return bool(loss < CEILING)

    @override
    def loss(self) -> float:
        """Return the loss of the last batch, or of the shard before the first."""
        return self._network.loss(self._batch.x, self._batch.y)

    @override
    def reached(self, loss: float, threshold: float) -> bool:
        return loss >= CEILING


GOALS: Mapping[Objective, Callable[[View], Goal]] = {"targeted": Targeted, "untargeted": Untargeted}
