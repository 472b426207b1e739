"""Sign flipping: the honest update, turned round; against the model as a whole.

Li, Xu, Chen, Giannakis and Ling, *RSA: Byzantine-Robust Stochastic Aggregation Methods for Distributed Learning from
Heterogeneous Datasets* (AAAI 2019), have attackers send their own message multiplied by a negative number; cited from
memory. Others call so what sends the negated mean of all honest updates, or ascends the gradient in every batch.

With c = 1 and m of n equal clients attacking, the mean keeps (n − 2m)/n of the step that it would take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field
from typing_extensions import override

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.objective import OnlyUntargeted

if TYPE_CHECKING:
    from torch import Tensor


class SignFlipping(Attack):
    """Honest training, with −c times the update sent.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        c: by how much the update is multiplied.
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

    objective: OnlyUntargeted = "untargeted"
    c: float = Field(default=1.0, gt=0)
    boost: Literal[1] = 1

    @override
    def craft(self, view: View) -> Tensor:
        view.log.update(steps=view.local.steps_for(len(view.shard)))
        return -self.c * view.train()
