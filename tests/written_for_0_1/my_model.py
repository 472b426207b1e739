"""A model of my own."""

from math import prod

from pydantic import PositiveInt
from torch import nn

from fedlens import Model


class MyModel(Model):
    """One hidden layer.

    Attributes:
        width: its units.
    """

    width: PositiveInt = 32

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """A fresh module from inputs ``[n, *shape]`` to logits ``[n, classes]``."""
        layers = (nn.Linear(prod(shape), self.width), nn.ReLU(), nn.Linear(self.width, classes))
        return nn.Sequential(nn.Flatten(), *layers)
