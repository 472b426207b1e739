"""Optimizers of a flat vector.

The mathematics is PyTorch's, by its functional interface: the optimizer classes import a compiler on first
use, which takes a worker more than a second, and their steps take twice as long on a small network.
"""

from __future__ import annotations

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
    """Kingma and Ba, *Adam: A Method for Stochastic Optimization* (ICLR 2015).

    With `decoupled` weight decay it is AdamW: Loshchilov and Hutter, *Decoupled Weight Decay Regularization* (ICLR
    2019).
    """

    def __init__(
        self,
        variable: Variable,
        learning_rate: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled: bool = False,
    ) -> None:
        self._variable = variable
        self._learning_rate = learning_rate
        self._betas, self._eps, self._weight_decay, self._decoupled = betas, eps, weight_decay, decoupled
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
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=self._learning_rate,
                weight_decay=self._weight_decay,
                eps=self._eps,
                maximize=False,
                decoupled_weight_decay=self._decoupled,
            )


class Sgd(Optimizer):
    """Gradient descent, with momentum as PyTorch has it.

    Sutskever et al., *On the Importance of Initialization and Momentum in Deep Learning* (ICML 2013); deviation: the
    learning rate is a factor of the velocity, not of what is added to it.
    """

    def __init__(
        self,
        variable: Variable,
        learning_rate: float,
        *,
        momentum: float = 0,
        dampening: float = 0,
        nesterov: bool = False,
        weight_decay: float = 0,
    ) -> None:
        self._variable = variable
        self._learning_rate = learning_rate
        self._momentum, self._dampening, self._nesterov = momentum, dampening, nesterov
        self._weight_decay = weight_decay
        self._velocity: Tensor | None = None

    @override
    def step(self) -> None:
        vector, gradient = self._variable.vector.data, self._variable.gradient
        if self._weight_decay:
            gradient = gradient.add(vector, alpha=self._weight_decay)
        if self._momentum:
            gradient = self._along(gradient)
        vector.add_(gradient, alpha=-self._learning_rate)

    def _along(self, gradient: Tensor) -> Tensor:
        """Return the direction of a step with momentum, at this gradient."""
        if self._velocity is None:
            self._velocity = gradient.clone()
        else:
            self._velocity = self._velocity[: len(gradient)]
            self._velocity.mul_(self._momentum).add_(gradient, alpha=1 - self._dampening)
        return gradient.add(self._velocity, alpha=self._momentum) if self._nesterov else self._velocity
