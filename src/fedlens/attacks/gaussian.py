"""Gaussian noise: an update of random numbers, alone, on top of the honest one, or of the honest one's length.

P. Blanchard, E. M. El Mhamdi, R. Guerraoui and J. Stainer, *Machine Learning with Adversaries: Byzantine Tolerant
Gradient Descent* (NeurIPS 2017) have attackers send draws of N(0, 200² I), which is the default. Three things go by the
name, each from fresh draws for every attacker and round:

- ``alone``: δ = ε, with ε ~ N(0, σ² I), whatever anybody's data;
- ``added``: δ = δ_own + ε;
- ``own-length``: δ = ε ‖δ_own‖ / ‖ε‖, which no check on norms can tell, and for which σ does not matter.

In expectation ‖ε‖² = σ²d. Buffers that training changes get no noise: those of ``alone`` are not moved, the others are
the honest training's.

*Sees* its own data, of which ``alone`` makes no use. It needs neither the rule nor n; m ≥ 1. The mean falls to a σ that
is large for the honest updates; a rule that drops or clips what is far off does not. It keeps nothing from round to
round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat
from typing_extensions import override

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.core.lazy import torch
from fedlens.core.random import Address

if TYPE_CHECKING:
    from torch import Tensor


class Gaussian(Attack):
    """Updates of normal random numbers, or honest ones with such.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        form: the noise ``alone``, ``added`` to the honest update, or of that one's length (``own-length``).
        sigma: the noise's standard deviation σ in every entry.
        boost: 1; see `sigma`.

    Example:
        >>> from fedlens import Address, Experiment, simulate
        >>> from fedlens.attacks import Gaussian
        >>> from fedlens.attacks.gaussian import noise
        >>> noise(100_000, 3.0, Address.root(0)).std().round(decimals=1)  # σ
        tensor(3.)
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=Gaussian(sigma=0.1), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.client for client in result.record.attackers]
        [8, 9]
    """

    objective: OnlyUntargeted = "untargeted"
    form: Literal["alone", "added", "own-length"] = "alone"
    sigma: PositiveFloat = 200.0
    boost: Literal[1] = 1

    @override
    def craft(self, view: View) -> Tensor:
        count = len(view.network.vector)
        drawn = noise(count, self.sigma, view.address.at("gaussian")).to(view.weights)
        update = torch.zeros_like(view.weights) if self.form == "alone" else view.train()
        own = update[:count]
        if self.form == "own-length":
            length = torch.linalg.vector_norm(own, dtype=torch.float64)
            own.copy_(drawn.mul_(float(length / torch.linalg.vector_norm(drawn, dtype=torch.float64))))
        else:
            own += drawn
        return update


def noise(count: int, sigma: float, address: Address) -> Tensor:
    """Draw `count` numbers of N(0, `sigma`²), float32."""
    return torch.from_numpy(address.generator().standard_normal(count, dtype="float32")).mul_(sigma)
