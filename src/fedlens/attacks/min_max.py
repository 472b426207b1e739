"""Min-Max: all attackers go as far from the honest mean as honest updates are from each other.

V. Shejwalkar and A. Houmansadr (NDSS 2021), section IV: attackers that do not know the rule send δ_mal = μ + γp with
the largest γ for which

    max_i ‖δ_mal − δ_i‖ ≤ max_{i,j} ‖δ_i − δ_j‖

over the b honest updates. Directions p are in `fedlens.attacks.far_enough`. The paper has results for each of them and
takes the best by data set; there is no default there, and ``std`` here is our choice.

*Ours*: the paper and its code search γ by halving steps, from 10 (50 for FEMNIST), to 1e-5, so that they cannot pass
twice the start. Here γ is the root of a quadratic, exact and without a start. With one known update, or where all are
equal, γ is 0: attackers send the mean, and a red flag says so.

*Sees* all honest updates, as in the paper's stronger setting, or with ``sees: team`` the attackers' own honest ones
(its *unknown benign gradients*), of which there must be two. It needs neither the rule nor f, and b ≥ 2. It costs the
products of b updates, O(b²d). It keeps nothing from round to round.
"""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

from typing_extensions import override

from fedlens.attacks.far_enough import Direction, direction_of, furthest_within_radius, gone
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.attacks.on_updates import OnUpdates
from fedlens.attacks.team import Crafted, Team


class MinMax(OnUpdates):
    """Updates as far from any honest one as these are from each other, from every attacker.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        sees: whose honest updates count: those of ``all`` honest clients, or of the ``team``.
        direction: where to go from the mean: the honest way turned round (``unit``), by its signs (``sign``), or by the
            negative standard deviations (``std``).
        boost: 1; how far it goes follows from the others.

    Example:
        >>> import torch
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import MinMax
        >>> from fedlens.attacks.far_enough import direction_of, furthest_within_radius
        >>> from fedlens.attacks.known_updates import KnownUpdates
        >>> known = KnownUpdates.among(torch.tensor([[0.0], [2.0], [7.0]]), 1)
        >>> away = direction_of(known, "unit")  # from the mean 3 to 0, which is 7 from 7, as 0 is
        >>> furthest_within_radius(known, away, 7 / known.unit) * known.unit
        3.0
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=MinMax(), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> all(client.attack.log["gamma"] > 0 for client in result.record.attackers)
        True
    """

    reach_logged_as: ClassVar[str] = "gamma"

    direction: Direction = "std"

    @override
    def collude(self, team: Team) -> Crafted:
        known = KnownUpdates.of(team)
        direction = direction_of(known, self.direction)
        widest = sqrt(float(known.squared_distances().max())) if len(known) else 0.0
        gamma = furthest_within_radius(known, direction, widest)
        return gone(team, known, direction, gamma, self.direction)
