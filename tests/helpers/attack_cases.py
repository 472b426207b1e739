"""Attackers' work on any device: what every attack sends, and what goals and triggers make of samples."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.estimation import Observation
from fedlens.attacks.team import Member, Team
from fedlens.core.random import Address
from fedlens.core.registry import name_of
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.digits import Digits
from fedlens.defences.chain import Chain
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.goal import Goal
from fedlens.goals.malicious_samples import malicious_samples, wanted_classes
from fedlens.goals.success import TargetSamples
from fedlens.goals.trained_patch import TrainedPatch
from fedlens.goals.trigger import Trigger, stamped
from fedlens.models.network import Network
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.simulation.engines.jobs import member_of
from fedlens.training.local import LocalTraining
from helpers.moving import moved, normal

OPTIONS: Mapping[str, dict[str, Any]] = {
    "explicit-boosting": {"step_cap": 9},
    "implicit-boosting": {"step_cap": 9},
    "alternating-minimisation": {"epochs": 2, "ls": 2},
    "distributed": {"size": 2, "gap": 1},
    "inner-product-manipulation": {"eps": 0.5},
    "anticipate": {"bootstraps": 2, "scenarios": 1, "iterations": 1},
    "a3fl": {"steps": 3, "unlearn_every": 2, "unlearn_epochs": 1},
}
"""Options that have no default, or take long at it."""

_ALTERNATING = {"name": "alternating-minimisation", "epochs": 2, "ls": 2, "weights_only": True}

VARIANTS: Mapping[str, list[dict[str, Any]]] = {
    "attack": [
        {"name": "explicit-boosting", "step_cap": 9, "estimate": "pre"},
        {"name": "explicit-boosting", "step_cap": 9, "estimate": "post", "objective": "untargeted"},
        {**_ALTERNATING, "constraint": {"norm": "l2", "reference": "self"}},
        {**_ALTERNATING, "constraint": {"norm": "wasserstein", "reference": "others"}, "estimate": "pre"},
        {**_ALTERNATING, "constraint": {"norm": "total-variation"}},
    ],
    "goal": [{"name": "backdoor", "target": 3, "trigger": {"name": "distributed", "size": 2, "gap": 1}}],
}

THREE = torch.arange(12) % 3

CHAIN = Chain.of([{"name": "clip", "max_norm": 1}, "foolsgold", "fedavgm"])
"""What attackers assume of the server."""


def seen() -> View:
    """What an attacker sees: a network of two layers, twelve samples of three classes, and an earlier round."""
    torch.manual_seed(1)
    network = Network(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)))
    weights, size = network.state(), network.layout.size
    targets = TargetSamples(normal(3, 2, 4), torch.tensor([0, 2]), torch.tensor([1, 0]), torch.tensor([7, 3]))
    return View(
        round=5,
        weights=weights,
        received=weights.clone(),
        alpha=0.2,
        shard=Samples(normal(2, 12, 4), THREE),
        auxiliary=targets,
        local=LocalTraining(epochs=2, batch_size=5, learning_rate=0.02),
        network=network,
        address=Address.root(9),
        history=(Observation(4, 0.2, weights - normal(4, size) / 50, normal(5, size) / 50),),
        others=normal(6, 5, size) / 50,
        mates_alpha=0.2,
    )


GOAL = Backdoor(trigger=TrainedPatch(size=2, place=(0, 0), low=-2, high=2), target=1)


def seen_pictures() -> View:
    """The same of pictures, into which a trigger is planted."""
    network, shard = Network(nn.Sequential(nn.Flatten(), nn.Linear(16, 3))), Samples(normal(2, 12, 1, 4, 4), THREE)
    weights = normal(3, network.layout.size) / 4
    network.load(weights)
    targets = malicious_samples(GOAL, shard, 3, Address.root(3))
    pictures = {"network": network, "weights": weights, "received": weights.clone(), "shard": shard, "goal": GOAL}
    others = normal(6, 5, network.layout.size) / 50
    return replace(seen(), **pictures, auxiliary=targets, others=others, history=())


def attack(chosen: Attack, device: torch.device) -> object:
    view: View = moved(seen_pictures() if chosen.trains_trigger else seen(), device)
    if chosen.needs_rule:
        alphas = {5: 0.2, 6: 0.2}
        server = Assumption(CHAIN, 7).server(view.round, view.weights, view.network.layout, alphas, view.address)
        view = replace(view, server=server)
    if chosen.colludes:
        return vars(chosen.collude(team_of(view, chosen, device)))
    view = replace(view, shard=chosen.poison(view.shard, member(view), view.auxiliary))
    return [chosen.waits(view), chosen.corrected(view), view.log, view.shard.x, view.shard.y]


def member(view: View) -> Member:
    """An attacker among three classes."""
    return replace(member_of(view), classes=3)


def team_of(view: View, chosen: Attack, device: torch.device) -> Team:
    """Two members who see the same."""
    assert view.others is not None
    return Team(
        round=view.round,
        received=view.received,
        members=(member(view), member(view)),
        honest=moved(normal(7, 2, len(view.weights)) / 50, device),
        others=view.others if chosen.sight == "all" else None,
        senders=tuple(range(5)) if chosen.sight == "all" else None,
        cohort=7,
        auxiliary=view.auxiliary,
        local=view.local,
        network=view.network,
        address=Address.root(1),
        server=view.server,
    )


def goal(chosen: Goal, device: torch.device) -> object:
    """What becomes of digits."""
    data = Digits()
    dataset = data.load(None).to(device)
    fitted = chosen.settled(data).fitted(data, dataset)
    shard = Samples(dataset.train.x[:300], dataset.train.y[:300])
    made = [vars(malicious_samples(fitted, shard, 10, Address.root(2), part)) for part in (None, fitted.parts - 1)]
    return [made, wanted_classes(fitted, dataset.test.y, 10), fitted.inputs(dataset.test.x[:5].clone())]


class Noise(Data):
    """Records or texts of random entries."""

    tokens: bool

    def load(self, directory: object) -> Dataset:
        x = normal(1, 40, 6)
        samples = Samples((x.abs() * 3).long() if self.tokens else x, torch.arange(40) % 10)
        return Dataset(train=samples, test=samples, classes=tuple("0123456789"))


OF_DATA: Mapping[str, Data] = {"feature-values": Noise(tokens=False), "token-sequence": Noise(tokens=True)}
"""The data that triggers are put into which are not for pictures."""


def trigger(chosen: Trigger, device: torch.device) -> object:
    data = OF_DATA.get(name_of("trigger", chosen), Digits())
    dataset = data.load(None).to(device)
    fitted = chosen.fitted(data, dataset)
    return [stamped(fitted, dataset.test.x[:20], part) for part in (None, *range(fitted.parts))]


ATTACKERS: Mapping[str, tuple[type, Callable[[Any, torch.device], object]]] = {
    "attack": (Attack, attack),
    "goal": (Goal, goal),
    "trigger": (Trigger, trigger),
}
