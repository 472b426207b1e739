"""Dynamic label flipping: every sample is labelled as what it least seems to be.

V. Shejwalkar, A. Houmansadr, P. Kairouz and D. Ramage, *Back to the Drawing Board: A Critical Evaluation of Poisoning
Attacks on Production Federated Learning* (IEEE S&P 2022). The attackers pool their data and train a surrogate θ̂ of the
global model on it; the label of a sample x becomes the class that this finds least likely,

    y ← argmin_c p_θ̂(c | x),

and each then trains on its own samples as honest clients do.

*Ours*: the surrogate starts from the global weights of each round and trains once more as a client would, on all of the
team's samples, for `epochs` passes (which the paper leaves open); of equal probabilities, the lowest class is taken.
Stragglers among attackers do the whole of their work.

*Sees* its team's data, and with them what its members would send, of which it makes no use. It needs neither the rule
nor n; m ≥ 1. The members train one after the other, also where honest clients train side by side. It moves the model
more than a fixed map does, and yet like it has to be many under the mean. It keeps nothing from round to round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat
from typing_extensions import override

from fedlens.attacks.attack import Attack, Sight
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch
from fedlens.data.dataset import Samples
from fedlens.training.local import train

if TYPE_CHECKING:
    from torch import Tensor

    from fedlens.models.network import Network

BATCH = 1000


class DynamicLabelFlipping(Attack):
    """Honest training on samples that are labelled as the class that they least seem to be.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        epochs: passes of the surrogate over the team's samples; ``null`` for as many steps or passes as clients make.
        boost: 1; members send what they trained.

    Example:
        >>> import torch
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import DynamicLabelFlipping
        >>> from fedlens.attacks.dynamic_label_flipping import least_likely
        >>> least_likely(torch.tensor([[0.7, 0.2, 0.1]]).log())
        tensor([2])
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=DynamicLabelFlipping(), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.attack.log["flipped"] > 100 for client in result.record.attackers]
        [True, True]
    """

    sight: ClassVar[Sight] = "team"

    objective: OnlyUntargeted = "untargeted"
    epochs: PositiveFloat | None = None
    boost: Literal[1] = 1

    @override
    def collude(self, team: Team) -> Crafted:
        shards = [member.shard for member in team.members]
        pooled = Samples(torch.cat([shard.x for shard in shards]), torch.cat([shard.y for shard in shards]))
        plan = team.local if self.epochs is None else team.local.over(self.epochs)
        train(team.network, team.received, pooled, plan, team.address.at("surrogate"))
        labels = [least_likely_classes(team.network, shard.x) for shard in shards]
        updates = torch.empty_like(team.honest)
        for row, member, y in zip(updates, team.members, labels, strict=True):
            member.log["flipped"] = int((y != member.shard.y).sum())
            row.copy_(train(team.network, team.received, Samples(member.shard.x, y), team.local, member.address))
        return Crafted(updates)


def least_likely(log_probabilities: Tensor) -> Tensor:
    """Return the class of the lowest log-probability (``[n, classes]``), shape ``[n]``; of equals, the lowest."""
    return (log_probabilities == log_probabilities.amin(dim=1, keepdim=True)).int().argmax(dim=1)


def least_likely_classes(network: Network, x: Tensor) -> Tensor:
    """Return the class that the network finds least likely of each input (``[n, ...]``), shape ``[n]``."""
    return torch.cat([least_likely(network.log_probabilities(part)) for part in torch.split(x, BATCH)])
