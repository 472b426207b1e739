"""What attackers anticipate that the other clients of a round will send, from nothing but data of their own.

They train as honest clients do, on resamples of their own shards (bootstraps): b updates with mean c, the centre, and
deviations d_1, ..., d_b from it. Both have to be corrected, and what they have themselves tells by how much.

*Place.* The centre has the attackers' own samples in it, so that the others are elsewhere. Where they are expected, m̂,
and how far from there they may be, e, is told by the centre's reliability ρ and by what others added to the global
model before (`fedlens.attacks.others_mean`). If r is the correlation of two centres that are made of half of the data
each, the reliability of one that is made of the part q of the data is (C. Spearman and W. Brown, both in *British
Journal of Psychology* 3, 1910)

    ρ = 2qr / (1 + (2q − 1) r).

*Spread.* Bootstraps of one shard share samples, which other clients do not. Let D² be the mean squared distance of
updates of two disjoint halves, and W² that of two updates of the same half, which the order of batches makes. The part
of D² that is due to samples is twice as large as for whole shards, so that for clients

    distance² = (D² + W²) / 2,

which divided by that of bootstraps is s². Halves are those of the shard; of a team its members: then its own distance
counts, with all by which clients differ. In a simulated round, another client sends

    m̂ + o + κ s d_j,    ‖o‖ = e,

with o a random combination of deviations, the same for all clients of the round, for what is not known of the place,
and κ the caution, for a rule may pick an extreme of many. If there are more clients than bootstraps, the rest have
random combinations of unit length in place of d_j.

Samples that are held back for judging accuracy are in no bootstrap: of simulated rounds that have learnt them, one
would learn nothing about what honest clients repair. Only for ρ and s, which are two numbers, halves have all samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Protocol

from fedlens.attacks.others_mean import OthersMean, step_of_others
from fedlens.attacks.team import Team
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.training.local import train

if TYPE_CHECKING:
    from torch import Tensor

REPEATS = 2
"""Trainings on each half of a shard, so that the order of batches weighs less."""


class Others(Protocol):
    """The other clients of simulated rounds."""

    @property
    def count(self) -> int:
        """Number of simulated rounds."""

    @property
    def rho(self) -> float:
        """The reliability ρ; 1 where nothing is estimated."""

    @property
    def centre(self) -> Tensor:
        """Where the others are expected to be, shape ``[d]``."""

    @property
    def deviation(self) -> Tensor:
        """Their standard deviation by parameter, shape ``[p]``."""

    def rows(self, scenario: int) -> Tensor:
        """Return what they send in a simulated round, shape ``[n - k, d]``."""


@dataclass(frozen=True)
class TrueOthers:
    """What the others really send, for attackers who see it.

    Attributes:
        updates: shape ``[n - k, d]``.
        parameters: number p of entries that are parameters.
    """

    updates: Tensor
    parameters: int
    count: int = 1
    rho: float = 1.0

    @property
    def centre(self) -> Tensor:
        """See `Others.centre`."""
        return self.updates.sum(dim=0) / max(len(self.updates), 1)

    @property
    def deviation(self) -> Tensor:
        """See `Others.deviation`."""
        return (
            (self.updates - self.centre)[:, : self.parameters].square().sum(dim=0).div(max(len(self.updates), 1)).sqrt()
        )

    def rows(self, scenario: int) -> Tensor:  # noqa: ARG002 - there is but one
        """See `Others.rows`."""
        return self.updates


@dataclass(frozen=True)
class SimulatedOthers:
    """What the others may send.

    Attributes:
        bootstraps: updates of resampled shards, shape ``[b, d]``.
        parameters: number p of entries that are parameters; all others are sent as their mean.
        mean: where their parameters are expected on average.
        scale: κ s, by which deviations are multiplied.
        others: number of other clients.
        count: number of simulated rounds.
        address: where they are drawn.
    """

    bootstraps: Tensor
    parameters: int
    mean: OthersMean
    scale: float
    others: int
    count: int
    address: Address

    @property
    def rho(self) -> float:
        """See `Others.rho`."""
        return self.mean.rho

    @cached_property
    def alone(self) -> SimulatedOthers:
        """The same as attackers expect them who know of no step; itself if these do not."""
        if not self.mean.by_step:
            return self
        return replace(self, mean=OthersMean.of(self._mean[: self.parameters], self.rho, None, self.others))

    @property
    def centre(self) -> Tensor:
        """See `Others.centre`: m̂, and the mean of what is no parameter."""
        return torch.cat([self.mean.expected, self._mean[self.parameters :]])

    @property
    def deviation(self) -> Tensor:
        """See `Others.deviation`; whatever the caution, for it also says how far a search goes."""
        return self._deviations.square().mean(dim=0).sqrt()

    def rows(self, scenario: int) -> Tensor:
        """See `Others.rows`."""
        generator = self.address.at("scenario", scenario).generator()
        count = len(self.bootstraps)
        mixture = torch.zeros(self.others, count, dtype=torch.float64)
        for row, chosen in enumerate(generator.permutation(count)[: self.others]):
            mixture[row, int(chosen)] = 1
        if self.others > count:
            drawn = torch.from_numpy(generator.normal(size=(self.others - count, count)))
            mixture[count:] = drawn / drawn.norm(dim=1, keepdim=True)
        place = torch.from_numpy(generator.normal(size=(1, count))).to(self._deviations) @ self._deviations
        place *= self.mean.error / max(float(place.norm()), torch.finfo(place.dtype).tiny)
        rows = self.centre.repeat(self.others, 1)
        rows[:, : self.parameters] += place + self.scale * (mixture.to(place) @ self._deviations)
        return rows

    @cached_property
    def _mean(self) -> Tensor:
        return self.bootstraps.mean(dim=0)

    @cached_property
    def _deviations(self) -> Tensor:
        """The deviations d_j, shape ``[b, p]``, as long as those from a mean that is not their own."""
        count = len(self.bootstraps)
        return (self.bootstraps - self._mean)[:, : self.parameters] * sqrt(count / (count - 1))


def anticipated(team: Team, shards: list[Samples], bootstraps: int, scenarios: int, caution: float) -> SimulatedOthers:
    """Train on resamples of the members' `shards`, and return what others may send.

    Args:
        team: what is known.
        shards: what each member trains on, without samples that are held back.
        bootstraps: number b of resamples, at least 2; dealt to the members in turn.
        scenarios: number of simulated rounds.
        caution: κ.
    """
    parameters, address = len(team.network.vector), team.address.at("anticipation")
    owners = [number % len(shards) for number in range(bootstraps)]
    updates = torch.stack([_bootstrap(team, shards, owner, address.at(n)) for n, owner in enumerate(owners)])
    if len(shards) > 1:
        halves = team.honest[0::2, :parameters], team.honest[1::2, :parameters]
        distance = _distance(team.honest[:, :parameters])
    else:
        halves = _of_halves(team, parameters, address)
        between = float((halves[0][:, None] - halves[1]).square().sum(dim=2).mean())
        distance = between / 2 + sum(map(_distance, halves)) / 4
    simulated = _distance(updates[:, :parameters])
    part = sum(map(len, shards)) / sum(len(member.shard) for member in team.members)
    rho = shrinkage(halves[0].mean(dim=0), halves[1].mean(dim=0), part)
    scale = caution * sqrt(distance / simulated) if distance and simulated else caution
    count, step = team.cohort - len(team.members), step_of_others(team)
    mean = OthersMean.of(updates.mean(dim=0)[:parameters], rho, None if step is None else step[:parameters], count)
    return SimulatedOthers(updates, parameters, mean, scale, count, scenarios, address)


def shrinkage(first: Tensor, second: Tensor, part: float = 1.0) -> float:
    """Return ρ, given two centres (``[p]``) made of half of the data each, for one made of this `part` of the data.

    It is 0 where they disagree.
    """
    lengths = float(first.double().norm() * second.double().norm())
    correlation = float(first.double() @ second.double()) / lengths if lengths else 0.0
    length = 2 * part
    return length * correlation / (1 + (length - 1) * correlation) if correlation > 0 else 0.0


def _bootstrap(team: Team, shards: list[Samples], owner: int, address: Address) -> Tensor:
    """Train on as many samples as a member has, drawn with replacement of its `shards`; return the update, ``[d]``."""
    samples, size = shards[owner], len(team.members[owner].shard)
    drawn = torch.from_numpy(address.at("sample").generator().integers(len(samples), size=size))
    return train(team.network, team.received, samples.take(drawn), team.local, address)


def _of_halves(team: Team, parameters: int, address: Address) -> tuple[Tensor, Tensor]:
    """Return updates of two random halves of a shard, with as many steps as a client takes, both ``[REPEATS, p]``."""
    samples = team.members[0].shard
    order = torch.from_numpy(address.at("halves").generator().permutation(len(samples)))
    plan = team.local.model_copy(update={"epochs": None, "steps": team.local.steps_for(len(samples))})
    first, second = (samples.take(order[half::2] if len(samples) > 1 else order) for half in (0, 1))

    def updates(half: Samples, name: str) -> Tensor:
        trained = [train(team.network, team.received, half, plan, address.at(name, n)) for n in range(REPEATS)]
        return torch.stack(trained)[:, :parameters]

    return updates(first, "first"), updates(second, "second")


def _distance(rows: Tensor) -> float:
    """Return the mean squared distance of two of the `rows` (``[m, p]``); 0 of a single one."""
    return 2 * float(rows.var(dim=0).sum()) if len(rows) > 1 else 0.0
