"""What an audit can tell of a server before any attack."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from auditing import audited

from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.krum import Krum
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.forks import Forks, forks_of
from fedlens.studies.audit.inspection import (
    PROBES,
    SCALES,
    Inspected,
    drawing_in,
    dropping_so_many,
    false_alarms,
    inspect,
    is_deaf,
    keeping_in,
    plain_twin,
    responses_in,
)
from fedlens.studies.audit.probing import Probe

SERIAL = Runtime(engine="serial")
SOME = (Probe(scale=1e-3), Probe(scale=1e7), Probe(form="others"))


class Nothing(Rule):
    """Leaves the model as it is."""

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(torch.zeros_like(received.updates[0]))


class WithoutLast(Rule):
    """Drops the last of four clients, and averages."""

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates[:3].clone().mean(dim=0))


class SomeHalf(Rule):
    """Averages two clients, drawn anew in every round."""

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates[torch.randperm(len(received.updates))[:2]].mean(dim=0))


class Refusing(Rule):
    """Averages updates, unless one is long."""

    def aggregate(self, received: Received) -> Aggregate:
        if float(received.updates.norm(dim=1).max()) > 1e5:
            raise ValueError("too long")
        return Aggregate(received.updates.mean(dim=0))


class Strict(Detector):
    """Rejects everybody."""

    def inspect(self, seen: Inspection) -> Verdict:
        scores = seen.updates.norm(dim=1)
        return Verdict(scores, scores >= 0)


class Dice(Detector):
    """Suspects whomever chance tells it to."""

    def inspect(self, seen: Inspection) -> Verdict:
        scores = torch.rand(len(seen.updates))
        return Verdict(scores, scores > 2)


@contextmanager
def forked(**changes: object) -> Iterator[Forks]:
    with forks_of(audited(**changes), SERIAL, rounds=[1]) as forks:
        yield forks


@pytest.fixture(scope="module")
def of_mean() -> Inspected:
    with forked() as forks:
        return inspect(forks, SERIAL)


def test_the_mean_answers_in_proportion(of_mean: Inspected) -> None:
    own = {r.scale: r.displacement for r in of_mean.responses if r.form == "own"}
    assert set(own) == {0, *SCALES}
    assert own[1] == 0
    # the model moves by α (s - 1) δ, which at s = 10 is 9 times as far as at s = 0
    nothing = own[0]
    assert nothing is not None
    assert own[10] == pytest.approx(9 * nothing, rel=1e-3)
    assert own[1e7] == pytest.approx(1e7 * nothing, rel=1e-3)
    assert [r.effective_weight for r in of_mean.responses] == pytest.approx([360 / 1437] * len(PROBES))


def test_the_mean_is_neither_random_nor_stateful_nor_deaf(of_mean: Inspected) -> None:
    assert of_mean.deterministic
    assert (of_mean.stateful, of_mean.deaf, of_mean.false_alarms, of_mean.lost) == ((), False, {}, 0)
    assert of_mean.accuracy == of_mean.mean_accuracy


@pytest.mark.parametrize(
    ("changes", "random"),
    [
        ({"aggregation": SomeHalf()}, ["chain"]),
        ({"checks": [Dice()]}, [f"{__name__}:Dice"]),
        ({"checks": [Strict()], "aggregation": WithoutLast()}, []),
    ],
)
def test_what_draws(changes: dict[str, object], random: list[str]) -> None:
    with forked(**changes) as forks:
        assert list(drawing_in(forks)) == random


def test_a_deaf_rule_is_deaf() -> None:
    with forked(aggregation=WithoutLast()) as forks:
        responses = list(responses_in(forks, 1, SOME))
    assert is_deaf(responses)
    assert [response.displacement for response in responses] == [0, 0, 0]


def test_a_rule_that_fails_by_long_updates_is_told_and_not_deaf() -> None:
    with forked(aggregation=Refusing()) as forks:
        short, long = responses_in(forks, 1, [Probe(scale=0), Probe(scale=1e7)])
    assert (short.error, long.displacement) == ("", None)
    assert long.error.startswith("rule Refusing failed in round 1: ValueError: too long")
    assert not is_deaf([long])


def test_a_rule_that_does_nothing_is_deaf_and_costs_accuracy() -> None:
    experiment = audited(aggregation=Nothing(), local={"steps": 40})
    with forks_of(experiment, SERIAL, rounds=[1]) as forks:
        assert is_deaf(list(responses_in(forks, 1, SOME)))
        own = forks.twin.records
    plain = plain_twin(experiment, SERIAL)
    assert own[0].quality == own[-1].quality
    assert (plain[-1].quality.accuracy or 0) > (own[-1].quality.accuracy or 0) + 0.1


def test_a_check_that_rejects_everybody_raises_false_alarms() -> None:
    with forked(checks=[Strict(action="reject")]) as forks:
        assert false_alarms(forks) == {f"{__name__}:Strict": 1}
        responses = list(responses_in(forks, 1, SOME))
    assert is_deaf(responses)
    assert {response.rejected_by for response in responses} == {(f"{__name__}:Strict",)}
    assert {response.effective_weight for response in responses} == {0}


def test_an_observer_raises_none() -> None:
    with forked(checks=[Strict()]) as forks:
        assert false_alarms(forks) == {}


@pytest.mark.parametrize(
    ("chain", "names"),
    [
        ([{"name": "dnc", "f": 1}, "mean"], ["dnc"]),
        ([{"name": "flanders", "f": 1}, "mean"], ["flanders"]),
        (["multi-metrics", "mean"], []),
        ("median", []),
    ],
)
def test_what_drops_a_fixed_number(chain: object, names: list[str]) -> None:
    assert list(dropping_so_many(audited(aggregation=chain))) == names


def test_a_filter_that_only_observes_raises_no_alarm() -> None:
    observing = [{"name": "dnc", "f": 1, "action": "observe"}, "mean"]
    with forked(aggregation=observing) as forks:
        assert false_alarms(forks) == {}
    with forked(aggregation=[{"name": "dnc", "f": 1}, "mean"]) as forks:
        assert false_alarms(forks) == {"dnc": 1}


def test_krum_takes_the_mean_of_the_others() -> None:
    with forked(aggregation=Krum(f=0)) as forks:
        [others] = responses_in(forks, 1, [Probe(form="others")])
        [far] = responses_in(forks, 1, [Probe(scale=1e7)])
    assert others.effective_weight == 1
    assert far.effective_weight == 0
    assert not is_deaf([others])


def test_a_server_optimizer_keeps_something() -> None:
    with forked(aggregation=["mean", "fedavgm"]) as forks:
        assert list(keeping_in(forks)) == ["1.fedavgm"]


def test_a_probe_sends_what_it_says() -> None:
    with forks_of(audited(), SERIAL, rounds=[1]) as forks:
        own, others = sent(forks, Probe(scale=3)), sent(forks, Probe(form="others", scale=2))
        opposite = sent(forks, Probe(form="opposite", scale=2))
        updates = forks.updates(1)
    torch.testing.assert_close(own, 3 * updates[3].double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(opposite, -2 * updates[3].double(), rtol=0, atol=1e-6)
    mean = torch.stack([updates[client] for client in range(3)]).double().mean(dim=0)
    torch.testing.assert_close(others, 2 * mean, rtol=0, atol=1e-6)


def sent(forks: Forks, probe: Probe) -> torch.Tensor:
    """What the attacker sends, by the mean's step: δ = (step − Σ α_j δ_j over the others) / α."""
    alpha = forks.setting.alpha([0, 1, 2, 3], 1)
    step = (forks.play(probe, 1).state.weights - forks.twin.states[1].weights).double()
    rest = sum(alpha[client] * update.double() for client, update in forks.updates(1).items() if client != 3)
    return (step - rest) / alpha[3]
