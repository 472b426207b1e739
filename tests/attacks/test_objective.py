from math import exp, log
from typing import Any

import pytest
import torch
from attacker import changed, deep, look
from oracle import Plain, ascent
from torch import Tensor

from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import Attack
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.attacks.objective import GOALS, Targeted, Untargeted
from fedlens.core.errors import ConfigError
from fedlens.core.registry import build
from fedlens.data.dataset import Samples
from fedlens.training.local import LocalTraining, batches

CEILING = 10.0
"""In nats; fedlens' own, written down once more."""


def local(optimizer: str, learning_rate: float = 0.02) -> LocalTraining:
    plan = {"epochs": 2, "batch_size": 6, "optimizer": optimizer, "learning_rate": learning_rate}
    return LocalTraining.model_validate(plan)


def loss_at(weights: Tensor, x: Tensor, y: Tensor) -> float:
    return float(Plain(weights).loss(x, y).detach())


def untargeted(**options: Any) -> ExplicitBoosting:
    return ExplicitBoosting.model_validate({"objective": "untargeted", "threshold": None, **options})


# The two goals


def test_the_targeted_goal_is_to_lower_the_loss_on_the_targets() -> None:
    view = look(weights=torch.zeros(15))
    goal = Targeted(view)
    assert goal.loss() == pytest.approx(torch.tensor(3).log().item())
    assert goal.backward()
    assert view.network.gradient[[0, 4, 8]].tolist() == pytest.approx([1 / 3, -2 / 3, 1 / 3])
    assert [goal.reached(loss, 0.5) for loss in (0.4, 0.5, 0.6)] == [True, False, False]


def test_the_untargeted_goal_is_to_raise_the_loss_on_the_shard() -> None:
    view = look(weights=torch.zeros(15), shard=Samples(torch.eye(4)[:1], torch.tensor([0])))
    goal = Untargeted(view)
    assert goal.backward()
    assert view.network.gradient[[0, 4, 8]].tolist() == pytest.approx([2 / 3, -1 / 3, -1 / 3])
    assert goal.loss() == pytest.approx(torch.tensor(3).log().item())
    assert [goal.reached(loss, 0.5) for loss in (CEILING - 1e-6, CEILING, CEILING + 1)] == [False, True, True]


@pytest.mark.parametrize(("loss", "due"), [(9.999, True), (10.001, False)])
def test_no_step_is_due_where_the_loss_is_above_the_ceiling(loss: float, due: bool) -> None:
    weights = torch.zeros(15)
    weights[4] = log(exp(loss) - 2)  # of three classes, class 1 has so much more that the loss of class 0 is this
    view = look(weights=weights, shard=Samples(torch.eye(4)[:1], torch.tensor([0])))
    assert Untargeted(view).loss() == pytest.approx(loss, abs=1e-5)
    assert Untargeted(view).backward() == due


def test_the_untargeted_goal_goes_through_the_shard_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    view, seen = deep(), list[Tensor]()
    backward = view.network.backward
    monkeypatch.setattr(view.network, "backward", lambda x, y, *rest: (seen.append(x), backward(x, y, *rest))[1])
    goal = Untargeted(view)
    for _ in range(9):
        goal.backward()
    drawn = list(batches(view.shard, view.local.over(3), view.address.at("untargeted")))
    assert all(torch.equal(x, batch.x) for x, batch in zip(seen, drawn, strict=False))
    assert len(seen) == 9


def test_the_goals_have_names() -> None:
    assert dict(GOALS) == {"targeted": Targeted, "untargeted": Untargeted}


# Explicit boosting


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("epochs", [1, 30])
def test_the_displacement_is_gradient_ascent_on_the_shard(optimizer: str, epochs: int) -> None:
    view = deep(local=local(optimizer))
    update = untargeted(epochs=epochs).craft(view)
    expected = ascent(view, epochs, CEILING)
    torch.testing.assert_close(update, 5 * expected, rtol=0, atol=1e-11)
    x, y = view.shard.x, view.shard.y
    assert loss_at(view.weights + expected, x, y) > loss_at(view.weights, x, y) + 1e-3


