"""Optimizers of a flat vector.

The mathematics is PyTorch's, by its functional interface: the optimizer classes import a compiler on first
use, which takes a worker more than a second, and their steps take twice as long on a small network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class Variable(Protocol):
    """A vector to optimise, such as a network's; shape ``[d]``, or ``[n, d]`` for n networks.

    Of n, the last ones may be dropped between two steps.

    Example:
        >>> import torch
        >>> from fedlens.models import Network
        >>> network = Network(torch.nn.Linear(2, 1))  # is one
        >>> network.vector.shape == network.gradient.shape
        True
    """

    @property
    def vector(self) -> Tensor:
        """The value, which a step changes in place."""

    @property
    def gradient(self) -> Tensor:
        """The gradient of the loss at this value."""


class Optimizer(Protocol):
    """An optimizer, which steps a variable's `vector` by its `gradient`.

    Example:
        >>> import torch
        >>> from fedlens import LocalTraining
        >>> from fedlens.models import Network
        >>> network = Network(torch.nn.Linear(1, 2, bias=False))
        >>> network.load(torch.zeros(2))
        >>> loss = network.backward(torch.tensor([[1.0]]), torch.tensor([0]))
        >>> LocalTraining(optimizer="sgd", learning_rate=0.5).new_optimizer(network).step()
        >>> network.vector.data
        tensor([ 0.2500, -0.2500])
    """

    def step(self) -> None:
        """Take one step."""


class Adam(Optimizer):
    """Kingma and Ba, *Adam: A Method for Stochastic Optimization* (ICLR 2015); β = 0.9, 0.999 and ε = 1e-8."""

    def __init__(self, variable: Variable, learning_rate: float) -> None:
        self._variable = variable
        self._learning_rate = learning_rate
        self._mean = torch.zeros_like(variable.gradient)
        self._square = torch.zeros_like(variable.gradient)
        self._steps = torch.zeros((), device=variable.gradient.device)

    @override
    def step(self) -> None:
        from torch.optim.adam import adam

        count = len(self._variable.gradient)
        if count < len(self._mean):
            self._mean, self._square = self._mean[:count], self._square[:count]
        with torch.no_grad():
            adam(
                [self._variable.vector],
                [self._variable.gradient],
                [self._mean],
                [self._square],
                [],
                [self._steps],
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self._learning_rate,
                weight_decay=0,
                eps=1e-8,
                maximize=False,
            )


class Sgd(Optimizer):
    """Plain gradient descent."""

    def __init__(self, variable: Variable, learning_rate: float) -> None:
        self._variable = variable
        self._learning_rate = learning_rate

    @override
    def step(self) -> None:
        self._variable.vector.data.add_(self._variable.gradient, alpha=-self._learning_rate)


OPTIMIZERS: Mapping[str, Callable[[Variable, float], Optimizer]] = {"adam": Adam, "sgd": Sgd}
