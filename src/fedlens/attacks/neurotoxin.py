"""Neurotoxin: a backdoor in those weights that honest clients hardly move, so that it lasts.

Z. Zhang et al., *Neurotoxin: Durable Backdoors in Federated Learning* (ICML 2022): the attacker takes the last step of
the global model, g = w_t − w_{t−1}, for what honest clients will do next, and trains on poisoned samples without the
entries in which that is largest:

    every gradient ← gradient ⊙ M,    M_j = 0 for the share k of all entries with the largest |g_j|, else 1,

and projects the update to ‖δ‖₂ ≤ ε. k is 1 to 5 % in the paper. Its bound ε is a number for each data set; by default
there is none here.

The mask is one over all parameters. Of several rounds since the client last took part, g is their sum. In the first
round that it takes part in, and if the model has not moved since, there is nothing to go by, and no mask. A gradient
that is zero moves an entry neither under SGD nor under Adam, but weight decay does. Deviation: the authors' code takes
g from honest participants' data, which the threat model does not grant.

It sees its own samples, and the global weights of the rounds in which it took part. Any number of clients and attackers
will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveFloat
from typing_extensions import override

from fedlens.attacks.attack import Boost, View
from fedlens.attacks.pgd import keep_within
from fedlens.attacks.poisoned_training import PoisonedTraining, Steering
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def mask_of(step: Tensor, top: float) -> Tensor:
    """Return which entries of the last `step` (``[p]``) are left to the attack, bool, shape ``[p]``.

    The share `top` of them, rounded, with the largest magnitude is not; of equals, the first are not.
    """
    largest = torch.argsort(step.abs(), descending=True, stable=True)[: round(top * len(step))]
    mask = torch.ones_like(step, dtype=torch.bool)
    mask[largest] = False
    return mask


class Neurotoxin(PoisonedTraining):
    """Training on poisoned samples, but for the weights that the global model's last step moved most.

    Attributes:
        top: share k of the entries that are left alone.
        radius: L2 norm ε that the update may have before boosting; by default any.
        boost: 1; ``auto`` replaces the global model.
        epochs: passes over the poisoned shard; by default as many as those of honest clients over theirs.
        learning_rate: learning rate on it; by default that of honest clients.
        data_rep: copies of each target sample; of a backdoor's samples, ``goal.share`` says how many there are.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import Neurotoxin
        >>> attack, plan = Neurotoxin(top=0.05), {"control": False, "local": {"epochs": 1}}
        >>> experiment = Experiment(data="digits", rounds=2, goal="backdoor", attack=attack, **plan)
        >>> for result in simulate(experiment, engine="serial"):
        ...     print(result.record.malicious.attack.log["masked"])
        0
        4250
    """

    remembers: ClassVar[int] = 1

    top: float = Field(default=0.05, gt=0, lt=1)
    radius: PositiveFloat | None = None
    boost: Boost = 1

    @override
    def _steering(self, view: View) -> Steering:
        mask = self._mask(view)
        view.log["masked"] = int((~mask).sum())

        def gradient() -> None:
            view.network.gradient.mul_(mask)

        def weights(_: int) -> None:
            if self.radius is not None:
                keep_within(view.network, view.weights, self.radius, "l2")

        return Steering(gradient, weights)

    def _mask(self, view: View) -> Tensor:
        """Return which parameters it trains, bool, shape ``[p]``."""
        parameters = len(view.network.vector)
        everything = torch.ones(parameters, dtype=torch.bool, device=view.received.device)
        if not view.history:
            return everything
        step = (view.received - view.history[-1].weights)[:parameters]
        return mask_of(step, self.top) if bool(step.any()) else everything
