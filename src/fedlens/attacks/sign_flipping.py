"""Sign flipping: the honest way, turned round; against the model as a whole.

L. Li, W. Xu, T. Chen, G. B. Giannakis and Q. Ling, *RSA: Byzantine-Robust Stochastic Aggregation Methods for
Distributed Learning from Heterogeneous Datasets* (AAAI 2019), have attackers send their own message multiplied by a
negative number; cited from memory. Three things go by the name:

- ``own``: δ = −c δ_own, the default;
- ``mean``: δ = −c mean_{i ∈ B} δ_i of the honest clients B, which is inner product manipulation with ε = c;
- ``gradient``: local training in which every batch takes a step up the loss in place of down, and c times the update.

With c = 1 and m of n equal clients attacking, the mean keeps (n − 2m)/n of the step that it would take.

*Ours*: with ``gradient``, a batch whose loss is above `fedlens.attacks.objective.CEILING` takes no step, as
cross-entropy has no upper bound.

*Sees* its own data; with ``mean`` all honest updates. It needs neither the rule nor n; m ≥ 1. A rule that drops what
points the other way is not impressed. It keeps nothing from round to round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from fedlens.attacks.attack import Attack, Sight, View
from fedlens.attacks.inner_product_manipulation import manipulated
from fedlens.attacks.objective import CEILING, OnlyUntargeted
from fedlens.attacks.team import Crafted, Team
from fedlens.training.local import batches

if TYPE_CHECKING:
    from torch import Tensor


class SignFlipping(Attack):
    """Updates against the honest way.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        c: by how much the update is multiplied.
        flips: what is turned round: its ``own`` honest update, the ``mean`` of all honest clients, or every
            ``gradient`` of its training.
        boost: 1; see `c`.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import SignFlipping
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=SignFlipping(c=3), attackers={"share": 0.3}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.client for client in result.record.attackers]
        [7, 8, 9]
    """

    later: ClassVar[frozenset[str]] = frozenset({"flips"})

    objective: OnlyUntargeted = "untargeted"
    c: float = Field(default=1.0, gt=0)
    flips: Literal["own", "mean", "gradient"] = "own"
    boost: Literal[1] = 1

    @property
    def sight(self) -> Sight:  # type: ignore[override]
        """What it sees: the mean is of all honest clients."""
        return "all" if self.flips == "mean" else "own"

    @property
    @override
    def colludes(self) -> bool:
        return self.flips == "mean"

    @override
    def craft(self, view: View) -> Tensor:
        view.log.update(steps=view.local.steps_for(len(view.shard)))
        return self.c * ascended(view) if self.flips == "gradient" else -self.c * view.train()

    @override
    def collude(self, team: Team) -> Crafted:
        assert team.others is not None, "its sight is all"
        return Crafted(manipulated(team.others, self.c).expand_as(team.honest))


def ascended(view: View) -> Tensor:
    """Return the update of training up the loss, shape ``[d]``."""
    network, plan = view.network, view.local
    network.load(view.weights)
    optimizer, criterion = plan.new_optimizer(network), plan.criterion
    with network.training(view.address):
        for batch in batches(view.shard, plan, view.address):
            if float(network.backward(batch.x, batch.y, factor=-1, criterion=criterion)) < CEILING:
                optimizer.step()
    return network.state() - view.weights
