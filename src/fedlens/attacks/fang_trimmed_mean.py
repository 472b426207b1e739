"""Fang's attack on the trimmed mean and the median: beyond all honest updates, against the way that they go.

M. Fang, X. Cao, J. Jia and N. Z. Gong, *Local Model Poisoning Attacks to Byzantine-Robust Federated Learning* (USENIX
Security 2020). Let s_j be the sign of the change of weight j without attack. Each attacker draws its own value of each
coordinate, uniformly, on the other side:

- *full* knowledge (``sees: all``), with the least and the greatest honest value in j, and b = 2:

      s_j = +1:  [min/b, min] if min > 0, else [b·min, min],
      s_j = −1:  [max, b·max] if max > 0, else [max, max/b];

- *partial* knowledge (``sees: team``), with mean μ_j and standard deviation σ_j of the attackers' honest updates:

      s_j = +1:  [μ_j − 4σ_j, μ_j − 3σ_j],
      s_j = −1:  [μ_j + 3σ_j, μ_j + 4σ_j].

*Ours*: s_j is the sign of the mean of the honest updates that the attackers know, with full knowledge, too, where the
paper has the step of the rule; σ is of the population by default, which the paper leaves open. Where s_j is 0, they
send 0. The authors' code draws no numbers: it takes a factor of 2 and 3.5σ.

*Sees* all honest updates, or its team's, of which there should be two: one has no σ, and so sends itself. It needs
neither f nor n. Within a trimmed mean that trims as many as attack, it moves the step no further than the extreme
honest values. It costs O(bd), and
keeps nothing from round to round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from fedlens.attacks.known_updates import Deviation, KnownUpdates
from fedlens.attacks.on_updates import OnUpdates
from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch
from fedlens.core.random import Address

if TYPE_CHECKING:
    from torch import Tensor


class FangTrimmedMean(OnUpdates):
    """Updates beyond all honest ones in every coordinate, against the way that the model would go.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        sees: full knowledge of ``all`` honest updates, or partial, of those of the ``team``.
        b: with full knowledge, up to how many times the extreme value is sent.
        sigma: with partial knowledge, standard deviation of the ``population`` or the ``sample``.
        boost: 1; see `b`.

    Example:
        >>> import torch
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import FangTrimmedMean
        >>> from fedlens.attacks.fang_trimmed_mean import beyond_extremes
        >>> from fedlens.attacks.known_updates import KnownUpdates
        >>> known = KnownUpdates.among(torch.tensor([[1.0], [2.0], [4.0]]), 1)
        >>> [end * known.unit for end in beyond_extremes(known, 2)]  # they go up, so it draws from [1/2, 1]
        [tensor([0.5000], dtype=torch.float64), tensor([1.], dtype=torch.float64)]
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=FangTrimmedMean(), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.client for client in result.record.attackers]
        [8, 9]
    """

    b: float = Field(default=2.0, gt=1)
    sigma: Deviation = "population"

    @override
    def collude(self, team: Team) -> Crafted:
        known = KnownUpdates.of(team)
        ends = beyond_extremes(known, self.b) if self.sees == "all" else beyond_deviations(known, self.sigma)
        return Crafted(torch.stack([known.whole(drawn(*ends, member.address.at("fang"))) for member in team.members]))


def beyond_extremes(known: KnownUpdates, b: float) -> tuple[Tensor, Tensor]:
    """Return between which values to draw with full knowledge, in units, float64, each of shape ``[p]``."""
    lower, upper = torch.zeros_like(known.mean), torch.zeros_like(known.mean)
    for columns, block in known.blocks():
        (least, greatest), sign = block.aminmax(dim=0), known.mean[columns].sign()
        below, above = torch.minimum(least / b, least * b), torch.maximum(greatest / b, greatest * b)
        lower[columns] = torch.where(sign > 0, below, greatest) * sign.abs()
        upper[columns] = torch.where(sign > 0, least, above) * sign.abs()
    return lower, upper


def beyond_deviations(known: KnownUpdates, sigma: Deviation) -> tuple[Tensor, Tensor]:
    """Return between which values to draw with partial knowledge, in units, float64, each of shape ``[p]``."""
    step = known.deviation(sigma).mul_(known.mean.sign())
    nearer, further = known.mean - 3 * step, known.mean - 4 * step
    return torch.minimum(nearer, further), torch.maximum(nearer, further)


def drawn(lower: Tensor, upper: Tensor, address: Address) -> Tensor:
    """Draw a value between the two ends in each coordinate, uniformly, float64, shape ``[p]``."""
    uniform = torch.from_numpy(address.generator().random(len(lower), dtype="float32"))
    return (upper - lower).mul_(uniform.to(lower)).add_(lower)
