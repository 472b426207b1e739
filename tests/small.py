"""Experiments that take a second, for tests that need a whole federation.

Not one of `helpers`, as a pinned identity names `small:Convolutions`.
"""

from torch import nn

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.data.digits import Digits
from fedlens.data.partition import Dirichlet
from fedlens.defences.krum import Krum
from fedlens.experiment.experiment import Experiment
from fedlens.goals.target_samples import Target
from fedlens.models.model import Model
from fedlens.training.local import LocalTraining


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


def lopsided(**changes: object) -> Experiment:
    """Clients of one class each, more or less, and a rule that takes one of them: no model ever learns all classes."""
    attack = ExplicitBoosting(step_cap=105, boost=2)
    local = LocalTraining(epochs=6, batch_size=50)
    fixed = {"clients": 5, "partition": Dirichlet(alpha=0.1), "aggregation": Krum(f=1), "local": local}
    return small(**(fixed | {"attack": attack, "control": True, "target": UNLEARNT} | changes))


UNLEARNT, LEARNT = Target(source=0, target=2), Target(source=1, target=2)
"""A class that the lopsided model does not learn in three rounds from seed 0, and one that it does."""
