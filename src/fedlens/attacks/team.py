"""A team of attackers: what its members have together, and what they send.

Attackers that collude pool what they hold and see. How far that goes is an attack's `sight`: with ``team``, the honest
updates of the team's members in this round; with ``all``, those of every client of the cohort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedlens.attacks.assumed_server import AssumedServer
from fedlens.attacks.estimation import Observation
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.goals.goal import Goal
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Member:
    """An attacker in a round in which it is chosen.

    Attributes:
        place: its place in the team of all attackers, from 0, whether they are in the cohort or not.
        alpha: weight α_i that its update will have in the average, as announced.
        shard: its own samples, as `Attack.poison` left them.
        address: where its random draws begin.
        history: earlier rounds in which it took part, as many as the attack `remembers`, latest last.
        goal: what attackers want, if not that target samples are misclassified.
        log: numbers that the attack adds to its record of the round.
        classes: number of classes.

    Example:
        >>> from fedlens import Attack, Experiment, Samples, simulate
        >>> class First(Attack):
        ...     def poison(self, samples, member, goal):
        ...         return Samples(samples.x, 9 - samples.y) if member.place == 0 else samples
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=First(boost=1), attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.client for client in result.record.attackers]
        [8, 9]
    """

    place: int
    alpha: float
    shard: Samples
    address: Address
    history: tuple[Observation, ...] = ()
    goal: Goal | None = None
    log: dict[str, float] = field(default_factory=dict)
    classes: int = 0


@dataclass(frozen=True)
class Team:
    """The knowledge of the k attackers in a round's cohort that act, put together.

    Attributes:
        round: number of the round, from 1.
        received: the global weights w_G^t, shape ``[d]``.
        members: who they are, in ascending order of their numbers.
        honest: the updates that they would send if they were honest, shape ``[k, d]``.
        others: the honest updates of the rest of the cohort, shape ``[n - k, d]``; ``None`` unless the attack's
            `sight` is ``all``.
        cohort: number of clients n in the round.
        auxiliary: the target samples, which the team wants misclassified.
        local: how honest clients train.
        network: a working copy of the model, loaded with `received`.
        address: where the random draws of the team begin.
        state: what the team kept of earlier rounds, as `Crafted.state`.
        server: what the team assumes of the server, if the attack `needs_rule`; else ``None``.
        senders: the numbers of the clients whose updates `others` are, by row; ``None`` without these.

    Example:
        >>> from fedlens import Attack, Crafted, Experiment, simulate
        >>> class Mirror(Attack):
        ...     sight = "team"
        ...     def collude(self, team):
        ...         return Crafted(-team.honest.mean(dim=0).expand_as(team.honest))
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> experiment = Experiment(data="digits", attack=Mirror(), attackers={"count": 3}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> len(result.record.attackers)
        3
    """

    round: int
    received: Tensor
    members: tuple[Member, ...]
    honest: Tensor
    others: Tensor | None
    cohort: int
    auxiliary: TargetSamples
    local: LocalTraining
    network: Network
    address: Address
    state: Mapping[str, Tensor] = field(default_factory=dict)
    server: AssumedServer | None = None
    senders: tuple[int, ...] | None = None

    @property
    def alpha(self) -> float:
        """Weight that the members' updates will have in the average together."""
        return sum(member.alpha for member in self.members)


@dataclass(frozen=True)
class Crafted:
    """What a team sends, and what it keeps for the next round.

    Attributes:
        updates: the members' updates, displacements from `Team.received`, shape ``[k, d]``.
        state: tensors by their names, handed to the team's next round and kept in checkpoints.

    Example:
        >>> import torch
        >>> from fedlens import Crafted
        >>> Crafted(torch.zeros(2, 5)).updates.shape
        torch.Size([2, 5])
    """

    updates: Tensor
    state: Mapping[str, Tensor] = field(default_factory=dict)
