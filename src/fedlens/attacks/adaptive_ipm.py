"""Inner product manipulation that is tuned to the server's rule.

Xie, Koyejo and Gupta (UAI 2019) send −ε · μ from every attacker, where μ is the mean of the others' honest updates
(`fedlens.attacks.inner_product_manipulation`); which ε is best depends on the rule. As does ByzFL's *Opt-IPM*, the
attackers try a few: of the candidates ε they send the one for which

    ‖R(δ_1, …, δ_b, −εμ, …, −εμ) − μ‖₂

is largest, where R is the server's chain as they assume it (the option ``attackers.rule``), applied to what all n
clients of the cohort send; of equals, the first. ByzFL looks for ε by doubling and halving steps; here the candidates
are written down.

Under the mean and equal weights that distance is (k/n)(1 + ε)‖μ‖ for k attackers, so that the largest ε is taken; under
Krum, whose step the attackers' update only is while it is near enough to the others', there is a best one in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat
from typing_extensions import override

from fedlens.attacks.attack import Attack, Sight
from fedlens.attacks.inner_product_manipulation import manipulated
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class AdaptiveIpm(Attack):
    """Updates of −ε times the mean of the honest ones, with the ε that takes the assumed server furthest from it.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        candidates: the factors ε that are tried in every round.
        boost: 1; see `candidates`.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import AdaptiveIpm
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=AdaptiveIpm(), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.attack.log["eps"] for client in result.record.attackers]
        [100.0, 100.0]
    """

    sight: ClassVar[Sight] = "all"
    needs_rule: ClassVar[bool] = True

    objective: OnlyUntargeted = "untargeted"
    candidates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
    boost: Literal[1] = 1

    @override
    def collude(self, team: Team) -> Crafted:
        others, server = team.others, team.server
        assert others is not None, "its sight is all"
        assert server is not None, "it needs the rule"

        def sent(eps: float) -> Tensor:
            return manipulated(others, eps).expand_as(team.honest)

        mean, parameters = -manipulated(others, 1), len(team.network.vector)
        steps = (server.step(torch.cat([others, sent(eps)])) for eps in self.candidates)
        distances = [float((step - mean)[:parameters].norm()) for step in steps]
        eps = self.candidates[distances.index(max(distances))]
        for member in team.members:
            member.log["eps"] = eps
        return Crafted(sent(eps))
