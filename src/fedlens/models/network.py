"""A module bound to one flat vector: its parameters and gradients are views of two tensors of p entries.

Loading a model is one copy, an update is one subtraction, and an optimizer sees a single parameter. For optimizers that
treat every entry alike (SGD, Adam) the mathematics is the same as with one parameter per layer. Buffers that training
changes are copied to and from the module, as it may put other tensors in their place; in a vector, counters are whole
numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedlens.core.errors import ConfigError, named
from fedlens.core.layout import Layout, flatten, running_norms
from fedlens.core.lazy import functional, nn, torch
from fedlens.core.origin import at
from fedlens.core.random import Address, seeded
from fedlens.core.registry import name_of
from fedlens.kernels.loss import PLAIN, SQUARED, Criterion
from fedlens.models.model import Model
from fedlens.models.starting_weights import load_starting_weights

if TYPE_CHECKING:
    from torch import Tensor


def build(
    model: Model, shape: tuple[int, ...], classes: int, address: Address, directory: Path | None = None
) -> nn.Module:
    """Build the module that `model` describes, initialised from `address`; starting weights may be in `directory`.

    Raises:
        ConfigError: the model does not fit the data, or the file of its starting weights, or does not build a module
            whose parameters have values of one floating-point type.
    """
    with seeded(address):
        module = model.build(shape, classes)
    name = f"{name_of('model', model)}{at(model.definition)}"
    if not isinstance(module, nn.Module):
        raise ConfigError(f"model: {name}: build gave {named(module)}; return a torch.nn.Module")
    parameters = dict(module.named_parameters())
    tensors = {**parameters, **dict(module.named_buffers())}
    if without := [key for key, value in tensors.items() if nn.parameter.is_lazy(value) or value.is_meta]:
        remedy = "give layers their sizes, in place of those called Lazy, and build on the CPU"
        raise ConfigError(f"model: {name} has parameters without values ({', '.join(without[:3])}); {remedy}")
    if not any(value.numel() for value in parameters.values() if value.requires_grad):
        raise ConfigError(f"model: {name} has no parameters to train; e.g. -o model=census-mlp")
    types = {str(value.dtype): key for key, value in parameters.items()}
    if len(types) > 1 or not all(value.is_floating_point() for value in parameters.values()):
        names = ", ".join(f"{key} is {kind}" for kind, key in types.items())
        raise ConfigError(f"model: {name}: parameters are of one type of floating point; {names}; try .float()")
    if model.weights is not None:
        load_starting_weights(module, model.weights, name_of("model", model), directory)
    return module


class Network:
    """A module whose parameters are views of `vector`, and their gradients views of `gradient`.

    Attributes:
        vector: the parameters, shape ``[p]``; a leaf that an optimizer can step.
        gradient: their gradient after `backward`, shape ``[p]``.
        layout: what each entry of the `state` is, shape ``[d]``: the p parameters, then the buffers that training
            changes, if there are any.
        dropouts: its layers of dropout.
        regression: whether it predicts a quantity, standardised, rather than classes.

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
        trained = self.layout.parameters
        self._running = self.layout.slices[len(trained.slices) :]
        self.vector = nn.Parameter(flatten(module)[: trained.size].clone())
        self.gradient = torch.zeros_like(self.vector)
        self.vector.grad = self.gradient
        weights, gradients = trained.split(self.vector.data), trained.split(self.gradient)
        for name, values in weights.items():
            parameters[name].data, parameters[name].grad = values, gradients[name]
        from fedlens.models.dropout import Dropout
        from fedlens.models.head import Prediction

        self.regression = any(isinstance(layer, Prediction) for layer in module.modules())
        self.dropouts = [layer for layer in module.modules() if isinstance(layer, Dropout)]

    def load(self, weights: Tensor) -> None:
        """Load `weights` (shape ``[d]``) and forget the last gradient."""
        self._put(weights)
        self.gradient.zero_()

    def state(self) -> Tensor:
        """Return a copy of what `load` loads, shape ``[d]``: the parameters, then the buffers that training changes."""
        buffers = [self.module.get_buffer(part.name).detach().reshape(-1) for part in self._running]
        return torch.cat([self.vector.detach(), *(buffer.to(self.vector) for buffer in buffers)])

    def _put(self, state: Tensor) -> None:
        if state.shape != (self.layout.size,):
            raise ValueError(f"expected a vector of {self.layout.size} entries, got shape {tuple(state.shape)}")
        self.vector.data.copy_(state[: len(self.vector)])
        with torch.no_grad():
            for part in self._running:
                values = part.shaped(state[part.start : part.stop])
                self.module.get_buffer(part.name).copy_(values.round() if part.kind == "counter" else values)

    @contextmanager
    def at(self, weights: Tensor) -> Iterator[None]:
        """Work at other `weights` (shape ``[d]``) within the block; the gradient that it leaves stays."""
        present = self.state()
        self._put(weights)
        try:
            yield
        finally:
            self._put(present)

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

    @contextmanager
    def fixed_statistics(self) -> Iterator[None]:
        """Let normalisation layers use their running statistics within the block, and leave them as they are."""
        layers = [layer for layer in running_norms(self.module) if layer.training]
        for layer in layers:
            layer.training = False
        try:
            yield
        finally:
            for layer in layers:
                layer.training = True

    def backward(self, x: Tensor, y: Tensor, factor: float = 1, criterion: Criterion | None = None) -> Tensor:
        """Return the loss, by default `plain`, of labels `y` (``[n]``) at inputs `x` (``[n, ...]``).

        `factor` times its gradient is left in `gradient`. The module gets a copy of `x`, as it may work in place.
        """
        self.gradient.zero_()
        loss = (criterion or self.plain)(self.module(x.clone()), y)
        # A gradient handed to `backward` would make PyTorch import SymPy, which takes half a second.
        (loss * factor).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    @property
    def plain(self) -> Criterion:
        """The loss of evaluation: mean cross-entropy, or of a regression the mean squared error."""
        return SQUARED if self.regression else PLAIN

    def loss(self, x: Tensor, y: Tensor) -> float:
        """Return that loss of labels `y` (``[n]``) at inputs `x` (``[n, ...]``), with dropout off."""
        predictions = self.predictions(x)
        return float(SQUARED(predictions, y) if self.regression else functional.nll_loss(predictions, y))

    def predictions(self, x: Tensor) -> Tensor:
        """Return log-probabilities ``[n, classes]`` at inputs `x` (``[n, ...]``), or quantities ``[n, 1]``."""
        if not self.regression:
            return self.log_probabilities(x)
        self.module.eval()
        with torch.no_grad():
            predictions: Tensor = self.module(x.clone())
            return predictions

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Return log-probabilities ``[n, classes]`` at inputs `x` (``[n, ...]``), with dropout off.

        The module gets a copy of `x`.
        """
        self.module.eval()
        with torch.no_grad():
            return functional.log_softmax(self.module(x.clone()), dim=1)
