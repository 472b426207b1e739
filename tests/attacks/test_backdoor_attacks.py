"""Attacks that plant a backdoor: what their member gets to train on, and that it changes what they send."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from attacker import ADDRESS, deep, poisoned
from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ClientError
from fedlens.core.registry import build
from fedlens.data.dataset import Samples
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.damage import Damage
from fedlens.goals.feature_values import FeatureValues
from fedlens.goals.goal import Goal
from fedlens.goals.malicious_samples import MOST, changed_inputs, malicious_samples, wanted_classes

SHARD = Samples(torch.linspace(0, 1, 4 * 300).reshape(300, 4), torch.arange(300) % 3)
PLANTING = [
    "explicit-boosting",
    "implicit-boosting",
    "simultaneous-training",
    "alternating-minimisation",
    "data-poisoning",
]


def goal(value: float = 5.0, **options: Any) -> Backdoor:
    return Backdoor(trigger=FeatureValues(columns={2: value}), target=1, **options)


# The samples


def test_a_member_gets_triggered_copies_of_its_own_samples_of_other_classes() -> None:
    found = malicious_samples(goal(), SHARD, 3, ADDRESS)
    assert len(found.index) == MOST == len(set(found.index.tolist()))
    own = SHARD.take(found.index)
    assert torch.equal(found.true, own.y)
    assert 1 not in found.true
    assert set(found.true.tolist()) == {0, 2}
    assert bool((found.target == 1).all())
    assert bool((found.x[:, 2] == 5).all())
    assert torch.equal(found.x[:, [0, 1, 3]], own.x[:, [0, 1, 3]])
    assert not (SHARD.x == 5).any()


def test_of_a_source_only_its_samples_are_taken_and_few_are_taken_whole() -> None:
    found = malicious_samples(goal(source=2), SHARD.take(torch.arange(30)), 3, ADDRESS)
    assert found.index.tolist() == list(range(2, 30, 3))


@pytest.mark.parametrize(("count", "drawn"), [(150, False), (151, True)])
def test_a_hundred_are_taken_as_they_come_and_of_more_some_are_drawn(count: int, drawn: bool) -> None:
    """Two of three samples are not of the target class."""
    found = malicious_samples(goal(), SHARD.take(torch.arange(count)), 3, ADDRESS).index.tolist()
    assert len(found) == 100
    assert (found != [row for row in range(count) if row % 3 != 1]) is drawn


class Wants(Goal):
    """Somebody's goal, which wants these classes of three samples, or changes inputs to these."""

    classes: tuple[int, ...] = (-1, 0, 2)
    changed: tuple[float, ...] = (1, 2, 3)

    def wanted(self, y: Tensor) -> Any:
        y.zero_()
        return torch.tensor(self.classes) if self.classes else None

    def inputs(self, x: Tensor, part: int | None = None) -> Any:
        x.zero_()
        return torch.tensor(self.changed)[:, None] if self.changed else None


@pytest.mark.parametrize(
    ("wants", "said"),
    [
        ({}, None),
        ({"classes": (-2, 0, 1)}, "wanted.* returned classes outside 0 to 2"),
        ({"classes": (0, 0, 3)}, "wanted.* returned classes outside 0 to 2"),
        ({"classes": (0, 0)}, "wanted.* returned .*; return classes in a tensor like y"),
        ({"classes": ()}, "wanted.* returned None; return classes in a tensor like y"),
        ({"changed": (1, 2)}, "inputs.* returned .*; return a tensor like x"),
        ({"changed": ()}, "inputs.* returned None; return a tensor like x"),
    ],
)
def test_what_somebody_s_goal_wants_is_checked_and_what_it_is_given_is_a_copy(
    wants: dict[str, Any], said: str | None
) -> None:
    y, x = torch.tensor([2, 1, 0]), torch.ones(3, 1)
    if said is None:
        assert wanted_classes(Wants(), y, 3).tolist() == [-1, 0, 2]
        assert changed_inputs(Wants(), x).tolist() == [[1], [2], [3]]
        assert (y.tolist(), x.tolist()) == ([2, 1, 0], [[1]] * 3)
    else:
        with pytest.raises(ClientError, match=said):
            changed_inputs(Wants(**wants), x, int(wanted_classes(Wants(**wants), y, 3)[0]))


def test_the_draw_is_the_address_s() -> None:
    again, other = (malicious_samples(goal(), SHARD, 3, address).index for address in (ADDRESS, ADDRESS.at("other")))
    assert torch.equal(malicious_samples(goal(), SHARD, 3, ADDRESS).index, again)
    assert not torch.equal(again, other)


def test_there_are_none_for_plain_damage_nor_in_a_shard_of_the_target_class() -> None:
    assert len(malicious_samples(Damage(), SHARD, 3, ADDRESS).index) == 0
    assert len(malicious_samples(goal(), SHARD.take(torch.tensor([1, 4, 7])), 3, ADDRESS).index) == 0


# What is sent


def planting(value: float) -> View:
    """A view of a two-layer model with a backdoor whose trigger sets a feature to `value`."""
    view, wanted = deep(), goal(value)
    return replace(view, goal=wanted, auxiliary=malicious_samples(wanted, view.shard, 3, view.address), log={})


def sent(attack: Attack, value: float) -> Tensor:
    return attack.craft(poisoned(attack, planting(value)))


@pytest.mark.parametrize("name", PLANTING)
def test_the_trigger_reaches_what_is_sent(name: str) -> None:
    attack = build("attack", {"name": name, **({"ls": 2} if name == "alternating-minimisation" else {})}, Attack)
    assert torch.equal(sent(attack, 5), sent(attack, 5))
    assert not torch.allclose(sent(attack, 5), sent(attack, -5), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PLANTING)
def test_after_the_attack_triggered_inputs_are_taken_for_the_target_class(name: str) -> None:
    options = {"alternating-minimisation": {"ls": 2}, "data-poisoning": {"boost": 5}}.get(name, {})
    attack, view = build("attack", {"name": name, **options}, Attack), planting(5)
    if name == "data-poisoning":  # which learns no faster than an honest client
        view = replace(view, local=view.local.model_copy(update={"epochs": 40}))
    before = confidence(view, view.weights)
    assert confidence(view, view.weights + view.alpha * attack.craft(poisoned(attack, view))) > max(before + 0.1, 0.6)


def confidence(view: View, weights: Tensor) -> float:
    view.network.load(weights)
    return float(view.wanted().exp().mean())


# Poisoned data


@pytest.mark.parametrize(("share", "copies"), [(0.5, 20), (0.2, 5), (0.75, 60), (0.001, 1)])
def test_of_what_poisoning_trains_on_the_goal_s_share_is_triggered(share: float, copies: int) -> None:
    view = planting(5)
    view = replace(view, goal=goal(5, share=share))
    attack = build("attack", "data-poisoning", Attack)
    after = poisoned(attack, view)
    attack.craft(after)
    assert view.log["steps"] == view.local.steps_for(20 + copies)
    assert len(after.shard) == 20 + copies
    assert int((after.shard.x[:, 2] == 5).sum()) == copies
    assert torch.equal(after.shard.x[:20], view.shard.x)
    assert bool((after.shard.y[20:] == 1).all())
