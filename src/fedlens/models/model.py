"""A model's description, and the initialisation that the paper's models share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationInfo, field_validator

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.lazy import nn
from fedlens.data.user_files import recorded_path


class Model(Config):
    """A model's description; derive from it to bring your own.

    Attributes:
        weights: a file of safetensors with the starting weights, parameters and buffers by their names, relative to the
            experiment's file, to the data directory or the working directory; by default `build` draws them.

    Example:
        >>> from torch import nn
        >>> from fedlens import Model
        >>> class Linear(Model):
        ...     def build(self, shape, classes):
        ...         return nn.Linear(*shape, classes)
        >>> Linear().build((104,), 2)
        Linear(in_features=104, out_features=2, bias=True)
    """

    later: ClassVar[frozenset[str]] = frozenset({"weights"})

    weights: Path | None = None

    @field_validator("weights", mode="before")
    @classmethod
    def _recorded(cls, value: Any, info: ValidationInfo) -> Any:
        """Record the path as `recorded_path` has it."""
        return recorded_path(str(value), info.context, "model", "weights") if isinstance(value, str | Path) else value

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build a freshly initialised network from inputs ``[n, *shape]`` to logits ``[n, classes]``.

        Random draws come from the global generators of PyTorch, NumPy or Python, which the caller has seeded.
        Parameters that are not frozen, and buffers that training changes, travel between clients and server; nothing
        else may change.

        Raises:
            ConfigError: the model does not take inputs of this shape.
        """
        raise NotImplementedError

    @property
    def definition(self) -> Callable[..., object]:
        """What the user has written of it, for messages to say where."""
        return self.build


def glorot_uniform(module: nn.Module) -> nn.Module:
    """Initialise linear and convolutional layers as Glorot and Bengio (AISTATS 2010): uniform weights, zero biases.

    These are the defaults of Keras, with which the authors worked.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def require_images(name: str, shape: tuple[int, ...], smallest: int) -> None:
    """Check that inputs are images large enough for the layers of model `name`.

    Raises:
        ConfigError: they are not.
    """
    if len(shape) != 3 or min(shape[1:]) < smallest:
        minimum = f"images of at least {smallest} × {smallest} pixels"
        raise ConfigError(
            f"model: {name} wants {minimum}, this data has inputs of shape {shape}; e.g. -o model=census-mlp"
        )
