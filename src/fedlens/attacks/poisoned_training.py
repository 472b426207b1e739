"""Local training on poisoned samples that an attack steers: what backdoor attacks on local training have in common.

The shard is poisoned as by `fedlens.attacks.data_poisoning`. Training is that of honest clients with two additions: an
attack may change the gradient before a step and the weights after it. Without either it is the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import PositiveFloat
from typing_extensions import override

from fedlens.attacks.attack import View
from fedlens.attacks.boosting import boosted
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, batches

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Steering:
    """What an attack changes of the training of a network.

    Attributes:
        gradient: called when a batch's gradient is in the network, which it may change in place.
        weights: called after a step, with its number from 1; it may change the network's `vector` in place.
    """

    gradient: Callable[[], None] | None = None
    weights: Callable[[int], None] | None = None


def steered(
    network: Network,
    weights: Tensor,
    samples: Samples,
    plan: LocalTraining,
    address: Address,
    *,
    steering: Steering = Steering(),
) -> Tensor:
    """Train from `weights` (``[d]``) as `fedlens.training.local.train` does, and steer; return the update, ``[d]``."""
    network.load(weights)
    optimizer, criterion = plan.new_optimizer(network), plan.criterion
    with network.training(address):
        for number, batch in enumerate(batches(samples, plan, address), start=1):
            network.backward(batch.x, batch.y, criterion=criterion)
            if steering.gradient is not None:
                steering.gradient()
            optimizer.step()
            if steering.weights is not None:
                steering.weights(number)
    return network.state() - weights


class PoisonedTraining(DataPoisoning):
    """Training on poisoned samples; derive from it to steer that.

    Attributes:
        epochs: passes over the poisoned shard; by default as many as those of honest clients over theirs.
        learning_rate: learning rate on it; by default that of honest clients.
    """

    epochs: PositiveFloat | None = None
    learning_rate: PositiveFloat | None = None

    @override
    def craft(self, view: View) -> Tensor:
        plan = self._plan(view.local)
        steering = self._steering(view)
        update = steered(view.network, view.weights, view.shard, plan, view.address, steering=steering)
        factor = self._boost(update[: len(view.network.vector)], view)
        view.log.update(steps=plan.steps_for(len(view.shard)), boost=factor)
        return boosted(update, factor, view.network.layout, weights_only=False)

    def _plan(self, local: LocalTraining) -> LocalTraining:
        """Return how it trains, where honest clients do so by the plan `local`."""
        plan = local if self.epochs is None else local.over(self.epochs)
        return plan if self.learning_rate is None else plan.model_copy(update={"learning_rate": self.learning_rate})

    def _steering(self, view: View) -> Steering:  # noqa: ARG002 - derived classes use it
        """Return what is changed of training; by default nothing."""
        return Steering()

    def _boost(self, update: Tensor, view: View) -> float:  # noqa: ARG002 - derived classes use it
        """Return the boosting factor λ of what was trained, of which `update` has the parameters, shape ``[p]``."""
        return self.factor(view.team_alpha)
