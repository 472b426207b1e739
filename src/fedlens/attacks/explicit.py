"""Explicit boosting, the paper's baseline.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3: run the optimizer
on the targeted loss L({x, τ}) from w_G^t, giving δ̃_m, and send λ δ̃_m. With λ = 1/α_m the average contains δ̃_m whole.

From the authors' configuration: after E_m steps the optimizer goes on until the loss, with dropout off, is below a
threshold, tested every 100 steps; a step is skipped where the training loss is exactly 0. Deviation: all r auxiliary
samples are one batch, so that an epoch over them is one step.
"""

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn import functional

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.boosting import boosted


class ExplicitBoosting(Attack):
    """Train on the targets alone and boost the update.

    Attributes:
        epochs: steps E_m over the auxiliary samples before the loss is tested.
        threshold: go on until the loss is below this; ``null`` stops after `epochs`.
        check_every: steps between two tests.
        step_cap: give up after this many steps.
        weights_only: boost weights, send biases unboosted (the authors' ``wt_o``).
    """

    epochs: PositiveInt = 5
    threshold: float | None = Field(default=1e-6, gt=0)
    check_every: PositiveInt = 100
    step_cap: PositiveInt = 1000
    weights_only: bool = False

    @model_validator(mode="after")
    def _cap_leaves_room(self) -> "ExplicitBoosting":
        if self.epochs > self.step_cap:
            raise ValueError(
                f"step_cap: {self.step_cap} is less than the {self.epochs} epochs, each of which is a step"
            )
        return self

    def craft(self, view: View) -> Tensor:
        """The boosted update, shape ``[d]``; logs the steps taken, the loss reached and λ."""
        steps, loss = self._minimise(view)
        factor = self.factor(view.alpha)
        view.log.update(steps=steps, loss=loss, boost=factor)
        update = view.network.vector.detach() - view.weights
        return boosted(update, factor, view.network.layout, weights_only=self.weights_only)

    def _minimise(self, view: View) -> tuple[int, float]:
        """Leave the malicious weights in `view.network`; the steps taken and the loss at the end."""
        network, samples = view.network, view.auxiliary
        optimizer = view.local.new_optimizer(network)
        steps, until = 0, self.epochs
        while True:
            with network.training(view.address.at("malicious", steps)):
                for _ in range(until - steps):
                    if network.backward(samples.x, samples.target) > 0:
                        optimizer.step()
            steps = until
            loss = float(functional.nll_loss(network.log_probabilities(samples.x), samples.target))
            if self.threshold is None or loss < self.threshold or steps >= self.step_cap:
                return steps, loss
            until = min(steps + self.check_every, self.step_cap)
