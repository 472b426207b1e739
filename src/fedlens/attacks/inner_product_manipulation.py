"""Inner product manipulation: all attackers send the honest clients' mean update, turned round.

Xie, Koyejo and Gupta, *Fall of Empires: Breaking Byzantine-tolerant SGD by Inner Product Manipulation* (UAI 2019): with
B the honest clients of the round,

    δ_mal = −ε · mean_{i ∈ B} δ_i.

The mean of b honest and m malicious updates of equal weight is (b − εm)/n times the honest one: it turns round at
ε > b/m. A small ε (0.1 in the paper, against Krum) keeps the attackers close to the others; a large one (100) is for
rules that do not look. So there is no default. In a cohort without an honest client, the team sends zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from fedlens.attacks.attack import Attack, Sight
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.attacks.team import Crafted, Team

if TYPE_CHECKING:
    from torch import Tensor


class InnerProductManipulation(Attack):
    """Updates of −ε times the mean of the honest ones, from every attacker.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        eps: the factor ε.
        boost: 1; see `eps`.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import InnerProductManipulation
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> attack = InnerProductManipulation(eps=0.5)
        >>> experiment = Experiment(data="digits", attack=attack, attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.client for client in result.record.attackers]
        [8, 9]
    """

    sight: ClassVar[Sight] = "all"

    objective: OnlyUntargeted = "untargeted"
    eps: float = Field(gt=0, examples=[0.5])
    boost: Literal[1] = 1

    @override
    def collude(self, team: Team) -> Crafted:
        assert team.others is not None, "its sight is all"
        return Crafted(manipulated(team.others, self.eps).expand_as(team.honest))


def manipulated(honest: Tensor, eps: float) -> Tensor:
    """Compute −`eps` times the mean of the `honest` updates ``[b, d]``, shape ``[d]``; zeros where there are none."""
    return honest.sum(dim=0) * (-eps / max(len(honest), 1))
