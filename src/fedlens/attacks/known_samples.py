"""What attackers have of data: samples that they use, those that they hold back, and what they want of which inputs."""

from __future__ import annotations

from dataclasses import dataclass

from fedlens.attacks.team import Member, Team
from fedlens.attacks.utility import Price, Utility
from fedlens.core.lazy import torch
from fedlens.data.dataset import Samples
from fedlens.goals.malicious_samples import malicious_samples
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network


@dataclass(frozen=True)
class Known:
    """A team's samples, divided for good: by round and member, parts are drawn at the member's address.

    Attributes:
        shards: what each member uses.
        own: all of that.
        held_back: what accuracy is judged by, of all members.
        targets: what malicious steps want misclassified; ``None`` for damage.
        judged: what a model's worth is judged by: the target samples, triggered copies of what is held back, or for
            damage that itself.
    """

    shards: list[Samples]
    own: Samples
    held_back: Samples
    targets: TargetSamples | None
    judged: Samples

    @classmethod
    def of(cls, team: Team, share: float) -> Known:
        """Divide the shards of a `team`, of which this `share` is held back."""
        parts = [_split(member, share) for member in team.members]
        own, held_back = (_pooled([part[which] for part in parts]) for which in (0, 1))
        goal = team.members[0].goal
        if goal is not None and not goal.asks:
            return cls([used for used, _ in parts], own, held_back, None, held_back if len(held_back) else own)
        targets, judged = _wanted(team, own, "own"), _wanted(team, held_back, "held back")
        return cls([used for used, _ in parts], own, held_back, targets, Samples(judged.x, judged.target))

    @property
    def damage(self) -> bool:
        """Whether models are to be wrong, whatever they say."""
        return self.targets is None

    @property
    def wanted(self) -> Samples:
        """Inputs of malicious steps, and the classes wanted of them; for damage their true ones."""
        return self.own if self.targets is None else Samples(self.targets.x, self.targets.target)

    def utility(self, network: Network, price: Price, confidence: float) -> Utility:
        """Return what models are worth; see `Utility`."""
        return Utility(
            network,
            self.judged,
            self.held_back,
            None if self.damage else price,
            damage=self.damage,
            confidence=confidence,
        )


def _wanted(team: Team, samples: Samples, name: str) -> TargetSamples:
    """Return the target samples, or what the goal wants of these `samples`, or else of whatever it wants something."""
    first = team.members[0]
    if first.goal is None:
        return team.auxiliary
    made = malicious_samples(first.goal, samples, first.classes, team.address.at("goal", name))
    return made if len(made.index) else team.auxiliary


def _split(member: Member, share: float) -> tuple[Samples, Samples]:
    """Return a member's samples that it uses, at least one, and those that it holds back."""
    count = len(member.shard)
    order = torch.from_numpy(member.address.at("held back").generator().permutation(count))
    held = min(max(round(share * count), 1), count - 1)
    return member.shard.take(order[held:]), member.shard.take(order[:held])


def _pooled(parts: list[Samples]) -> Samples:
    """Return the samples of all `parts`."""
    return Samples(torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]))
