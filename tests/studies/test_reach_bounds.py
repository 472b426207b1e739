"""What any attack could make of single rounds at most: the ascent, the rounds that it sees, and rules that lie."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import exp
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from auditing import audited
from auditors import ADAPTIVE, FIXED, forked, subject
from helpers.received import received
from torch import nn
from typing_extensions import override

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.defences.coordinate_wise import trimmed_reach
from fedlens.defences.norm_clipping import NormClipping
from fedlens.defences.reach import Ball, Box, PullRegion
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.defences.stage import State
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.damage import Damage
from fedlens.models.network import Network
from fedlens.simulation.callback import Event
from fedlens.studies.audit import ascent
from fedlens.studies.audit.ascent import Aim, Measure, ascended, ascents
from fedlens.studies.audit.bounds import BOUND, Bound, bound_of, bounding, declared, received_in
from fedlens.studies.audit.doubts import of_the_reach
from fedlens.studies.audit.forks import Forks, forks_of
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.limits import compared, limits
from fedlens.studies.audit.screening import Screening
from fedlens.studies.audit.tried import TRIED, Fork, Tried
from fedlens.studies.audit.witness import Witness


class Lying(Rule):
    """A mean that declares the median's reach."""

    @override
    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.mean(dim=0))

    @override
    def reach(self, received: Received, malicious_rows: Sequence[int]) -> Box | None:
        return trimmed_reach(received.updates, 1, malicious_rows)


@pytest.fixture(scope="module")
def clipped() -> Iterator[Forks]:
    with forks_of(audited(aggregation={"name": "norm-clipping", "max_norm": 0.5})) as forks:
        yield forks


def aim(measure: Measure) -> Aim:
    """One sample (3, 4), of which class 1 is wanted, or is true: its log-odds are (3, 4) · (w₁ − w₀)."""
    samples = Samples(torch.tensor([[3.0, 4.0]]), torch.tensor([1]))
    return Aim(Network(nn.Linear(2, 2, bias=False)), samples, measure)


@pytest.mark.parametrize("reach", [Ball(torch.zeros(4), 0.1), Box(-torch.full((4,), 0.1), torch.full((4,), 0.1))])
def test_the_best_step_of_a_linear_model_by_hand(reach: Ball | Box) -> None:
    """In the ball along the gradient (−3, −4, 3, 4), whose length is √50; in the box to a corner."""
    odds = 0.1 * 50**0.5 if isinstance(reach, Ball) else 0.1 * 14
    wanted, start = aim("confidence"), torch.tensor([0.05, 0.0, 0.0, 0.0])
    seen = wanted.at(ascended(wanted, torch.zeros(4), reach, start))
    assert seen.worth == pytest.approx(odds, rel=1e-3)
    assert seen.value == pytest.approx(1 / (1 + exp(-odds)), rel=1e-3)
    damage = aim("damage")
    found = ascended(damage, torch.zeros(4), reach, start)
    assert damage.at(found).worth == pytest.approx(odds, rel=1e-3)
    assert damage.at(found).value == 1  # it is mistaken
    assert aim("rate").at(found).value == 0


def test_a_best_step_within_the_reach_is_found_by_halving() -> None:
    """Samples 1 and −1 that are both to be of class 1: what helps one harms the other."""
    samples = Samples(torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 1]))
    both = Aim(Network(nn.Linear(1, 2, bias=False)), samples, "confidence")
    box = Box(torch.tensor([-9.0, -9.0]), torch.tensor([3.0, 9.0]))
    weights = torch.tensor([0.5, 0.5])
    steps = list(ascents(both, weights, box, [torch.tensor([50.0, 0.0])], Address.root(0)))
    assert len(steps) == 4
    assert max(both.at(weights + step).value for step in steps) == pytest.approx(0.5)
    assert all(bool(torch.equal(box.nearest(step), step)) for step in steps)


def test_it_sees_what_the_rule_receives(clipped: Forks) -> None:
    seen, malicious = received_in(clipped, 2)
    assert malicious == [3]
    updates = clipped.updates(2)
    assert all(torch.equal(row, updates[client]) for client, row in enumerate(seen.updates))
    assert seen.alpha.tolist() == pytest.approx([360 / 1437, 359 / 1437, 359 / 1437, 359 / 1437], abs=2e-3)


def test_a_step_that_is_told_is_taken_and_measured_as_any(clipped: Forks) -> None:
    honest = clipped.honest(2)
    step = honest.state.weights - clipped.twin.states[2].weights
    told = clipped.outcome(clipped.under_rule(Witness().told(step), 2), 2)
    assert told.value == pytest.approx(clipped.outcome(honest, 2).value)


