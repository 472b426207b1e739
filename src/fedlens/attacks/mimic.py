"""Mimic: all attackers send a copy of one honest client's update, so that it counts too much.

S. P. Karimireddy, L. He and M. Jaggi, *Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing* (ICLR 2022),
section 4. Whom to copy is learned in a warm-up: the honest client that is furthest out along the direction z in which
honest updates differ most, by Oja's rule. In the t-th round of the attack (from 0), over the honest updates B,

    μ ← t/(t+1) μ + 1/(t+1) mean_B δ_i,
    v = Σ_{i ∈ B} ⟨δ_i − μ, z⟩ (δ_i − μ),
    z ← t/(t+1) z + 1/(t+1) v / ‖v‖,  then z ← z / ‖z‖,
    i* = argmax_{i ∈ B} ⟨z, δ_i⟩.

After the warm-up, z and i* stay, and all send δ_{i*}. The first z is random.

*Ours*: the warm-up is a number of rounds, by default 10 (in the paper, from memory, the first epoch); z is drawn from
the team's random stream; where i* is not in the cohort, the attackers copy whoever is furthest along z for this round;
where v = 0, as all are equal, z stays. i* is a client and not a row of the cohort, which has others in every round.

*Sees* all honest updates and who sent each. It needs neither the rule nor n; m ≥ 1, b ≥ 1. It damages where clients'
data differ and the rule takes what many send for right: with data that are alike it sends what an honest client would.
The team keeps μ, z, t and i* from round to round, in checkpoints, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt
from typing_extensions import override

from fedlens.attacks.attack import Attack, Sight
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class Mimic(Attack):
    """Copies of the update of the honest client that differs most from the others.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        warm_up: rounds of the attack in which it learns whom to copy.
        boost: 1; copies are exact.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import Mimic
        >>> plan = {"rounds": 3, "control": False, "local": {"steps": 2}, "partition": "dirichlet"}
        >>> experiment = Experiment(data="digits", attack=Mimic(warm_up=2), attackers={"count": 2}, **plan)
        >>> copied = [result.record.attackers[0].attack.log["copied"] for result in simulate(experiment)]
        >>> copied[2] == copied[1]  # after the warm-up, always the same client
        True
    """

    sight: ClassVar[Sight] = "all"

    objective: OnlyUntargeted = "untargeted"
    warm_up: PositiveInt = 10
    boost: Literal[1] = 1

    @override
    def collude(self, team: Team) -> Crafted:
        known, state = KnownUpdates.of(team), dict(team.state)
        if not len(known):
            return Crafted(torch.zeros_like(team.honest), state)
        assert team.senders is not None, "its sight is all"
        senders = [team.senders[place] for place in known.places]
        rounds = int(state["rounds"]) if state else 0
        if rounds < self.warm_up:
            state |= _learned(known, team, rounds)
        row = int(known.products(state["direction"].to(known.mean)).argmax())
        if rounds < self.warm_up:
            state["client"] = torch.tensor(senders[row])
        elif (chosen := int(state["client"])) in senders:
            row = senders.index(chosen)
        for member in team.members:
            member.log["copied"] = senders[row]
        return Crafted(known.rows[row].expand_as(team.honest), state)


def _learned(known: KnownUpdates, team: Team, rounds: int) -> dict[str, Tensor]:
    """Return the mean μ, the direction z and the number of rounds, after one more."""
    kind, new = known.rows.dtype, 1 / (rounds + 1)
    if rounds:
        mean, before = team.state["mean"].to(known.mean) / known.unit, team.state["direction"].to(known.mean)
    else:
        mean = known.mean
        drawn = team.address.at("mimic").generator().standard_normal(known.parameters, dtype="float32")
        before = torch.from_numpy(drawn).to(known.mean)
    mean = mean + new * (known.mean - mean)
    spread = spreading(known, mean, before)
    length = float(spread.norm())
    direction = before * (1 - new) + spread * (new / length) if length else before
    direction = direction / direction.norm()
    return {
        "mean": (mean * known.unit).to(kind),
        "direction": direction.to(kind),
        "rounds": torch.tensor(rounds + 1),
    }


def spreading(known: KnownUpdates, mean: Tensor, direction: Tensor) -> Tensor:
    """Return v = Σ_i ⟨δ_i − μ, z⟩ (δ_i − μ) in units cubed, float64, shape ``[p]``.

    Args:
        known: the honest updates δ_i.
        mean: the running mean μ, in their units, shape ``[p]``.
        direction: z, shape ``[p]``.
    """
    aside = known.mean - mean
    along = known.products(direction) + aside @ direction
    spread = aside * along.sum()
    for columns, block in known.centred():
        spread[columns] += along @ block
    return spread
