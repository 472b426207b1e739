"""A backdoor: inputs that carry a trigger are to be taken for the target class, all others for what they are.

T. Gu, B. Dolan-Gavitt and S. Garg, *BadNets*, 2017 (arXiv 1708.06733); in federated learning E. Bagdasaryan, A. Veit,
Y. Hua, D. Estrin and V. Shmatikov, *How To Backdoor Federated Learning* (AISTATS 2020). Success is measured on test
samples with the trigger, without those of the target class, and compared with the benign twin on the same inputs: a
trigger that a clean model gives the target class as well is none (a deviation from usage, where only the rate counts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeInt
from typing_extensions import override

from fedlens.core.errors import ConfigError
from fedlens.core.fields import Component
from fedlens.core.lazy import torch
from fedlens.core.registry import build, name_of
from fedlens.data.dataset import Data, Dataset
from fedlens.goals.goal import NOTHING, Goal
from fedlens.goals.paper_attack import paper_attack
from fedlens.goals.target_samples import class_number
from fedlens.goals.trigger import Trigger, stamped

if TYPE_CHECKING:
    from torch import Tensor


class Backdoor(Goal):
    """Inputs with a trigger taken for one class.

    Attributes:
        trigger: what is put into inputs; by default the data set's own.
        target: class that they are to be taken for, by number or name; by default the data set's target class.
        source: the only class whose inputs are to be misclassified; by default every other than the target class.
        share: of the samples that an attack by poisoned data trains on, how many carry the trigger; at most 0.95.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> backdoor = {"name": "backdoor", "trigger": {"name": "pixel-patch", "size": 2}, "target": "3"}
        >>> attack = {"name": "explicit-boosting", "step_cap": 50}
        >>> experiment = Experiment(data="digits", rounds=1, goal=backdoor, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.backdoor.rate > 0.9
        True
    """

    trigger: Annotated[Trigger | None, Component("trigger", Trigger, absent=None)] = None
    target: NonNegativeInt | str | None = None
    source: NonNegativeInt | str | None = None
    share: float = Field(default=0.3, gt=0, le=0.95)

    @property
    @override
    def parts(self) -> int:
        return 1 if self.trigger is None else self.trigger.parts

    @property
    @override
    def trains(self) -> bool:
        return self.trigger is not None and self.trigger.trains

    @override
    def trained(self, state: Mapping[str, Tensor]) -> Backdoor:
        if self.trigger is None or not self.trigger.trains:
            return self
        return self.model_copy(update={"trigger": self.trigger.trained(state)})

    @override
    def settled(self, data: Data) -> Goal:
        if self.trigger is not None:
            return self
        description = data.default_trigger()
        if description is None:
            raise ConfigError(
                f"goal.trigger: {name_of('data', data)} has none by default; e.g. "
                "-o 'goal.trigger={name: feature-values, columns: {0: 1}}'"
            )
        return self.model_copy(update={"trigger": build("trigger", description, Trigger)})

    @override
    def fitted(self, data: Data, dataset: Dataset) -> Goal:
        settled = self.settled(data)
        assert isinstance(settled, Backdoor)
        assert settled.trigger is not None
        target = class_number(self.target, dataset, "target", "goal")
        source = class_number(self.source, dataset, "source", "goal")
        if target is None:
            target = paper_attack(data, dataset).target
        if source == target:
            other = (target + 1) % len(dataset.classes)
            raise ConfigError(
                f"goal.source: is the target class, {target} ({dataset.classes[target]}); e.g. -o goal.source={other}"
            )
        trigger = settled.trigger.fitted(data, dataset)
        return self.model_copy(update={"trigger": trigger, "target": target, "source": source})

    @override
    def inputs(self, x: Tensor, part: int | None = None) -> Tensor:
        if self.trigger is None:
            raise ValueError("trigger: is taken from the data by `settled`; call that before, or give one")
        return stamped(self.trigger, x, part)

    @override
    def copies(self, own: int) -> int:
        return max(round(own * self.share / (1 - self.share)), 1)

    @override
    def wanted(self, y: Tensor) -> Tensor:
        target, source = _number(self.target), self.source
        return torch.where(y != target if source is None else y == _number(source), target, NOTHING)


def _number(value: int | str | None) -> int:
    """Return a class's number, which `fitted` has put in the place of its name."""
    if not isinstance(value, int):
        raise ValueError("target, source: are numbers once `fitted` has looked at the data; call that before")
    return value
