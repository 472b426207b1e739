"""A little is enough (ALIE): all attackers send the mean of honest updates, moved by z standard deviations.

M. Baruch, G. Baruch and Y. Goldberg, *A Little Is Enough: Circumventing Defenses For Distributed Learning* (NeurIPS
2019). With m attackers among the n clients of a round, and μ_j, σ_j the mean and the standard deviation of honest
updates in coordinate j,

    s = ⌊n/2 + 1⌋ − m,    z = Φ⁻¹((n − m − s) / (n − m)),    δ_mal,j = μ_j − z σ_j.

s is the number of honest clients that have to be further out than the attackers for these to be a majority with them,
and z, of normal updates, the furthest that so many are beyond. The attackers estimate μ and σ from their own honest
updates, as in the authors' code (``sees: team``); in the omniscient form (``all``) from those of the honest clients.

What circulates under the name differs, so it is an option each:

- the share of which z is the quantile: ``auto`` is the formula above, ``early`` the first version's (n − s)/n, which
  is larger; or z is given, as the 1.5 of the authors' code (the paper's experiments have 24 % of 51 clients attack);
- σ of the population, as in the authors' code, or of the sample;
- the sign, minus as by the authors, or plus.

*No attack*: with few attackers z is 0 or below. For (n, m) = (10, 2) it is 0, so that attackers send the plain mean,
for (10, 1) it is −0.14, for (100, 10) 0.11. Every member logs z, and a red flag says if it was not positive.

Ours: where attackers are a majority, s counts as 1. Where the share is not between 0 and 1, as with a single honest
client, z is 0. With one known update there is no spread, and so no attack.

*Needs* two attackers that see each other, or one that sees all; n ≥ 3; no knowledge of the rule. It was made against
rules that trust what is close to the others, Krum, trimmed mean and Bulyan. It keeps nothing from round to round.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat
from typing_extensions import override

from fedlens.attacks.known_updates import Deviation, KnownUpdates
from fedlens.attacks.on_updates import OnUpdates
from fedlens.attacks.team import Crafted, Team

if TYPE_CHECKING:
    from torch import Tensor

Formula = Literal["auto", "early"]


class ALittleIsEnough(OnUpdates):
    """Updates at the mean of honest ones less z standard deviations, from every attacker.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        sees: whose honest updates give mean and spread: those of the ``team``, or of ``all`` honest clients.
        z: number of standard deviations; ``auto`` and ``early`` compute it from the numbers of clients and attackers.
        sigma: standard deviation of the ``population`` or the ``sample``.
        sign: whether z standard deviations are taken away (``minus``) or added (``plus``).
        boost: 1; see `z`.

    Example:
        >>> import torch
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import ALittleIsEnough
        >>> from fedlens.attacks.a_little_is_enough import a_little_away
        >>> from fedlens.attacks.known_updates import KnownUpdates
        >>> known = KnownUpdates.among(torch.tensor([[1.0], [2.0], [3.0]]), 1)
        >>> known.whole(a_little_away(known, 1, "sample"))  # 2 - 1 · 1
        tensor([1.])
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=ALittleIsEnough(), attackers={"count": 4}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [round(client.attack.log["z"], 2) for client in result.record.attackers]  # Φ⁻¹(4 / 6)
        [0.43, 0.43, 0.43, 0.43]
    """

    reach_logged_as: ClassVar[str] = "z"

    sees: Literal["team", "all"] = "team"
    z: Formula | PositiveFloat = "auto"
    sigma: Deviation = "population"
    sign: Literal["minus", "plus"] = "minus"

    @override
    def collude(self, team: Team) -> Crafted:
        known = KnownUpdates.of(team)
        z = largest_z(team.cohort, len(team.members), self.z) if isinstance(self.z, str) else self.z
        for member in team.members:
            member.log["z"] = z
        return known.sent(team, a_little_away(known, z if self.sign == "minus" else -z, self.sigma))


def largest_z(clients: int, attackers: int, formula: Formula = "auto") -> float:
    """Return how many standard deviations the attackers can go and still have enough honest clients beyond them."""
    supporters, honest = max(clients // 2 + 1 - attackers, 1), clients - attackers
    nearer, of = (clients - supporters, clients) if formula == "early" else (honest - supporters, honest)
    return NormalDist().inv_cdf(nearer / of) if 0 < nearer < of else 0.0


def a_little_away(known: KnownUpdates, z: float, sigma: Deviation) -> Tensor:
    """Return μ − zσ of known updates in their units, float64, shape ``[p]``."""
    return known.deviation(sigma).mul_(-z).add_(known.mean)
