"""Optimizers of a flat vector.

The mathematics is PyTorch's, by its functional interface: the optimizer classes import a compiler when the first of
them is made, which takes a worker more than a second, and a step costs them twice the time on a small network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class Variable(Protocol):
    """What is optimised, such as a network; both of shape ``[d]``, or ``[n, d]`` for n of them.

    Of n, the last may be given up between two steps.
    """

    @property
    def vector(self) -> Tensor:
        """Its value, which a step changes in place."""

    @property
    def gradient(self) -> Tensor:
        """The gradient of the loss at this value."""


class Optimizer(Protocol):
    """Steps a variable's `vector` by its `gradient`."""

    def step(self) -> None:
        """Take one step."""


class Adam:
    """Kingma and Ba, *Adam: A Method for Stochastic Optimization* (ICLR 2015); β = 0.9, 0.999 and ε = 1e-8."""

    def __init__(self, variable: Variable, learning_rate: float) -> None:
        self._variable = variable
        self._learning_rate = learning_rate
        self._mean = torch.zeros_like(variable.gradient)
        self._square = torch.zeros_like(variable.gradient)
        self._steps = torch.zeros((), device=variable.gradient.device)

    def step(self) -> None:
        """See `Optimizer.step`."""
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


class Sgd:
    """Plain gradient descent."""

    def __init__(self, variable: Variable, learning_rate: float) -> None:
        self._variable = variable
        self._learning_rate = learning_rate

    def step(self) -> None:
        """See `Optimizer.step`."""
        self._variable.vector.data.add_(self._variable.gradient, alpha=-self._learning_rate)


OPTIMIZERS: Mapping[str, Callable[[Variable, float], Optimizer]] = {"adam": Adam, "sgd": Sgd}
