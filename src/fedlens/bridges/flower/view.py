"""What a malicious node of a running federation sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from fedlens.attacks.attack import View
from fedlens.core.errors import ConfigError, named
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.goals.goal import Goal
from fedlens.goals.success import TargetSamples

NO_DATA = (
    "data: the attack looks at its client's samples, and has none; give them as a pair of tensors, e.g. "
    "data=lambda context: (x, y)"
)


@dataclass(frozen=True)
class FlowerView(View):
    """The view of a malicious client whose honest training is the user's own app.

    Attributes:
        honest: the update of the app's own training, shape ``[d]``.
        poisoned: whether the samples have been changed, so that they are trained on as `local` says.
    """

    honest: Tensor | None = None
    poisoned: bool = False

    @override
    def train(self) -> Tensor:
        """Return the update ``[d]`` of the app's own training, or of ours if samples have been changed.

        Raises:
            ConfigError: training is to begin elsewhere than where the app began.
        """
        if self.poisoned or self.honest is None:
            return super().train()
        if not torch.equal(self.weights, self.received):
            raise ConfigError(
                "the app trains from what the server sent, and the attack asks it to begin elsewhere; e.g. "
                "estimate='post', or start='received'"
            )
        self.network.load(self.weights + self.honest)
        return self.honest.clone()


class NoSamples(Samples):
    """The samples of a node of which none are given; who asks for them is refused."""

    def __init__(self) -> None:
        """Hold nothing."""

    def __getattribute__(self, name: str) -> Any:
        """Refuse inputs and labels.

        Raises:
            ConfigError: always, for these.
        """
        if name in {"x", "y"}:
            raise ConfigError(NO_DATA)
        return super().__getattribute__(name)

    def __deepcopy__(self, memo: Mapping[int, Any]) -> NoSamples:
        """Return itself."""
        return self


def as_samples(value: object, option: str) -> Samples:
    """Return inputs and labels as samples.

    Raises:
        ConfigError: they are none.
    """
    if isinstance(value, Samples):
        return value
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(part, Tensor) for part in value):
        x, y = value
        if len(x) == len(y) and len(y) and y.ndim == 1:
            return Samples(x.detach(), y.detach().long())
        raise ConfigError(
            f"{option}: inputs of shape {list(x.shape)}, labels of {list(y.shape)}; one label each is right"
        )
    raise ConfigError(f"{option}: is {named(value)}; inputs and labels are right, as tensors (x, y)")


def as_targets(value: object) -> TargetSamples:
    """Return inputs, their true classes and those that are wanted of them as target samples.

    Raises:
        ConfigError: they are none.
    """
    if isinstance(value, TargetSamples):
        return value
    if isinstance(value, tuple | list) and len(value) == 3 and all(isinstance(part, Tensor) for part in value):
        x, true, target = (part.detach() for part in value)
        if len(x) == len(true) == len(target) and len(x) and true.ndim == target.ndim == 1:
            return TargetSamples(x, true.long(), target.long(), torch.arange(len(x)))
        shapes = " and ".join(str(list(part.shape)) for part in (x, true, target))
        raise ConfigError(
            f"targets: are of shapes {shapes}; a true class and a wanted one for each input are right, e.g. "
            "targets=(x[:1], y[:1], torch.tensor([7]))"
        )
    raise ConfigError(
        f"targets: are {named(value)}; inputs, their true classes and the classes wanted are right, as tensors, e.g. "
        "targets=(x[:1], y[:1], torch.tensor([7]))"
    )


def fitted(goal: Goal, samples: Samples, classes: int) -> Goal:
    """Return the goal with everything that it takes from data, of which these are samples."""
    return goal.fitted(Data(), Dataset(samples, samples, tuple(map(str, range(classes)))))
