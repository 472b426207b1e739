"""A module bound to one flat vector: its parameters and gradients are views of two tensors of d entries.

Loading a model is one copy, an update is one subtraction, and an optimizer sees a single parameter. For optimizers that
treat every entry alike (SGD, Adam) the mathematics is the same as with one parameter per layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from fedlens.core.errors import ConfigError, named
from fedlens.core.layout import Layout, flatten
from fedlens.core.lazy import functional, nn, torch
from fedlens.core.origin import at
from fedlens.core.random import Address, seeded
from fedlens.core.registry import name_of
from fedlens.models.model import Model

if TYPE_CHECKING:
    from torch import Tensor


def build(model: Model, shape: tuple[int, ...], classes: int, address: Address) -> nn.Module:
    """Build the module that `model` describes, initialised from `address`.

    Raises:
        ConfigError: the model does not fit the data, or does not build a module whose parameters have values of one
            floating-point type.
    """
    with seeded(address):
        module = model.build(shape, classes)
    name = f"{name_of('model', model)}{at(model.build)}"
    if not isinstance(module, nn.Module):
        raise ConfigError(f"model: {name}: build gave {named(module)}; return a torch.nn.Module")
    parameters = dict(module.named_parameters())
    if without := [key for key, value in parameters.items() if nn.parameter.is_lazy(value) or value.is_meta]:
        remedy = "give layers their sizes, in place of those called Lazy, and build on the CPU"
        raise ConfigError(f"model: {name} has parameters without values ({', '.join(without[:3])}); {remedy}")
    if not any(value.numel() for value in parameters.values()):
        raise ConfigError(f"model: {name} has no parameters to train; e.g. -o model=census-mlp")
    types = {str(value.dtype): key for key, value in parameters.items()}
    if len(types) > 1 or not all(value.is_floating_point() for value in parameters.values()):
        names = ", ".join(f"{key} is {kind}" for kind, key in types.items())
        raise ConfigError(f"model: {name}: parameters are of one type of floating point; {names}; try .float()")
    return module


class Network:
    """A module whose parameters are views of `vector`, and their gradients views of `gradient`.

    Attributes:
        vector: the weights, shape ``[d]``; a leaf that an optimizer can step.
        gradient: their gradient after `backward`, shape ``[d]``.
        layout: the parameter that each entry belongs to.
        dropouts: its layers of dropout.

    Example:
        >>> import torch
        >>> from fedlens.models import Network
        >>> network = Network(torch.nn.Linear(2, 2, bias=False))
        >>> network.load(torch.zeros(4))
        >>> network.backward(torch.ones(1, 2), torch.tensor([0]))
        tensor(0.6931)
        >>> network.gradient
        tensor([-0.5000, -0.5000,  0.5000,  0.5000])
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval()
        self.layout = Layout.of(module)
        parameters = dict(module.named_parameters())
        self.vector = nn.Parameter(flatten(module))
        self.gradient = torch.zeros_like(self.vector)
        self.vector.grad = self.gradient
        weights, gradients = self.layout.split(self.vector.data), self.layout.split(self.gradient)
        for name, parameter in parameters.items():
            parameter.data, parameter.grad = weights[name], gradients[name]
        from fedlens.models.dropout import Dropout

        self.dropouts = [layer for layer in module.modules() if isinstance(layer, Dropout)]

    def load(self, weights: Tensor) -> None:
        """Load `weights` (shape ``[d]``) and forget the last gradient."""
        self.vector.data.copy_(weights)
        self.gradient.zero_()

    @contextmanager
    def training(self, address: Address) -> Iterator[None]:
        """Train with dropout on; its masks, and the global generators, start at `address`."""
        with self._training(source=address.at("dropout").generator()), seeded(address.at("torch")):
            yield

    @contextmanager
    def training_with(self, masks: Iterator[Tensor]) -> Iterator[None]:
        """Train with `masks` drawn in advance, one for each call of dropout."""
        with self._training(ready=masks):
            yield

    @contextmanager
    def _training(
        self, source: np.random.Generator | None = None, ready: Iterator[Tensor] | None = None
    ) -> Iterator[None]:
        """Train with masks from `source` or `ready`; see `Dropout`."""
        for dropout in self.dropouts:
            dropout.source, dropout.ready = source, ready
        self.module.train()
        try:
            yield
        finally:
            self.module.eval()
            for dropout in self.dropouts:
                dropout.source = dropout.ready = None

    @contextmanager
    def without_dropout(self) -> Iterator[None]:
        """Switch dropout off within the block."""
        training = self.module.training
        self.module.eval()
        try:
            yield
        finally:
            self.module.train(training)

    def backward(self, x: Tensor, y: Tensor, factor: float = 1) -> Tensor:
        """Return the mean cross-entropy of classes `y` (``[n]``) at inputs `x` (``[n, ...]``).

        `factor` times its gradient is left in `gradient`. The module gets a copy of `x`, as it may work in place.
        """
        self.gradient.zero_()
        loss = functional.cross_entropy(self.module(x.clone()), y)
        loss.backward(loss.new_tensor(factor))  # type: ignore[no-untyped-call]
        return loss.detach()

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Return log-probabilities ``[n, classes]`` at inputs `x` (``[n, ...]``), with dropout off.

        The module gets a copy of `x`.
        """
        self.module.eval()
        with torch.no_grad():
            return functional.log_softmax(self.module(x.clone()), dim=1)