def test_the_targets_do_not_matter() -> None:
    wanted = look({1: 2}).auxiliary
    other = changed(deep(), {"auxiliary": wanted})
    assert torch.equal(untargeted().craft(deep()), untargeted().craft(other))


@pytest.mark.parametrize("seed", [2, 12])
def test_the_ceiling_bounds_the_displacement(seed: int) -> None:
    """Without one the loss would grow for as long as there are steps."""
    view = deep(local=local("sgd", learning_rate=0.5), address=deep().address.at(seed))
    x, y = view.shard.x, view.shard.y
    update = untargeted(epochs=1000, boost=1).craft(view)
    torch.testing.assert_close(update, ascent(view, 1000, CEILING), rtol=0, atol=1e-8)
    endless = ascent(view, 1000, torch.inf)
    assert CEILING / 2 < loss_at(view.weights + update, x, y) < 3 * CEILING
    assert loss_at(view.weights + endless, x, y) > 100 * CEILING


def test_it_goes_on_until_the_ceiling_and_then_stops() -> None:
    view = deep(local=local("adam", learning_rate=0.1))
    update = untargeted(threshold=1e-6, check_every=10, boost=1).craft(view)
    steps = int(view.log["steps"])
    assert 5 < steps < 1000
    assert (steps - 5) % 10 == 0
    assert view.log["loss"] >= CEILING
    torch.testing.assert_close(update, ascent(view, steps, CEILING), rtol=0, atol=1e-9)
    earlier = deep(local=local("adam", learning_rate=0.1))
    untargeted(epochs=steps - 10, boost=1).craft(earlier)
    assert earlier.log["loss"] < CEILING


# Alternating minimisation


def test_alternating_ascent_by_hand() -> None:
    """One benign step of gradient descent, and one of ascent on another batch, boosted."""
    view = deep(local=local("sgd"))
    update = AlternatingMinimisation(objective="untargeted", epochs=0.25, ls=1).craft(view)
    weights = view.weights
    benign = next(batches(view.shard, view.local, view.address))
    malicious = next(batches(view.shard, view.local, view.address.at("untargeted")))
    for batch, scale in ((benign, -0.02), (malicious, 5 * 0.02)):
        plain = Plain(weights)
        plain.loss(batch.x, batch.y).backward()
        weights = weights + scale * torch.cat([parameter.grad.reshape(-1) for parameter in plain.module.parameters()])
    torch.testing.assert_close(update, weights - view.weights, rtol=0, atol=1e-14)
    assert not torch.equal(benign.x, malicious.x)


def test_alternating_ascent_stops_at_the_ceiling() -> None:
    view = deep(local=local("adam", learning_rate=0.5))
    AlternatingMinimisation(objective="untargeted", epochs=20, ls=1).craft(view)
    assert 0 < view.log["malicious_steps"] < 80


# Mistakes


@pytest.mark.parametrize("name", ["explicit-boosting", "alternating-minimisation"])
def test_hold_off_without_a_target_is_refused(name: str) -> None:
    options = {"name": name, "objective": "untargeted", "hold_off": 0.9}
    with pytest.raises(ConfigError, match=r"attack\.objective: untargeted, .* hold_off .*-o attack\.hold_off=null"):
        build("attack", options, Attack)
    assert build("attack", {**options, "hold_off": None}, Attack)
    assert build("attack", {**options, "objective": "targeted"}, Attack)


@pytest.mark.parametrize("name", ["implicit-boosting", "simultaneous-training", "data-poisoning"])
def test_attacks_on_targets_only_have_no_other_objective(name: str) -> None:
    with pytest.raises(ConfigError, match="objective"):
        build("attack", {"name": name, "objective": "untargeted"}, Attack)


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"attack\.objective"):
        build("attack", {"name": "explicit-boosting", "objective": "random"}, Attack)
