"""PGD: training on poisoned samples within a ball around the global model.

H. Wang et al., *Attack of the Tails: Yes, You Really Can Backdoor Federated Learning* (NeurIPS 2020): projected
gradient descent on the poisoned shard, so that no server can tell the update by its length,

    w ← w_G + Π_ε(w − w_G)    after every k-th batch and at the end,

where Π_ε maps δ to δ · min(1, ε/‖δ‖₂) or, for L∞, every entry into [−ε, ε]. Then the update is sent as it is, or
boosted to replace the model. The authors' code has k = 10, ε = 3, and a learning rate of 0.02 for the attacker.

Deviations: their code lets ε shrink with the learning rate; here it stays. With boosting, ε bounds what is boosted, and
what is sent is λ times as long. Buffers that training changes are not projected. The ball is around the weights from
which training begins, which with ``estimate: pre`` are the expected ones.

The paper goes with samples that are rare, as ``target: {select: edge}`` chooses them; any other goal will do. It sees
its own samples alone. Any number of clients and attackers will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt
from typing_extensions import override

from fedlens.attacks.attack import Boost, View
from fedlens.attacks.poisoned_training import PoisonedTraining, Steering
from fedlens.core.lazy import torch
from fedlens.models.network import Network

if TYPE_CHECKING:
    from torch import Tensor

Ball = Literal["l2", "linf"]


def projected(update: Tensor, radius: float, norm: Ball) -> Tensor:
    """Return the nearest vector to `update` (``[p]``) in the ball of this radius around zero."""
    if norm == "linf":
        return update.clamp(-radius, radius)
    length = float(torch.linalg.vector_norm(update, dtype=torch.float64))
    return update if length <= radius else update * (radius / length)


def keep_within(network: Network, start: Tensor, radius: float, norm: Ball) -> None:
    """Project the network's parameters into the ball around `start`, of which the first p entries are parameters."""
    centre = start[: len(network.vector)]
    network.vector.data.copy_(centre + projected(network.vector.detach() - centre, radius, norm))


class Pgd(PoisonedTraining):
    """Training on poisoned samples, projected into a ball around the global model.

    Attributes:
        radius: ε; by default that of the authors' code.
        norm: the ball's: ``l2``, or ``linf`` for every entry by itself.
        every: k: batches from one projection to the next; there is one at the end in any case.
        boost: 1; ``auto`` replaces the global model.
        epochs: passes over the poisoned shard; by default as many as those of honest clients over theirs.
        learning_rate: learning rate on it; by default that of honest clients.
        data_rep: copies of each target sample; of a backdoor's samples, ``goal.share`` says how many there are.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import Pgd
        >>> plan = {"rounds": 1, "control": False, "local": {"epochs": 1}, "record": ["norms"]}
        >>> experiment = Experiment(data="digits", goal="backdoor", attack=Pgd(radius=0.5), **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> round(result.record.malicious.measure("norm"), 4)
        0.5
    """

    radius: float = Field(default=3.0, gt=0)
    norm: Ball = "l2"
    every: PositiveInt = 10
    boost: Boost = 1

    @override
    def _steering(self, view: View) -> Steering:
        last = self._plan(view.local).steps_for(len(view.shard))

        def weights(number: int) -> None:
            if number % self.every == 0 or number == last:
                keep_within(view.network, view.weights, self.radius, self.norm)

        return Steering(weights=weights)
