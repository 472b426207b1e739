"""Min-Sum: all attackers go as far from the honest mean as one honest update is from all others together.

V. Shejwalkar and A. Houmansadr (NDSS 2021), section IV: attackers that do not know the rule send δ_mal = μ + γp with
the largest γ for which

    Σ_i ‖δ_mal − δ_i‖² ≤ max_j Σ_i ‖δ_i − δ_j‖²

over the b honest updates. Directions p are in `fedlens.attacks.far_enough`. Two bounds circulate: the paper's, above,
and that of its authors' notebooks, the least sum of an honest update (``bound: min``), which keeps attackers closer.
The paper has results for each direction and takes the best by data set; ``std`` is our choice of default.

*Ours*: the search of γ by halving steps is a closed form here, γ = ‖δ_j − μ‖ / ‖p‖ for the honest update j that has the
largest sum (or the least). With one known update, or where all are equal, γ is 0: attackers send the mean, and a red
flag says so.

*Sees* all honest updates, as in the paper's stronger setting, or with ``sees: team`` the attackers' own honest ones
(its *unknown benign gradients*), of which there must be two. It needs neither the rule nor f, and b ≥ 2. It costs
O(bd), and keeps nothing from round to round.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from fedlens.attacks.far_enough import Direction, direction_of, furthest_within_sum, gone
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.attacks.on_updates import OnUpdates
from fedlens.attacks.team import Crafted, Team


class MinSum(OnUpdates):
    """Updates as far from all honest ones together as one of these is, from every attacker.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        sees: whose honest updates count: those of ``all`` honest clients, or of the ``team``.
        direction: where to go from the mean: the honest way turned round (``unit``), by its signs (``sign``), or by the
            negative standard deviations (``std``).
        bound: which honest update's sum they stay within: the largest (``max``) or the smallest (``min``).
        boost: 1; how far it goes follows from the others.

    Example:
        >>> import torch
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import MinSum
        >>> from fedlens.attacks.far_enough import direction_of, furthest_within_sum
        >>> from fedlens.attacks.known_updates import KnownUpdates
        >>> known = KnownUpdates.among(torch.tensor([[0.0], [2.0], [7.0]]), 1)
        >>> away = direction_of(known, "unit")  # sums are 53, 29 and 74; 26 + 3 · 4² = 74, and 26 + 3 · 1² = 29
        >>> [furthest_within_sum(known, away, bound) * known.unit for bound in ("max", "min")]
        [4.0, 1.0]
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=MinSum(), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> all(client.attack.log["gamma"] > 0 for client in result.record.attackers)
        True
    """

    reach_logged_as: ClassVar[str] = "gamma"

    direction: Direction = "std"
    bound: Literal["max", "min"] = "max"

    @override
    def collude(self, team: Team) -> Crafted:
        known = KnownUpdates.of(team)
        direction = direction_of(known, self.direction)
        gamma = furthest_within_sum(known, direction, self.bound)
        return gone(team, known, direction, gamma, self.direction)
