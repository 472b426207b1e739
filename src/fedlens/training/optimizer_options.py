"""The optimizers of local training, and their options, which are PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from fedlens.core.config import Config
from fedlens.core.named import Named
from fedlens.training.optimizers import Adam, Optimizer, Sgd, Variable

Beta = Annotated[float, Field(ge=0, lt=1)]


class SgdOptions(Config):
    """Gradient descent.

    Attributes:
        momentum: what is kept of the last step's velocity.
        dampening: share of the gradient that the velocity does not take, from the second step on.
        nesterov: look ahead along the velocity.
        weight_decay: this times the weights is added to the gradient (an L2 penalty).

    Example:
        >>> from fedlens import LocalTraining
        >>> LocalTraining(optimizer={"name": "sgd", "momentum": 0.9}).optimizer.momentum
        0.9
    """

    momentum: Beta = 0.0
    dampening: Annotated[float, Field(ge=0, le=1)] = 0.0
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _with_momentum(self) -> SgdOptions:
        if not self.momentum and (self.nesterov or self.dampening):
            said = "nesterov" if self.nesterov else "dampening"
            raise ValueError(f"{said}: is of momentum, which is 0; e.g. -o local.optimizer.momentum=0.9")
        if self.nesterov and self.dampening:
            raise ValueError("nesterov: goes without dampening; e.g. -o local.optimizer.dampening=0")
        return self

    def new(self, variable: Variable, learning_rate: float) -> Optimizer:
        """Create the optimizer of a variable."""
        return Sgd(
            variable,
            learning_rate,
            momentum=self.momentum,
            dampening=self.dampening,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )


class AdamOptions(Config):
    """Adam.

    Attributes:
        betas: what the means of gradients and of their squares keep from step to step.
        eps: what is added to the root of the latter.
        weight_decay: this times the weights is added to the gradient (an L2 penalty).

    Example:
        >>> from fedlens import LocalTraining
        >>> LocalTraining(optimizer={"name": "adam", "weight_decay": 1e-4}).optimizer.betas
        (0.9, 0.999)
    """

    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.0

    def new(self, variable: Variable, learning_rate: float) -> Optimizer:
        """Create the optimizer of a variable."""
        return Adam(variable, learning_rate, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay)


class AdamWOptions(Config):
    """Adam, with weights that decay by themselves: Loshchilov and Hutter (ICLR 2019).

    Attributes:
        betas: what the means of gradients and of their squares keep from step to step.
        eps: what is added to the root of the latter.
        weight_decay: this times the learning rate is the share of the weights that a step takes away.

    Example:
        >>> from fedlens import LocalTraining
        >>> LocalTraining(optimizer={"name": "adamw", "eps": 1e-6}).optimizer.weight_decay
        0.01
    """

    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.01

    def new(self, variable: Variable, learning_rate: float) -> Optimizer:
        """Create the optimizer of a variable."""
        return Adam(
            variable, learning_rate, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, decoupled=True
        )


OptimizerOptions = SgdOptions | AdamOptions | AdamWOptions

OPTIMIZERS: Mapping[str, type[OptimizerOptions]] = {"adam": AdamOptions, "sgd": SgdOptions, "adamw": AdamWOptions}

OptimizerField = Annotated[Literal["adam", "sgd", "adamw"] | OptimizerOptions, Named("local.optimizer", OPTIMIZERS)]


def optimizer_options(held: str | OptimizerOptions) -> OptimizerOptions:
    """Return an optimizer's options, which are the defaults of one that is given by its name alone."""
    return OPTIMIZERS[held]() if isinstance(held, str) else held
