"""A data set of my own."""

from pathlib import Path

import torch
from pydantic import PositiveFloat

from fedlens import Data, Dataset, Samples


class MyData(Data):
    """Three clouds of points in the plane.

    Attributes:
        spread: standard deviation of a cloud.
    """

    spread: PositiveFloat = 0.3

    def load(self, directory: Path | None = None) -> Dataset:  # noqa: ARG002 - where --data-dir says that files are
        """The same samples every time: inputs ``[n, ...]`` float32, classes ``[n]`` int64 from 0."""
        generator = torch.Generator().manual_seed(1)
        centres = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])

        def draw(count: int) -> Samples:
            y = torch.arange(count) % 3
            return Samples(centres[y] + self.spread * torch.randn(count, 2, generator=generator), y)

        return Dataset(draw(1200), draw(300), classes=("top", "right", "bottom"), source=0, target=1)
