"""Implicit boosting: the averaging is part of the loss.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3: the update δ itself
is the variable. Minimise L({x, τ}; w_G^t + α_m δ) over δ; by the chain rule the gradient is α_m ∇_w L. The minimiser is
sent as it is, and if the others send zero, the global model is w_G^t + α_m δ, where the loss is small.

In general the loss is evaluated at w_G^t + δ / λ, so that a boosting factor other than 1/α_m means here what it means
for explicit boosting. How long the optimizer goes on is as for explicit boosting. An optimizer that is indifferent to
the gradient's scale, such as Adam, needs about λ times the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveInt, model_validator

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.objective import Targeted
from fedlens.attacks.persistence import persist, require_room
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Update:
    """An update as the variable of an optimizer.

    Attributes:
        vector: the update δ, shape ``[p]``: added up by itself, as w + δ / λ would round its steps away for a large λ.
        gradient: gradient with respect to δ, shape ``[p]``.
    """

    vector: Tensor
    gradient: Tensor


class ImplicitBoosting(Attack):
    """Optimisation of the update itself, through the averaging that will shrink it.

    Attributes:
        epochs: steps E_m over the target samples before the loss is tested.
        threshold: continue until the loss is below this; ``null`` stops after `epochs`.
        check_every: steps between two tests.
        step_cap: give up after this many steps.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import ImplicitBoosting
        >>> attack = ImplicitBoosting(epochs=30, threshold=None)
        >>> experiment = Experiment(data="digits", rounds=1, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.malicious.attack.log["steps"]
        30
    """

    aims: ClassVar[bool] = True

    epochs: PositiveInt = 5
    threshold: float | None = Field(default=1e-6, gt=0)
    check_every: PositiveInt = 100
    step_cap: PositiveInt = 1000

    @model_validator(mode="after")
    def _possible(self) -> ImplicitBoosting:
        require_room(self)
        return self

    def craft(self, view: View) -> Tensor:
        """Return the update δ, shape ``[d]``; log the steps taken, the loss at w + δ / λ, and λ."""
        network, factor = view.network, self.factor(view.team_alpha)
        start = view.weights[: len(network.vector)]
        update = Update(torch.zeros_like(start), network.gradient)
        goal, optimizer = Targeted(view), view.local.new_optimizer(update)

        def step() -> None:
            if goal.backward(1 / factor):  # the chain rule's factor
                optimizer.step()
                torch.add(start, update.vector, alpha=1 / factor, out=network.vector.data)

        steps, loss = persist(view, goal, step, self)
        view.log.update(steps=steps, loss=loss, boost=factor)
        return torch.cat([update.vector, (network.state() - view.weights)[len(start) :]])
