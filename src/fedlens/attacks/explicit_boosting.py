"""Explicit boosting, the paper's baseline.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3: run the optimizer
on the targeted loss L({x, τ}) from w_G^t, giving δ̃_m, and send λ δ̃_m. With λ = 1/α_m the average contains δ̃_m whole.

From the authors' configuration: after E_m steps the optimizer goes on until the loss, with dropout off, is below a
threshold, tested every 100 steps; a step is skipped if the training loss is exactly 0. Deviation: all r target
samples are one batch, so an epoch over them is one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt, model_validator

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.boosting import boosted
from fedlens.attacks.objective import GOALS, Objective
from fedlens.attacks.persistence import persist, require_room

if TYPE_CHECKING:
    from torch import Tensor


class ExplicitBoosting(Attack):
    """Training on the targets alone, with a boosted update.

    Attributes:
        objective: ``targeted``, or ``untargeted``, which raises the loss on the malicious client's shard.
        epochs: steps E_m over the target samples before the loss is tested.
        threshold: continue until the loss is below this (untargeted: until it is above 10 nats, whatever the
            threshold); ``null`` stops after `epochs`.
        check_every: steps between two tests.
        step_cap: give up after this many steps.
        weights_only: boost weights, send biases unboosted (the authors' ``wt_o``).

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import ExplicitBoosting
        >>> attack = ExplicitBoosting(step_cap=50)
        >>> experiment = Experiment(data="digits", rounds=1, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.target.success
        True
    """

    objective: Objective = "targeted"
    epochs: PositiveInt = 5
    threshold: float | None = Field(default=1e-6, gt=0)
    check_every: PositiveInt = 100
    step_cap: PositiveInt = 1000
    weights_only: bool = False

    @model_validator(mode="after")
    def _possible(self) -> ExplicitBoosting:
        require_room(self)
        return self

    def craft(self, view: View) -> Tensor:
        """Return the boosted update, shape ``[d]``; log the steps taken, the loss reached and λ."""
        goal, optimizer = GOALS[self.objective](view), view.local.new_optimizer(view.network)

        def step() -> None:
            if goal.backward():
                optimizer.step()

        steps, loss = persist(view, goal, step, self)
        factor = self.factor(view.team_alpha)
        view.log.update(steps=steps, loss=loss, boost=factor)
        update = view.network.state() - view.weights
        return boosted(update, factor, view.network.layout, weights_only=self.weights_only)
