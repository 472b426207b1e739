"""Fang's attack on Krum: the furthest step against the honest way that Krum still chooses.

M. Fang, X. Cao, J. Jia and N. Z. Gong, *Local Model Poisoning Attacks to Byzantine-Robust Federated Learning* (USENIX
Security 2020). With s the signs of the change of the model without attack, an attacker sends

    δ_1 = −λ s,

and the others something within ε of it. λ begins at an upper bound of what Krum could choose,

    (min_i Σ_{j → i} ‖δ_i − δ_j‖) / ((b − m − 1) √d) + max_i ‖δ_i‖ / √d,

over the b honest updates, with the sum over the b − 2 nearest of them, and is halved until Krum chooses δ_1 (all m
being equal to it), or until it is below 1e-5. What was tried last is sent.

- *Full* knowledge (``sees: all``): b = n − m, and Krum is told what the server's chain is told, as the attackers assume
  it (``attackers.rule``), or else m.
- *Partial* knowledge (``sees: team``): the attackers' own m honest updates stand for all honest ones, and Krum is tried
  on them and 1, 2, … equal crafted updates, of which it is told the number, until there is a λ.

Krum's scores are computed in closed form from the products of honest updates, so that a trial costs O(b²) and not
O(n²d). It is Krum as published, whatever variant of it the server has.

*Ours*: s is the sign of the mean of the honest updates that the attackers know, with full knowledge, too, where the
paper has the step of the rule; b − m − 1 counts as at least 1; a tie is a trial that failed. Every member logs λ and
whether it was ``chosen`` in the trial, and a red flag says so where it was not. The authors' code begins at λ = 1.

*Sees* all honest updates, of which there must be one, or its team's: two attackers. It needs the rule, which has to be
Krum, and is no attack on others. It keeps nothing from round to round.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat
from typing_extensions import override

from fedlens.attacks.assumed_server import AssumedServer
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.attacks.on_updates import OnUpdates
from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch
from fedlens.core.random import Address

if TYPE_CHECKING:
    from torch import Tensor


class FangKrum(OnUpdates):
    """Updates of −λ times the signs of the honest way, with the largest λ that Krum would choose.

    Attributes:
        objective: ``untargeted``: it has no target, and damages the model.
        sees: full knowledge of ``all`` honest updates, or partial, of those of the ``team``.
        epsilon: how far from the first attacker's update those of the others are at most, by L2 distance.
        threshold: give up below this λ.
        boost: 1; λ follows from the others.

    Example:
        >>> import torch
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import FangKrum
        >>> from fedlens.attacks.fang_krum import Trial
        >>> from fedlens.attacks.known_updates import KnownUpdates
        >>> trial = Trial.of(KnownUpdates.among(torch.tensor([[0.0], [1.0], [3.0]]), 1))
        >>> # They go up. Two updates of -3, with two neighbours each, have scores of 0 + 9, but 1 has 1 + 4; two of -2
        >>> # have 0 + 4, and 0 and 1 have 1 + 4.
        >>> [trial.chosen(length / trial.unit, copies=2, neighbours=2) for length in (3, 2)]
        [False, True]
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}, "aggregation": {"name": "krum", "f": 2}}
        >>> experiment = Experiment(data="digits", attack=FangKrum(), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.attack.log["chosen"] for client in result.record.attackers]
        [1, 1]
    """

    needs_rule: ClassVar[bool] = True
    reach_logged_as: ClassVar[str] = "chosen"

    epsilon: NonNegativeFloat = 0.01
    threshold: PositiveFloat = 1e-5

    @override
    def collude(self, team: Team) -> Crafted:
        known, attackers = KnownUpdates.of(team), len(team.members)
        trial = Trial.of(known)
        full = self.sees == "all"
        for copies in (attackers,) if full else range(1, attackers + 1):
            told = told_to(team.server, attackers) if full else copies
            length, chosen = trial.largest(copies, told, self.threshold)
            if chosen:
                break
        for member in team.members:
            member.log.update({"lambda": length * known.unit, "chosen": int(chosen)})
        updates = known.whole(trial.sign.mul_(-length)).repeat(attackers, 1)
        for row, member in zip(updates[1:], team.members[1:], strict=True):
            _displace(row[: known.parameters], self.epsilon, member.address.at("fang"))
        return Crafted(updates)


class Trial:
    """Krum on the b updates that are known and some equal ones at −λs, in the units of the known ones.

    Attributes:
        sign: s, the signs of the known updates' mean, float64, shape ``[p]``.
        unit: see `KnownUpdates`.
    """

    def __init__(self, known: KnownUpdates) -> None:
        self.sign, self.unit = known.mean.sign(), known.unit
        self._distances = known.squared_distances()
        self._squares = known.squares()
        self._along_mean, self._along_sign = known.products(known.mean), known.products(self.sign)
        self._mean_square = float(known.mean.square().sum())
        self._mean_along_sign, self._size = float(known.mean.abs().sum()), float(self.sign.abs().sum())

    @classmethod
    def of(cls, known: KnownUpdates) -> Trial:
        """Prepare trials among these updates."""
        return cls(known)

    def bound(self, copies: int) -> float:
        """Return the λ with which the search begins, where so many are equal."""
        count = len(self._squares)
        if not count or not self._size:
            return 0.0
        nearest = self._distances.sqrt().sort(dim=1).values[:, 1 : count - 1]  # but itself, in the first place
        longest = sqrt(float((self._squares + 2 * self._along_mean).max()) + self._mean_square)
        spread = float(nearest.sum(dim=1).min()) / max(count - copies - 1, 1)
        return (spread + longest) / sqrt(len(self.sign))

    def chosen(self, length: float, copies: int, neighbours: int) -> bool:
        """Tell whether Krum would choose one of so many equal updates at −`length` · s.

        Args:
            length: λ.
            copies: number of equal updates.
            neighbours: number of nearest others that count in a score.
        """
        away = length**2 * self._size + 2 * length * self._mean_along_sign + self._mean_square
        to_known = (away + 2 * (length * self._along_sign + self._along_mean) + self._squares).clamp(min=0)
        own = torch.cat([to_known.new_zeros(copies - 1), to_known]).sort().values[:neighbours].sum()
        others = self._distances.clone().fill_diagonal_(torch.inf)
        every = torch.cat([others, to_known[:, None].expand(-1, copies)], dim=1).sort(dim=1).values
        return bool((own < every[:, :neighbours].sum(dim=1)).all())

    def largest(self, copies: int, told: int, threshold: float) -> tuple[float, bool]:
        """Return the first λ of the halving search that is chosen, or the last that was tried, and whether it was.

        Args:
            copies: number of equal updates.
            told: f of Krum.
            threshold: the λ below which to give up, in the units of updates.
        """
        neighbours = max(len(self._squares) + copies - told - 2, 1)
        length = self.bound(copies)
        while not (chosen := length > 0 and self.chosen(length, copies, neighbours)):
            if length / 2 * self.unit < threshold:
                break
            length /= 2
        return length, chosen


def told_to(server: AssumedServer | None, attackers: int) -> int:
    """Return the f that the last of the server's components is told that has one; else the number of attackers."""
    components = server.components if server is not None else ()
    told = [f for component in components if isinstance(f := getattr(component, "f", None), int)]
    return told[-1] if told else attackers


def _displace(row: Tensor, epsilon: float, address: Address) -> None:
    """Move a row (``[p]``) by a random vector of at most this length."""
    generator = address.generator()
    noise = torch.from_numpy(generator.standard_normal(len(row), dtype="float32")).to(row)
    row += noise * (epsilon * generator.random() / max(float(noise.norm()), 1e-30))
