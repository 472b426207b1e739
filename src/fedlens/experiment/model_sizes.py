"""How large the models are on a data set."""

from __future__ import annotations

from pathlib import Path

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address, seeded
from fedlens.core.registry import build
from fedlens.data.dataset import Data
from fedlens.data.loading import load
from fedlens.models.model import Model


def data_shape(name: str, directory: Path | None = None) -> tuple[tuple[int, ...], int]:
    """Return the shape of an input of the data set called `name`, and the number of its classes, or 1 of a regression.

    Raises:
        ConfigError: there is no such data set.
        DataError: it cannot be loaded.
    """
    dataset = load(build("data", name, Data), directory)
    return dataset.shape, dataset.outputs


def model_size(model: type[Config], shape: tuple[int, ...], classes: int) -> tuple[int, int] | None:
    """Return a model's numbers of parameters p and of all entries d that travel, with its options at their defaults.

    ``None`` if it needs an option, or does not take inputs of this shape.
    """
    try:
        described = model()
        assert isinstance(described, Model)
        with seeded(Address.root(0)):
            layout = Layout.of(described.build(shape, classes))
    except ConfigError:
        return None
    return layout.parameters.size, layout.size
