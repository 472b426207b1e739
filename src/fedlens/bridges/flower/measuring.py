"""What attackers have reached, by the global models of a federation that was played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from fedlens.bridges.flower.fitting import Fit, Make
from fedlens.bridges.flower.view import as_samples, as_targets, fitted
from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Samples
from fedlens.goals.answers import BackdoorRecord, answered, tally
from fedlens.goals.goal import NOTHING, Goal
from fedlens.goals.malicious_samples import changed_inputs, wanted_classes
from fedlens.goals.success import Success, TargetSamples, success
from fedlens.models.evaluation import right
from fedlens.models.network import Network

AT_ONCE = 500


@dataclass(frozen=True)
class Measured:
    """What a global model answers.

    Attributes:
        round: after which it was made, from 1.
        targets: to the target samples; ``None`` without any.
        backdoor: to test samples as the goal changes them; ``None`` without such a goal.
        accuracy: the share of test samples that it gets right; ``None`` without any.

    Example:
        >>> from fedlens.bridges.flower import Measured
        >>> Measured(round=1, accuracy=0.9).confidence is None
        True
    """

    round: int
    targets: Success | None = None
    backdoor: BackdoorRecord | None = None
    accuracy: float | None = None

    @property
    def confidence(self) -> float | None:
        """Mean probability of the class wanted: of target samples, or of inputs as the goal changes them."""
        if self.targets is not None:
            return self.targets.mean_confidence
        return None if self.backdoor is None else self.backdoor.probability


def measured(
    models: Sequence[Mapping[str, NDArray[Any]]],
    model: Make,
    *,
    targets: TargetSamples | tuple[Tensor, Tensor, Tensor] | None = None,
    goal: Goal | None = None,
    test: Samples | tuple[Tensor, Tensor] | None = None,
) -> list[Measured]:
    """Measure global models, as in `Played.models`, attacked or not.

    Args:
        models: arrays by their names.
        model: makes the module that they fit.
        targets: see `Malicious`.
        goal: what is wanted of the test samples; a trigger should have all its values.
        test: the user's test samples.

    Raises:
        ConfigError: the model does not fit, or a goal has no test samples.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from fedlens.bridges.flower import measured
        >>> weights = {"weight": np.array([[2.0], [0.0]], np.float32)}
        >>> test = (torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([0, 1, 1]))
        >>> [found] = measured([weights], lambda: torch.nn.Linear(1, 2, bias=False), test=test)
        >>> round(found.accuracy, 2)
        0.67
    """
    if goal is not None and goal.asks and test is None:
        raise ConfigError("test: a goal is measured on test samples; give them, e.g. test=(x, y)")
    asked = _Asked(
        None if targets is None else as_targets(targets), goal, None if test is None else as_samples(test, "test")
    )
    return [asked.of(number, Fit.of(model, arrays).network) for number, arrays in enumerate(models, start=1)]


@dataclass(frozen=True)
class _Asked:
    """What models are asked."""

    targets: TargetSamples | None
    goal: Goal | None
    test: Samples | None

    def of(self, number: int, network: Network) -> Measured:
        """Ask one."""
        targets = None
        if self.targets is not None:
            targets = success(_answers(network, self.targets.x), _numbered(self.targets))
        if self.test is None:
            return Measured(number, targets)
        predictions = _answers(network, self.test.x)
        accuracy = float(right(predictions, self.test.y).double().mean())
        return Measured(number, targets, self._backdoor(network, self.test, predictions), accuracy)

    def _backdoor(self, network: Network, test: Samples, predictions: Tensor) -> BackdoorRecord | None:
        if self.goal is None or not self.goal.asks:
            return None
        classes = predictions.shape[1]
        goal = fitted(self.goal, test, classes)
        wanted = wanted_classes(goal, test.y, classes)
        asked, found = wanted != NOTHING, torch.zeros(2, len(wanted))
        if not bool(asked.any()):
            raise ConfigError("test: there is no sample of which the goal wants anything; give others")
        answers = _answers(network, changed_inputs(goal, test.x[asked]))
        found[:, asked] = answered(answers, wanted[asked]).float()
        return tally(found[None], predictions, wanted)


def _numbered(targets: TargetSamples) -> TargetSamples:
    """Return target samples whose answers are the first rows."""
    return TargetSamples(targets.x, targets.true, targets.target, torch.arange(len(targets.x)))


def _answers(network: Network, x: Tensor) -> Tensor:
    parts: tuple[Tensor, ...] = torch.split(x, AT_ONCE)
    return torch.cat([network.log_probabilities(part) for part in parts])
