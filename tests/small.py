"""Experiments that take a second, for tests that need a whole federation."""

from torch import nn

from fedlens.attacks.explicit import ExplicitBoosting
from fedlens.data.digits import Digits
from fedlens.experiment import Experiment
from fedlens.federation.local import LocalTraining
from fedlens.federation.target import Target
from fedlens.models.model import Model


class Convolutions(Model):
    """A convolutional network for 8 × 8 pixels, with PyTorch's own initialisation and dropout."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(shape[0], 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * 36, classes)
        )


BASE = Experiment(
    name="small",
    data=Digits(),
    clients=4,
    rounds=3,
    local=LocalTraining(epochs=1, batch_size=50),
    attack=ExplicitBoosting(step_cap=105),
    target=Target(select="random"),
    control=False,
)


def small(**changes: object) -> Experiment:
    """The small experiment with some fields changed, validated again."""
    values = {name: getattr(BASE, name) for name in Experiment.model_fields}
    return Experiment(**(values | changes))  # type: ignore[arg-type]
