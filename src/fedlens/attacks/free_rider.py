"""Free-riding: no training, but something that looks like an update.

A client that takes the global model and gives nothing for it. J. Lin, M. Du and J. Liu, *Free-riders in Federated
Learning: Attacks and Defenses* (arXiv:1911.12560, 2019), and Y. Fraboni, R. Vidal and M. Lorenzi, *Free-rider Attacks
on Model Aggregation in Federated Learning* (AISTATS 2021). In round t, from the weights that it received:

- ``zero``: δ = 0, the global model sent back;
- ``delta``: δ = (w_t − w_{t'}) / (t − t'), by round what the global model has moved since it last took part, in t'; in
  its first round, 0.

Either is disguised by noise, added as N(0, σ² t^{−2γ}), whose deviation decays as an honest update does. Fraboni et
al. choose σ and γ from the first rounds' steps; here they are options, σ = 0 (no noise) and, from memory, γ = 1.

*Ours*: where the client is not chosen in every round, delta is by round. Noise is on parameters only, and buffers are
moved as the model's were, or not at all.

*Sees* nothing but the weights that it received; of them, ``delta`` keeps those of its last round. It needs no data,
neither rule nor n; m ≥ 1. With p the free-riders' part of the weights, the mean takes (1 − p) of the honest step under
``zero``: it is slower, and not misled, and no damage is to be expected where training goes on long enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat
from typing_extensions import override

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.gaussian import noise
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class FreeRider(Attack):
    """No training: the global model sent back, or its last step, with or without noise.

    Attributes:
        objective: ``untargeted``: it has no target, and takes its part of the training away.
        form: ``zero``, the weights as received, or ``delta``, the last step of the global model.
        sigma: standard deviation of the noise in the first round; 0 for none.
        decay: power γ with which it decays, as t^{−γ}.
        boost: 1, as there is nothing to boost.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import FreeRider
        >>> plan = {"rounds": 2, "control": False, "local": {"steps": 2}}
        >>> attack = FreeRider(form="delta", sigma=0.01)
        >>> experiment = Experiment(data="digits", attack=attack, attackers={"count": 2}, **plan)
        >>> results = list(simulate(experiment, engine="serial"))
        >>> [client.attack.log["sigma"] for result in results for client in result.record.attackers]  # 0.01 / t
        [0.01, 0.01, 0.005, 0.005]
    """

    objective: OnlyUntargeted = "untargeted"
    form: Literal["zero", "delta"] = "zero"
    sigma: NonNegativeFloat = 0.0
    decay: NonNegativeFloat = 1.0
    boost: Literal[1] = 1

    @property
    @override
    def memory(self) -> int:
        return max(super().memory, int(self.form == "delta"))

    @override
    def craft(self, view: View) -> Tensor:
        update = torch.zeros_like(view.weights)
        if self.form == "delta" and view.history:
            last = view.history[-1]
            update = (view.received - last.weights) / (view.round - last.round)
        if self.sigma:
            count, sigma = len(view.network.vector), self.sigma * view.round**-self.decay
            update[:count] += noise(count, sigma, view.address.at("gaussian")).to(update)
            view.log["sigma"] = sigma
        return update
