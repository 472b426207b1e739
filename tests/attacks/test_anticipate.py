"""An attack that tries the server's chain on clients that it anticipates: planted weaknesses, and all goals."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from attacker import ADDRESS, cloud
from torch import Tensor, nn

from fedlens.attacks.anticipate import Anticipate
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.attacks.team import Member, Team
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.defences.chain import Chain
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.goals.goal import Goal
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.training.local import LocalTraining, train

CLIENTS, FEATURES, CLASSES = 8, 12, 3
DRAWN = Address.root(20261201).at("planted").generator()
"""Where the weaknesses of rules are drawn."""

CENTRES = cloud(CLASSES, FEATURES, seed=1).float() * 1.2
FAST: Mapping[str, Any] = {"bootstraps": 6, "scenarios": 3, "iterations": 2}


def drawn(count: int, seed: int) -> Samples:
    """Samples around the centre of their class."""
    y = torch.arange(count) % CLASSES
    return Samples(CENTRES[y] + cloud(count, FEATURES, seed=seed).float(), y)


class Federation:
    """Eight clients who have trained for some steps; the last ones attack."""

    def __init__(self, attackers: int = 1, size: int = 60, seed: int = 3) -> None:
        self.network = Network(nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, CLASSES)))
        size_ = self.network.layout.size
        self.local = LocalTraining(epochs=2, batch_size=20, learning_rate=0.02)
        self.shards = [drawn(size, 100 * seed + client) for client in range(CLIENTS)]
        self.test = drawn(600, 7)
        start = cloud(size_, seed=seed).float() / 4
        self.weights = start + train(self.network, start, drawn(600, 99), LocalTraining(steps=30), ADDRESS)
        self.updates = torch.stack(
            [
                train(self.network, self.weights, shard, self.local, ADDRESS.at("honest", client))
                for client, shard in enumerate(self.shards)
            ]
        )
        self.attackers = attackers
        # A sample of class 0 that is to be taken for class 1, near neither of the others.
        x = CENTRES[:1] + 0.3 * (CENTRES[1:2] - CENTRES[:1])
        self.target = TargetSamples(x, torch.tensor([0]), torch.tensor([1]), torch.tensor([0]))

    def team(
        self, rule: Any, goal: Goal | None = None, *, checks: Mapping[str, Any] | None = None, **changes: Any
    ) -> Team:
        """The attackers as they are given to an attack."""
        rows = range(CLIENTS - self.attackers, CLIENTS)
        assumption = Assumption(Chain.of(rule), CLIENTS, checks=checks or {})
        server = assumption.server(
            1, self.weights, Layout.of(self.network.module), dict.fromkeys(rows, 1 / CLIENTS), Address.root(5)
        )
        members = tuple(
            Member(place, 1 / CLIENTS, self.shards[row], ADDRESS.at(row), goal=goal, log={}, classes=CLASSES)
            for place, row in enumerate(rows)
        )
        given: dict[str, Any] = {
            "round": 1, "received": self.weights.clone(), "members": members,
            "honest": self.updates[list(rows)].clone(), "others": None, "cohort": CLIENTS, "auxiliary": self.target, "local": self.local, "network": self.network,
            "address": Address.root(5), "server": server,
        }  # fmt: skip
        return Team(**{**given, **changes})

    def after(self, team: Team, rows: Tensor) -> Tensor:
        """The real global model, with the real others."""
        assert team.server is not None
        return self.weights + team.server.step(torch.cat([self.updates[: CLIENTS - self.attackers], rows]))

    def confidence(self, weights: Tensor) -> float:
        self.network.load(weights)
        return float(self.network.log_probabilities(self.target.x)[0, 1].exp())

    def accuracy(self, weights: Tensor) -> float:
        self.network.load(weights)
        return float((self.network.log_probabilities(self.test.x).argmax(dim=1) == self.test.y).float().mean())


@pytest.fixture(scope="module")
def federation() -> Federation:
    return Federation()


class Leak(Rule):
    """A median that leaks a little of the mean."""

    eta: float

    def aggregate(self, received: Received) -> Aggregate:
        updates = received.updates
        return Aggregate((1 - self.eta) * updates.median(dim=0).values + self.eta * updates.mean(dim=0))


class Quantised(Rule):
    """A mean of rounded entries, by NumPy."""

    def aggregate(self, received: Received) -> Aggregate:
        array = received.updates.numpy().copy()
        return Aggregate(torch.from_numpy((array / 0.02).round().mean(axis=0) * 0.02).to(received.updates))


class Gate(Rule):
    """A mean of the updates whose length is within a window."""

    low: float
    high: float

    def aggregate(self, received: Received) -> Aggregate:
        lengths = received.updates.norm(dim=1)
        taken = (lengths > self.low) & (lengths < self.high)
        shares = taken.double() / max(int(taken.sum()), 1)
        return Aggregate(shares.to(received.updates) @ received.updates, shares)


def boosts(federation: Federation, team: Team) -> list[Tensor]:
    """What explicit boosting sends at several factors."""
    from fedlens.attacks.warm_starts import FACTORS, _view

    federation.network.load(federation.weights)
    alone = ExplicitBoosting(boost=1, step_cap=200).craft(_view(team, federation.shards[-1], federation.target))
    return [factor * alone for factor in (*FACTORS, CLIENTS)]


def test_it_finds_a_leak_of_any_size_where_boosting_fails(federation: Federation) -> None:
    eta = float(10 ** DRAWN.uniform(-3, -1.5))
    team = federation.team(Leak(eta=eta))
    sent = Anticipate(**FAST).collude(team).updates
    assert federation.confidence(federation.after(team, sent)) > 0.9
    for boosted in boosts(federation, team):
        assert federation.confidence(federation.after(team, boosted[None])) < 0.6
