"""Small federations for whole audits, whose network learns in one round."""

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fedlens.data.adult import Adult
from fedlens.data.dataset import Data, Dataset
from fedlens.experiment.experiment import Experiment
from fedlens.models.model import Model
from fedlens.training.local import LocalTraining

PEOPLE, JUDGED = 1000, 3000
"""Training samples of each client, and samples that the model is judged by."""


class Neighbourhood(Data):
    """The first so many people of the Adult census data, in a shuffled order.

    Attributes:
        people: of the training samples.
    """

    people: int

    def load(self, directory: Path | None = None) -> Dataset:
        whole = Adult().load(directory)
        chosen, judged = (
            torch.from_numpy(np.random.default_rng(27).permutation(len(part))[:count])
            for part, count in ((whole.train, self.people), (whole.test, JUDGED))
        )
        return replace(whole.reduced(chosen), test=whole.test.take(judged))


class Slim(Model):
    """A network of one hidden layer.

    Attributes:
        width: units in that layer.
    """

    width: int = 8

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        inputs = prod(shape)
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, self.width), nn.ReLU(), nn.Linear(self.width, classes))


def neighbours(**changes: Any) -> Experiment:
    """Ten households of census data, a thousand people each; with some fields changed."""
    usual = {
        "data": Neighbourhood(people=10 * PEOPLE),
        "model": Slim(),
        "rounds": 1,
        "local": LocalTraining(steps=60, batch_size=100, learning_rate=0.01),
    }
    return Experiment(**(usual | changes))


def pupils(**changes: Any) -> Experiment:
    """Ten shards of 143 handwritten digits, where a median leaves one client next to nothing; likewise."""
    usual = {
        "data": "digits",
        "model": Slim(width=64),
        "rounds": 1,
        "local": LocalTraining(steps=100, batch_size=20, learning_rate=0.01),
    }
    return Experiment(**(usual | changes))
