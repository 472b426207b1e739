"""A federation of a tenth of a second, to be audited."""

from typing import Any

from torch import nn

from fedlens.data.digits import Digits
from fedlens.experiment.experiment import Experiment
from fedlens.goals.target_samples import Target
from fedlens.models.model import Model
from fedlens.training.local import LocalTraining


class Narrow(Model):
    """A network of 1,210 weights for 8 × 8 pixels."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, classes))


BASE = Experiment(
    data=Digits(), model=Narrow(), clients=4, rounds=2, local=LocalTraining(steps=4), target=Target(select="random")
)


def audited(**changes: Any) -> Experiment:
    """The federation with some fields changed."""
    usual = {name: getattr(BASE, name) for name in BASE.model_fields_set}
    return Experiment(**usual | ({"target": Target()} if "goal" in changes else {}) | changes)
