"""Simultaneous training, which the authors call concatenated: both objectives in every batch.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3: append the target
samples with their target classes to every batch of the shard, train for E_m epochs, and boost the whole update by λ.

Deviation: the authors' public code for this strategy boosts separate malicious steps and concatenates nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.boosting import boosted
from fedlens.core.lazy import torch
from fedlens.data.dataset import Samples
from fedlens.goals.success import TargetSamples
from fedlens.training.local import batches

if TYPE_CHECKING:
    from torch import Tensor


class SimultaneousTraining(Attack):
    """Training on the shard with the targets in every batch, with the whole update boosted.

    Attributes:
        epochs: passes E_m over the shard.
        weights_only: boost weights, send biases unboosted (the authors' ``wt_o``).

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import SimultaneousTraining
        >>> attack = SimultaneousTraining(epochs=2, boost=5)
        >>> experiment = Experiment(data="digits", rounds=1, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.malicious.attack.log["steps"], result.record.malicious.attack.log["boost"]
        (4, 5.0)
    """

    aims: ClassVar[bool] = True

    epochs: PositiveFloat = 5
    weights_only: bool = False

    def craft(self, view: View) -> Tensor:
        """Return the boosted update, shape ``[d]``; log the steps taken and λ."""
        network, optimizer = view.network, view.local.new_optimizer(view.network)
        plan = view.local.over(self.epochs)
        with network.training(view.address):
            for batch in batches(view.shard, plan, view.address):
                both = with_targets(batch, view.auxiliary)
                network.backward(both.x, both.y, criterion=plan.criterion)
                optimizer.step()
        factor = self.factor(view.team_alpha)
        view.log.update(steps=plan.steps_for(len(view.shard)), boost=factor)
        return boosted(network.state() - view.weights, factor, network.layout, weights_only=self.weights_only)


def with_targets(samples: Samples, targets: TargetSamples, copies: int = 1) -> Samples:
    """Append `copies` of the target samples to `samples`, labelled as their target classes."""
    return Samples(torch.cat([samples.x, *[targets.x] * copies]), torch.cat([samples.y, *[targets.target] * copies]))
