from pathlib import Path

import torch
from pydantic import PositiveFloat
from torch import nn

from fedlens import Data, Dataset, Model, Samples


class Clouds(Data):
    """Three clouds of points in the plane.

    Attributes:
        spread: standard deviation of a cloud.
    """

    spread: PositiveFloat = 0.3

    def load(self, directory: Path | None = None) -> Dataset:
        """The data: 600 training and 300 test samples."""
        generator = torch.Generator().manual_seed(1)
        centres = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])

        def draw(count: int) -> Samples:
            y = torch.arange(count) % 3
            return Samples(centres[y] + self.spread * torch.randn(count, 2, generator=generator), y)

        return Dataset(draw(600), draw(300), classes=("top", "right", "bottom"), source=0, target=1)


class Shallow(Model):
    """One hidden layer."""

    width: int = 16

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """See `Model.build`."""
        return nn.Sequential(nn.Linear(*shape, self.width), nn.ReLU(), nn.Linear(self.width, classes))
