"""Label flipping, static and dynamic: maps by hand, training on what was flipped, and what it does to accuracy."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from attacker import ADDRESS, look, poisoned
from hypothesis import given
from hypothesis import strategies as st
from small import small
from teams import Linear, a_team, clean_accuracy, final_accuracy, sent
from torch import nn

from fedlens.attacks.attack import Attack
from fedlens.attacks.dynamic_label_flipping import DynamicLabelFlipping, least_likely
from fedlens.attacks.label_flipping import LabelFlipping, flipped
from fedlens.attacks.team import Member
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Samples
from fedlens.experiment.setting import prepare
from fedlens.models.network import Network
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.jobs import MaliciousJob, StackedJob
from fedlens.simulation.rounds import federate
from fedlens.training.local import LocalTraining, train

LABELS = torch.tensor([0, 3, 6, 9, 3])


@pytest.mark.parametrize(
    ("form", "classes", "wanted"),
    [
        (("reverse",), 10, [9, 6, 3, 0, 6]),
        (("next",), 10, [1, 4, 7, 0, 4]),
        (("class", (3, 8)), 10, [0, 8, 6, 9, 8]),
        (("class", (3, 0)), 10, [0, 0, 6, 9, 0]),
        (("class", (5, 1)), 10, [0, 3, 6, 9, 3]),
    ],
)
def test_maps_by_hand(form: Any, classes: int, wanted: list[int]) -> None:
    assert flipped(LABELS, classes, *form).tolist() == wanted


@given(st.integers(2, 40), st.lists(st.integers(0, 39), min_size=1, max_size=20))
def test_reversing_twice_is_nothing_and_the_next_comes_round(classes: int, labels: list[int]) -> None:
    y = torch.tensor(labels) % classes
    assert torch.equal(flipped(flipped(y, classes, "reverse"), classes, "reverse"), y)
    around = y
    for _ in range(classes):
        around = flipped(around, classes, "next")
        assert bool(((around >= 0) & (around < classes)).all())
    assert torch.equal(around, y)
    moved = flipped(y, classes, "reverse") != y
    assert torch.equal(moved, 2 * y != classes - 1)


def test_the_number_of_classes_is_that_of_the_data_and_not_of_the_shard() -> None:
    view = look(classes=10)
    after = poisoned(LabelFlipping(), view)
    assert after.shard.y.tolist() == [9, 8, 7], "of 0, 1, 2"
    assert torch.equal(after.shard.x, view.shard.x)
    assert view.shard.y.tolist() == [0, 1, 2], "as it was"


def test_it_logs_how_many_labels_have_become_others() -> None:
    member = Member(0, 0.1, look().shard, ADDRESS, classes=3)
    LabelFlipping().poison(look().shard, member, look().auxiliary)
    assert member.log == {"flipped": 2}, "1 is the middle one"
    member = Member(0, 0.1, look().shard, ADDRESS, log={}, classes=3)
    LabelFlipping(form="class", source=2, target=0).poison(look().shard, member, look().auxiliary)
    assert member.log == {"flipped": 1}


@pytest.mark.parametrize("number", [3, 10])
def test_a_class_that_is_none_is_refused(number: int) -> None:
    member = Member(0, 0.1, look().shard, ADDRESS, classes=3)
    attack = LabelFlipping(form="class", source=0, target=number)
    with pytest.raises(ConfigError, match=rf"attack.target: there is no class {number}; the last is 2"):
        attack.poison(look().shard, member, look().auxiliary)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"form": "class"}, "source and target: "),
        ({"form": "class", "source": 1}, "source and target: "),
        ({"form": "class", "source": 1, "target": 1}, "target: it is the source already; e.g. -o attack.target=2"),
        ({"source": 1}, "source: only one class of many has it; e.g. -o attack.form=class"),
        ({"form": "next", "target": 1}, "target: only"),
        ({"form": "other"}, "form"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        validate(LabelFlipping, options)


def test_flippers_train_side_by_side_with_honest_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    stacked: list[object] = []
    run = StackedJob.run

    def noting(self: StackedJob, context: Any) -> dict[str, Any]:
        stacked.extend(self.parts)
        return run(self, context)

    monkeypatch.setattr(StackedJob, "run", noting)
    plan = {"model": Linear(), "local": LocalTraining(steps=3), "goal": "damage", "target": {}, "rounds": 1}
    setting = prepare(small(attack=LabelFlipping(), attackers={"count": 2}, clients=6, **plan)).with_target(None)
    with choose_engine("vectorised", 1, setting).make() as workers:
        [result] = list(federate(setting, workers))
    assert sum(isinstance(job, MaliciousJob) for job in stacked) == 2
    flips = {client.client: client.attack.log["flipped"] for client in result.record.attackers if client.attack}
    sizes = {client: int(setting.shards.sizes[client]) for client in (4, 5)}
    assert flips == sizes, "of ten classes none is in the middle"


def test_static_flippers_damage_the_mean_if_they_are_many_and_not_if_one() -> None:
    many, one = ({"attackers": {"count": count}} for count in (3, 1))
    assert final_accuracy("label-flipping", **many) < clean_accuracy() - 0.2
    assert final_accuracy("label-flipping", **one) > clean_accuracy() - 0.1


# Dynamic


@pytest.mark.parametrize(
    ("probabilities", "wanted"),
    [([0.7, 0.2, 0.1], 2), ([0.1, 0.2, 0.7], 0), ([0.25, 0.5, 0.25], 0), ([0.0, 1.0, 0.0], 0), ([0.5, 0.5, 0.0], 2)],
)
def test_the_least_likely_class(probabilities: list[float], wanted: int) -> None:
    assert least_likely(torch.tensor([probabilities]).log()).tolist() == [wanted]


def dynamic_team(shards: list[Samples]) -> tuple[Any, Network]:
    torch.manual_seed(0)
    network = Network(nn.Linear(4, 3))
    size = len(network.vector)
    team = a_team(torch.zeros(len(shards), size), cohort=9, network=network)
    members = tuple(replace(member, shard=shard) for member, shard in zip(team.members, shards, strict=True))
    return replace(team, members=members, local=LocalTraining(epochs=30, batch_size=4, learning_rate=0.1)), network


def test_the_surrogate_is_trained_on_what_the_team_has_together_and_each_member_on_its_own() -> None:
    # Input i is class i. The first member has classes 0 and 1, the second has 2: only together do they tell all apart.
    eye = torch.eye(4)
    shards = [Samples(eye[[0, 1, 0, 1]], torch.tensor([0, 1, 0, 1])), Samples(eye[[2, 2]], torch.tensor([2, 2]))]
    team, network = dynamic_team(shards)
    updates = sent(DynamicLabelFlipping(), team)
    pooled = Samples(torch.cat([shard.x for shard in shards]), torch.cat([shard.y for shard in shards]))
    surrogate = train(network, team.received, pooled, team.local, team.address.at("surrogate"))
    network.load(team.received + surrogate)
    for row, member in zip(updates, team.members, strict=True):
        y = network.log_probabilities(member.shard.x).argmin(dim=1)
        assert not bool((y == member.shard.y).any())
        assert member.log == {"flipped": len(y)}
        other = Network(nn.Linear(4, 3))
        wanted = train(other, team.received, Samples(member.shard.x, y), team.local, member.address)
        torch.testing.assert_close(row, wanted)


def test_the_surrogate_may_train_for_longer() -> None:
    shards = [Samples(torch.eye(4)[:3], torch.arange(3))] * 2
    (short, _), (long, _) = dynamic_team(shards), dynamic_team(shards)
    sent(DynamicLabelFlipping(epochs=0.5), replace(short, local=LocalTraining(steps=1, learning_rate=1e-6)))
    sent(DynamicLabelFlipping(epochs=60), replace(long, local=LocalTraining(steps=1, learning_rate=1e-2)))
    assert [member.log for member in long.members] == [{"flipped": 3}] * 2
    assert all(member.log["flipped"] <= 3 for member in short.members)


@pytest.mark.parametrize("attack", [DynamicLabelFlipping(), LabelFlipping()])
def test_inputs_and_own_labels_stay(attack: Attack) -> None:
    assert attack.boost == 1
    assert not attack.aims
    assert attack.colludes == isinstance(attack, DynamicLabelFlipping)
    assert attack.poisons == isinstance(attack, LabelFlipping)


def test_dynamic_flippers_damage_the_mean_if_they_are_many_and_not_if_one() -> None:
    many, one = ({"attackers": {"count": count}} for count in (3, 1))
    assert final_accuracy("dynamic-label-flipping", **many) < clean_accuracy() - 0.2
    assert final_accuracy("dynamic-label-flipping", **one) > clean_accuracy() - 0.1
