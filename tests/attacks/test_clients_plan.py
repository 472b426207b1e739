"""Attacks train as clients do: with their optimizer and its options, their loss on samples, and their rate."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from attacker import deep
from oracle import Plain, descend
from torch import Tensor
from torch.nn import functional

from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import View
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.attacks.simultaneous_training import SimultaneousTraining, with_targets
from fedlens.training.local import LocalTraining, batches

WEIGHTS = (0.5, 2.0, 1.0)
PLAN: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 6,
    "learning_rate": 0.05,
    "optimizer": {"name": "sgd", "momentum": 0.8, "weight_decay": 0.1},
    "loss": {"name": "cross-entropy", "label_smoothing": 0.2, "class_weights": WEIGHTS},
}

Loop = Callable[[Plain, torch.optim.Optimizer, View], None]


def clients_loss(plain: Plain, x: Tensor, y: Tensor) -> Tensor:
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    return functional.cross_entropy(plain.module(x), y, weight=weights, label_smoothing=0.2)


def looped(view: View, loop: Loop) -> Tensor:
    plain = Plain(view.weights)
    loop(plain, torch.optim.SGD(plain.module.parameters(), lr=0.05, momentum=0.8, weight_decay=0.1), view)
    return plain.vector - view.weights


def explicit(plain: Plain, optimizer: torch.optim.Optimizer, view: View) -> None:
    """The target samples' plain cross-entropy, by the client's optimizer."""
    for _ in range(4):
        descend(optimizer, plain.loss(view.auxiliary.x, view.auxiliary.target))


def simultaneous(plain: Plain, optimizer: torch.optim.Optimizer, view: View) -> None:
    """The client's loss of its samples and the targets."""
    for batch in batches(view.shard, view.local, view.address):
        both = with_targets(batch, view.auxiliary)
        descend(optimizer, clients_loss(plain, both.x, both.y))


def honest(plain: Plain, optimizer: torch.optim.Optimizer, view: View) -> None:
    for batch in batches(view.shard, view.local, view.address):
        descend(optimizer, clients_loss(plain, batch.x, batch.y))


@pytest.mark.parametrize(
    ("attack", "loop"),
    [
        (ExplicitBoosting(epochs=4, threshold=None, boost=1), explicit),
        (SimultaneousTraining(epochs=2, boost=1), simultaneous),
        (DataPoisoning(boost=1), honest),
    ],
    ids=["explicit", "simultaneous", "poisoned"],
)
def test_the_update_is_that_of_the_plain_loop(attack: Any, loop: Loop) -> None:
    view = deep(local=LocalTraining.model_validate(PLAN))
    torch.testing.assert_close(attack.craft(view), looped(view, loop), rtol=0, atol=1e-11)


def test_benign_steps_minimise_the_clients_loss_and_malicious_ones_plain_cross_entropy() -> None:
    view = deep(local=LocalTraining.model_validate(PLAN))
    found = AlternatingMinimisation(epochs=2, ls=2, boost=3).craft(view)
    plain = Plain(view.weights)
    benign, malicious = (
        torch.optim.SGD(plain.module.parameters(), lr=0.05, momentum=0.8, weight_decay=0.1) for _ in range(2)
    )
    for index, batch in enumerate(batches(view.shard, view.local, view.address)):
        descend(benign, clients_loss(plain, batch.x, batch.y))
        if index % 2:
            before = plain.vector
            descend(malicious, plain.loss(view.auxiliary.x, view.auxiliary.target))
            torch.nn.utils.vector_to_parameters(before + 3 * (plain.vector - before), plain.module.parameters())
    torch.testing.assert_close(found, plain.vector - view.weights, rtol=0, atol=1e-10)