def test_each_goal_is_measured_on_the_test_set(clipped: Forks) -> None:
    """As the round's own evaluation has it: confidence in the targets, mistakes, and hits among triggered samples."""
    data, dataset = clipped.experiment.data, clipped.setting.dataset
    result, address = clipped.honest(2), Address.root(0)
    goals = [None, Damage(), Backdoor(target="0").fitted(data, dataset)]
    settings = [replace(clipped.setting, goal=goal) for goal in goals]
    values = [Aim.of(setting, address).at(result.state.weights).value for setting in settings]
    accuracy = result.record.quality.accuracy
    assert accuracy is not None
    assert values[:2] == pytest.approx([clipped.outcome(result, 2).value, 1 - accuracy])
    others = dataset.test.take((dataset.test.y != 0).nonzero()[:, 0])
    network = clipped.setting.network()
    network.load(result.state.weights)
    answers = network.log_probabilities(settings[2].changed(others.x)).argmax(dim=1)
    assert values[2] == pytest.approx(float((answers == 0).double().mean()))


def test_more_samples_than_enough_are_drawn(clipped: Forks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ascent, "MOST", 2)
    measured = Aim.of(replace(clipped.setting, goal=Damage()), Address.root(0)).at(clipped.twin.states[2].weights).value
    assert measured in (0, 0.5, 1)


def test_no_attack_has_more_and_far_ones_have_nearly_as_much(clipped: Forks) -> None:
    """One of four, at M = 0.5: a bound on what they add, of which boosting on the very target has more than half."""
    bound = bound_of(clipped, 1)
    assert bound is not None
    found = clipped.attack(ExplicitBoosting(boost=50), 1)
    added, most = found.attacked.value - found.honest.value, bound.at_most - found.honest.value
    assert bound.shape == "ball"
    assert 0 < most / 2 < added <= most


class Fussy(Rule):
    """A mean that needs all four updates, and claims that nobody moves it."""

    @property
    def minimum(self) -> int:
        return 4

    @override
    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.mean(dim=0))

    @override
    def reach(self, received: Received, malicious_rows: Sequence[int]) -> Ball:
        return Ball(received.updates.mean(dim=0), 0.0)


def test_attackers_can_leave_the_model_as_it_is_where_the_rule_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not finite is not received, and the server skips the round: the model is as bad as before it."""
    with forks_of(audited(aggregation=Fussy(), goal="damage", rounds=1, local={"steps": 60}), rounds=[1]) as forks:
        bound, still = bound_of(forks, 1), forks.outcome(forks.under_rule(Witness(), 1), 1)
        monkeypatch.setattr(Fussy, "minimum", property(lambda _: 3))
        without = bound_of(forks, 1)
    assert bound is not None
    assert without is not None
    assert bound.at_most == still.value > 0
    assert without.at_most == pytest.approx(0)  # three are left, and enough


def test_there_is_no_bound_where_the_reach_is_unknown_or_buffers_travel(
    clipped: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(NormClipping, "reach", lambda *_: None)
        assert bound_of(clipped, 1) is None
    with monkeypatch.context() as patch:
        patch.setattr(Forks, "layout", Layout.of(nn.BatchNorm1d(2)))
        assert bound_of(clipped, 1) is None


def test_a_reach_has_what_the_rule_keeps(clipped: Forks) -> None:
    kept = State({"last": torch.ones(2)})
    states = {2: replace(clipped.twin.states[2], stages={"0.norm-clipping": kept, "1.other": State()})}
    forks = Forks(clipped.setting, clipped._federation, replace(clipped.twin, states=states), clipped._engine)
    assert received_in(forks, 2)[0].state == kept.tensors
    assert received_in(clipped, 2)[0].state == {}


def test_a_rule_that_declares_too_little_is_found_out(tmp_path: Path) -> None:
    experiment, ledger = audited(aggregation=Lying()), Ledger(tmp_path)
    with forks_of(experiment, rounds=[1]) as forks:
        bound = bound_of(forks, 1)
        tried = Tried(forks.attack(ExplicitBoosting(boost=20), 1, FIXED.name))
    assert bound is not None
    ledger.add("fork", Fork(0, 1, FIXED).key, TRIED, tried)
    [doubt] = of_the_reach(compared([bound], ledger, [FIXED, ADAPTIVE]))
    assert doubt.code == "F17"
    assert list(of_the_reach([bound])) == []


def test_the_most_that_was_found_in_each_round(tmp_path: Path) -> None:
    ledger, bounds = Ledger(tmp_path), [Bound(4, 7, round_, "box", 0.9) for round_ in (1, 2)]
    for arm, value in ((FIXED, 0.6), (ADAPTIVE, 0.3)):
        ledger.add("fork", Fork(4, 1, arm).key, TRIED, Tried(forked(value)))
    ledger.add("fork", Fork(4, 2, FIXED).key, TRIED, Tried(None, "it failed"))
    first, second = compared(bounds, ledger, [ADAPTIVE, FIXED])
    assert (first.found, first.by) == (0.6, "arm")
    assert (second.found, second.by) == (None, "")


class Workers:
    """Workers that hold these forks, or must not be asked."""

    def __init__(self, forks: Forks | None) -> None:
        self.forks = forks

    def ask(self, function: str, calls: Mapping[str, Any], told: Callable[[str, Event], None]) -> None:
        assert function == "bound"
        for key, (number, given) in calls.items():
            assert self.forks is not None
            there = given["round_"] in self.forks.rounds
            value = BOUND.dump_python(bound_of(self.forks, given["round_"], number)) if there else False
            told(key, Event(key, "finished", {"value": value}))


class Screened:
    """The search's seeds."""

    subject = subject(aggregation={"name": "norm-clipping", "max_norm": 0.5})

    def seeds(self, count: int) -> list[int]:
        return list(range(count))


