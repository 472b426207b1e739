"""Where attackers expect the mean update of the other clients, and how far off they may be.

They have two measurements of it. One is the centre c of updates that they made of their own samples. It is the mean m
of all clients' updates and an error e that is their samples' own, so that m is nearer to zero (J. C. Stein): with the
reliability ρ, the share of ‖c‖² that is not error (`fedlens.attacks.anticipation` estimates it), c·m = ρ ‖c‖² = ‖m‖².
The other is what others added to the global model since the attackers last took part, the step v. Rounds resemble each
other, and what is particular to their samples is in c alone, so that v·m = v·c. All that regression of m on c and v
needs is thereby known:

    m̂ = β_c c + β_v v,    ( ‖c‖²  c·v ) ( β_c )   ( ρ ‖c‖² )
                           ( c·v  ‖v‖² ) ( β_v ) = (   c·v   ),    ‖m − m̂‖² = ρ ‖c‖² − β_c ρ ‖c‖² − β_v c·v.

Without a step that is m̂ = ρ c, and √(ρ (1 − ρ)) ‖c‖ for the error.

No measurement can correlate with another better than their reliabilities allow (C. Spearman, *American Journal of
Psychology* 15, 1904), cos²(c, v) ≤ ρ ρ_v; and v is made by n − k others at most, each of whom errs as much as the
attackers do, so that (1 − ρ_v) / ρ_v ≥ (1 − ρ) / (ρ (n − k)). Where ρ was estimated below what this allows, it is
raised to that.

The step is that of the global model, less what attackers sent themselves at the weights that they announced, unless
that makes it longer: then the server did not take it so. If the model took an attacker's update and nothing else, the
step tells nothing of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from fedlens.attacks.team import Team

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-3
"""Relative distance up to which a step is an update."""


@dataclass(frozen=True)
class OthersMean:
    """Where others are expected on average.

    Attributes:
        expected: m̂, shape ``[p]``.
        error: the expected distance of m from it.
        rho: the reliability ρ of the attackers' own centre.
        by_step: whether a step had a part in it.
    """

    expected: Tensor
    error: float
    rho: float
    by_step: bool = False

    @classmethod
    def of(cls, centre: Tensor, rho: float, step: Tensor | None, others: int) -> OthersMean:
        """Estimate it.

        Args:
            centre: c, shape ``[p]``.
            rho: its reliability, as estimated from the attackers' own samples.
            step: v, shape ``[p]``, of any length; ``None`` if there is none.
            others: number n − k of other clients.
        """
        own = float(centre.double().square().sum())
        if step is None or not own:
            return cls(rho * centre, sqrt(rho * (1 - rho) * own), rho)
        both, length = float(centre.double() @ step.double()), float(step.double().square().sum())
        if not length or both <= 0:
            return cls(rho * centre, sqrt(rho * (1 - rho) * own), rho)
        rho = max(rho, least_reliability(both**2 / (own * length), others))
        determinant = own * length - both**2
        if determinant <= 0:  # the same direction: nothing is left to be told apart
            return cls(rho * centre, sqrt(rho * (1 - rho) * own), rho)
        of_centre = (rho * own * length - both**2) / determinant
        of_step = (1 - rho) * own * both / determinant
        error = rho * own * (1 - of_centre) - of_step * both
        return cls(of_centre * centre + of_step * step, sqrt(max(error, 0.0)), rho, by_step=True)


def least_reliability(squared_correlation: float, others: int) -> float:
    """Return the least ρ of a client whose update correlates so well with a step that so many `others` made."""
    # With x = (1 - ρ) / ρ: (1 + x) (1 + x / others) = 1 / cos².
    half = (others + 1) / 2
    return 1 / (1 + sqrt(half**2 + others * (1 / min(squared_correlation, 1.0) - 1)) - half)


def step_of_others(team: Team) -> Tensor | None:
    """Return what others added to the global model since members of the `team` last took part, shape ``[d]``."""
    seen = [member.history[-1] for member in team.members if member.history]
    if not seen:
        return None
    latest = max(observation.round for observation in seen)
    last = [observation for observation in seen if observation.round == latest]
    step = team.received - last[0].weights
    if any(float((step - own.update).norm()) <= ROUNDING * float(step.norm()) for own in last):
        return None
    less = step - sum(own.alpha * own.update for own in last)
    return min(step, less, key=lambda vector: float(vector.norm()))
