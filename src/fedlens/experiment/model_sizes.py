"""How large the models are on a data set."""

from __future__ import annotations

from pathlib import Path

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.random import Address, seeded
from fedlens.core.registry import build
from fedlens.data.dataset import Data, Dataset
from fedlens.data.loading import load
from fedlens.models.model import Model


def dataset_called(name: str, directory: Path | None = None) -> Dataset:
    """Return the data set called `name`.

    Raises:
        ConfigError: there is no such data set.
        DataError: it cannot be loaded.
    """
    return load(build("data", name, Data), directory)


def model_size(model: type[Config], dataset: Dataset) -> tuple[int, int] | None:
    """Return a model's numbers of parameters p and of all entries d that travel, with its options at their defaults.

    ``None`` if it needs an option, or does not take such inputs.
    """
    from fedlens.models.network import Network
    from fedlens.models.trial import require_answer

    try:
        described = model()
        assert isinstance(described, Model)
        with seeded(Address.root(0)):
            module = described.build(dataset.shape, dataset.outputs)
            require_answer(Network(module), dataset.train.take(torch.zeros(1, dtype=torch.int64)), model.__name__)
    except ConfigError:
        return None
    layout = Layout.of(module)
    return layout.parameters.size, layout.size
