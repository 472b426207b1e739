"""AGR-tailored: against a rule that the attackers know, as far from the honest mean as pays off.

V. Shejwalkar and A. Houmansadr, *Manipulating the Byzantine: Optimizing Model Poisoning Attacks and Defenses for
Federated Learning* (NDSS 2021), section IV. All m attackers send δ_mal = μ + γp, with p as in
`fedlens.attacks.far_enough` and γ from a search that tries the server's chain R, as they assume it
(``attackers.rule``), on what all n clients of the cohort send. γ begins at γ_0 = 10 (50 in the authors' code for
FEMNIST), and the step at γ_0 / 2; γ goes up where a trial succeeds, else down, and the step is halved, until it is
below 1e-5. So γ is within (0, 2γ_0). A trial succeeds by

- ``distance``: if ‖R(δ_1, …, δ_b, δ_mal, …) − μ‖ is larger than at any γ before;
- ``selection``: if R takes as many crafted updates as it can: all m, or as many as it takes at all. That is the paper's
  objective for Krum, Multi-Krum and Bulyan;
- ``auto``, the default: by selection where R gives some updates equal weight and the others none (Krum, Multi-Krum, and
  the mean), else by distance.

Under the mean and equal weights the distance is mγ‖p‖/n, and all are always taken: the search runs to its cap, 2γ_0.

*Ours*: any chain, where the paper writes a search for each rule; distances are compared with the best, where its
authors' code for the trimmed mean has the trial before; they are of parameters, and buffers are sent as their mean.
What was best is sent; where no trial succeeds, γ is 0, which is the mean, and a red flag says so.

*Sees* all honest updates and the rule; m ≥ 1, b ≥ 1. A trial costs what the server's step does, and there are
log₂(γ_0 / 1e-5) ≈ 20. It keeps nothing from round to round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat
from typing_extensions import override

from fedlens.attacks.assumed_server import AssumedServer
from fedlens.attacks.attack import Attack, Sight
from fedlens.attacks.far_enough import Direction, direction_of
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Criterion = Literal["distance", "selection"]


class AgrTailored(Attack):
    """Updates at the honest mean plus γ times a direction, with the γ that does best against the assumed server.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        direction: where to go from the mean: the honest way turned round (``unit``), by its signs (``sign``), or by the
            negative standard deviations (``std``).
        criterion: what a trial is judged by: the ``distance`` of the server's step from the mean, or the ``selection``
            of crafted updates; ``auto`` goes by the rule.
        start: γ_0, where the search begins; in units of updates, or of standard deviations.
        tolerance: the search ends when its step is below this.
        boost: 1; γ is searched.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import AgrTailored
        >>> from fedlens.attacks.agr_tailored import searched
        >>> round(searched(lambda gamma: gamma < 12.5, 10, 1e-5), 4)
        12.5
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> attack = AgrTailored(tolerance=0.1)
        >>> experiment = Experiment(data="digits", attack=attack, attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.attack.log["gamma"] > 19.6 for client in result.record.attackers]  # under the mean, to the cap
        [True, True]
    """

    sight: ClassVar[Sight] = "all"
    needs_rule: ClassVar[bool] = True
    reach_logged_as: ClassVar[str] = "gamma"

    objective: OnlyUntargeted = "untargeted"
    direction: Direction = "std"
    criterion: Literal["auto"] | Criterion = "auto"
    start: PositiveFloat = 10.0
    tolerance: PositiveFloat = 1e-5
    boost: Literal[1] = 1

    @override
    def collude(self, team: Team) -> Crafted:
        known = KnownUpdates.of(team)
        away = direction_of(known, self.direction)
        if self.direction != "std":
            away /= known.unit
        trials = Trials(team, known, away)
        gamma = 0.0
        if len(known):
            criterion = trials.criterion(self.start) if self.criterion == "auto" else self.criterion
            succeeds = trials.selects if criterion == "selection" else trials.moves_further
            gamma = searched(succeeds, self.start, self.tolerance)
        for member in team.members:
            member.log["gamma"] = gamma
        return known.sent(team, away.mul_(gamma).add_(known.mean))


class Trials:
    """Trials of the assumed server on what all clients send, in one copy of the updates."""

    def __init__(self, team: Team, known: KnownUpdates, away: Tensor) -> None:
        assert team.others is not None, "its sight is all"
        assert team.server is not None, "it needs the rule"
        self._server: AssumedServer = team.server
        self._known, self._away, self._honest = known, away, len(team.others)
        self._rows = torch.cat([team.others, team.honest])
        self._mean = known.whole(known.mean.clone())[: known.parameters]
        self._furthest: float | None = None

    def moves_further(self, gamma: float) -> bool:
        """Tell whether the server's step is further from the mean than in any trial before."""
        if self._furthest is None:
            self._furthest = self._distance(0)
        distance = self._distance(gamma)
        if distance <= self._furthest:
            return False
        self._furthest = distance
        return True

    def selects(self, gamma: float) -> bool:
        """Tell whether the server takes as many of the crafted updates as it can."""
        weights = self._server.weights(self._with(gamma))
        if weights is None:
            return False
        taken = weights > 0
        crafted = int(taken[self._honest :].sum())
        return crafted > 0 and crafted == min(len(taken) - self._honest, int(taken.sum()))

    def criterion(self, gamma: float) -> Criterion:
        """Return ``selection`` if the server gives some updates equal weights and the others none, at this γ."""
        weights = self._server.weights(self._with(gamma))
        if weights is None or not bool((taken := weights[weights != 0]).numel()):
            return "distance"
        return "selection" if bool(torch.isclose(taken, taken[0], rtol=1e-6, atol=0).all()) else "distance"

    def _distance(self, gamma: float) -> float:
        step = self._server.step(self._with(gamma))[: len(self._mean)]
        return float(torch.linalg.vector_norm(step - self._mean, dtype=torch.float64))

    def _with(self, gamma: float) -> Tensor:
        """Return what all send where the attackers go this far."""
        self._rows[self._honest :] = self._known.whole(self._away * gamma + self._known.mean)
        return self._rows


def searched(succeeds: Callable[[float], bool], start: float, tolerance: float) -> float:
    """Return the largest γ that succeeded in a search by halving steps from `start`, up or down; 0 if none did."""
    best, gamma, step = 0.0, start, start / 2
    while step >= tolerance:
        if succeeds(gamma):
            best, gamma = gamma, gamma + step
        else:
            gamma -= step
        step /= 2
    return best
