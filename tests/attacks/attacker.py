"""What an attack sees, made by hand, and what a round makes of what it sends; shared by all tests of attacks.

`look` has a linear model in which numbers can be worked out, `deep` a two-layer one in double precision, which the
plain loops of `oracle` can follow to the last digits.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.estimation import Observation
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.core.registry import BUILT_IN
from fedlens.data.dataset import Samples
from fedlens.data.digits import Digits
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Received
from fedlens.experiment.experiment import Experiment
from fedlens.goals.success import Success, TargetSamples, success
from fedlens.models.dropout import Dropout
from fedlens.models.mlp import CensusMlp
from fedlens.models.network import Network
from fedlens.simulation.engines.jobs import member_of
from fedlens.training.local import LocalTraining

CLIENTS, MALICIOUS, ROW = 4, 2, 2
"""A small federation's clients, the malicious one among them, and its row in the shared tensors."""

UNTARGETED = {
    "a-little-is-enough",
    "adaptive-ipm",
    "agr-tailored",
    "dynamic-label-flipping",
    "fang-krum",
    "fang-trimmed-mean",
    "free-rider",
    "gaussian",
    "inner-product-manipulation",
    "label-flipping",
    "mimic",
    "min-max",
    "min-sum",
    "sign-flipping",
}
"""Attacks on the model as a whole, which ``test_team`` looks at."""

TOGETHER = {"a3fl", "anticipate"}
"""Attacks of a team on a goal, which have tests of their own."""

TARGETED = [name for name in BUILT_IN["attack"] if name not in UNTARGETED | TOGETHER]
FIXED = {"badnets", "train-and-scale"}
"""Attacks whose boosting factor is no option."""
EFFECTIVE = [name for name in TARGETED if name not in {"honest", *FIXED}]
"""Attacks that have an effect, and so something to boost."""
UNBOOSTED = {"chameleon", "data-poisoning", "dba", "neurotoxin", "pgd"}
"""Those whose factor is 1 unless one says otherwise."""

BRIEF: dict[str, dict[str, Any]] = {
    "explicit-boosting": {"step_cap": 30},
    "implicit-boosting": {"step_cap": 30},
    "alternating-minimisation": {"epochs": 3},
    "chameleon": {"encoder_epochs": 1},
    "constrain-and-scale": {"alpha": 0.7},
    "train-and-scale": {"bound": 2},
}
"""Options for attacks that would take long in a test, or have options without a default."""

ADDRESS = Address.root(9).at("client", 1, 9)
GLOBAL = torch.tensor([2.0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0])
"""Weights of a linear model of four inputs and three classes that sees input i as class i, with logits 2, 0, 0."""

HIDDEN = 5
SIZE = 4 * HIDDEN + HIDDEN + 3 * HIDDEN + 3
"""Entries of the two-layer model."""


def linear() -> nn.Module:
    return nn.Linear(4, 3)


def two_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(4, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 3)).double()


def cloud(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def look(wanted: Mapping[int, int] | None = None, *, dropout: float = 0.0, **changes: Any) -> View:
    """What the malicious client of ten sees; it wants input 0 as class 1. `changes` are fields of the view."""
    wanted = wanted or {0: 1}
    true = torch.tensor(list(wanted))
    view = View(
        round=1,
        weights=GLOBAL.clone(),
        received=GLOBAL.clone(),
        alpha=0.1,
        shard=Samples(torch.eye(4)[:3], torch.arange(3)),
        auxiliary=TargetSamples(torch.eye(4)[true], true, torch.tensor(list(wanted.values())), true),
        local=LocalTraining(learning_rate=0.1),
        network=Network(nn.Sequential(Dropout(dropout), linear())),
        address=ADDRESS,
    )
    return changed(view, changes)


def deep(**changes: Any) -> View:
    """A view with a two-layer model, twenty samples in batches of 6, 6, 6 and 2, and two targets."""
    weights = cloud(SIZE, seed=1) / 2
    view = View(
        round=5,
        weights=weights.clone(),
        received=weights.clone(),
        alpha=0.2,
        shard=Samples(cloud(20, 4, seed=2), torch.arange(20) % 3),
        auxiliary=TargetSamples(cloud(2, 4, seed=3), torch.tensor([0, 2]), torch.tensor([1, 0]), torch.tensor([7, 3])),
        local=LocalTraining(epochs=2, batch_size=6, learning_rate=0.02),
        network=Network(two_layers()),
        address=ADDRESS,
    )
    return changed(view, changes)


def changed(view: View, changes: Mapping[str, Any]) -> View:
    """`view` with some fields changed; whoever changes the weights has received them, unless it says otherwise."""
    if "weights" in changes:
        changes = {"received": changes["weights"].clone(), **changes}
    view = replace(view, log={}, **changes)
    view.network.load(view.weights)
    return view


def remembering(view: View, others: Tensor, gap: int = 1) -> View:
    """`view` of a client that last took part `gap` rounds ago, since when the others added `others` in every round."""
    update = cloud(len(others), seed=8).to(others)
    before = view.received - gap * others - 0.3 * update
    return changed(view, {"history": (Observation(view.round - gap, 0.3, before, update),)})


def after_the_round(view: View, update: Tensor, others: Tensor | None = None, peers: int = 9) -> Tensor:
    """The global model when the others send zeros, or what adds up to `others`."""
    rest = (1 - view.alpha) / peers
    sent = torch.zeros_like(update) if others is None else others / (1 - view.alpha)
    updates = torch.cat([sent.expand(peers, -1), update[None]])
    alpha = torch.tensor([rest] * peers + [view.alpha], dtype=torch.float64)
    received = Received(updates, alpha, view.network.layout, Address.root(0))
    return view.received + Mean().aggregate(received).update


def result(view: View, weights: Tensor) -> Success:
    """What these weights make of the attacker's samples in `look`."""
    view.network.load(weights)
    return success(view.network.log_probabilities(torch.eye(4)), view.auxiliary)


def poisoned(attack: Attack, view: View) -> View:
    """The view with the samples that the attack trains on."""
    return replace(view, shard=attack.poison(view.shard, member_of(view), view.auxiliary))


def biases(view: View) -> Tensor:
    """Which entries are biases, shape ``[d]``."""
    return Layout.of(view.network.module).mask({"bias"})


def tiny(attack: Attack | None, **changes: Any) -> Experiment:
    """A federation of four clients who take three steps a round."""
    plan = {"clients": CLIENTS, "rounds": 3, "local": LocalTraining(steps=3, batch_size=20), "control": False}
    return Experiment(data=Digits(), model=CensusMlp(), attack=attack, **{**plan, **changes})