def test_what_the_ledger_knows_is_not_computed_again(clipped: Forks, tmp_path: Path) -> None:
    screening = cast("Screening", Screened())
    first = limits(screening, cast("Any", Workers(clipped)), Ledger(tmp_path), rounds=[2, 3], seeds=1)
    again = limits(screening, cast("Any", Workers(None)), Ledger(tmp_path), rounds=[2], seeds=1)
    assert [bound.round for bound in first] == [2]  # there is no round 3
    assert first == again


@pytest.mark.parametrize(
    "changes",
    [
        {"aggregation": "mean"},
        {"aggregation": {"name": "krum", "f": 0}},
        {"aggregation": [{"name": "clip", "max_norm": 1}, "median"]},
        {"aggregation": ["median", "fedavgm"]},
        {"aggregation": "median", "checks": ({"name": "distances", "action": "reject"},)},
        {"aggregation": "median", "goal": {"name": "backdoor", "trigger": "trained-patch"}},
    ],
)
def test_no_bound_where_more_than_a_reach_decides(changes: dict[str, Any]) -> None:
    assert bounding(audited(**changes)) is None


def test_a_check_that_only_observes_does_not_matter() -> None:
    assert bounding(audited(aggregation="median", checks=({"name": "distances", "action": "observe"},))) is not None


class Declares(Rule):
    """A rule that declares whatever it is told."""

    what: str = ""

    @override
    def reach(self, received: Received, malicious_rows: Sequence[int]) -> Any:
        one = torch.ones(2)
        if self.what == "fails":
            raise ZeroDivisionError
        return {
            "word": "a box",
            "short": Ball(torch.ones(3), 1.0),
            "endless": Box(one, one * torch.inf),
            "negative": Ball(one, -1.0),
            "turned": Box(one, -one),
            "pulling": PullRegion(torch.ones(2, 3), torch.ones(2).double(), 0.5, 1e-6, one),
            "light": PullRegion(torch.ones(2, 2), torch.ones(2).double() / 4, 0.5, 1e-6, one),
            "": None,
        }[self.what]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("fails", r"aggregation: reach of Declares failed: ZeroDivisionError"),
        (
            "word",
            r"reach of Declares.*test_reach_bounds\.py:\d+\) returned 'a box'; return Ball\(centre, radius\) or Box",
        ),
        ("short", r"returned a Ball of other points than 2 finite numbers each"),
        ("endless", r"returned a Box of other points than 2 finite numbers each"),
        ("negative", r"returned a Ball of the radius -1\.0"),
        ("turned", r"returned a Box with a low above its high"),
        ("pulling", r"returned a PullRegion of other points than 2 of 2 finite numbers each"),
        ("light", r"returned a PullRegion with most=0\.5, which is no part of alpha's sum"),
    ],
)
def test_what_is_no_reach_is_refused(what: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        declared(Declares(what=what), received(torch.zeros(3, 2)), [0])


def test_nothing_is_a_reach_that_is_unknown() -> None:
    assert declared(Declares(), received(torch.zeros(3, 2)), [0]) is None
