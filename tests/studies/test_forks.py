"""Forked rounds are those of real runs, to the bit, and honest clients train once."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from auditing import audited

from fedlens.attacks import (
    A3FL,
    AlternatingMinimisation,
    BadNets,
    ExplicitBoosting,
    Honest,
    InnerProductManipulation,
    LabelFlipping,
    Neurotoxin,
    SignFlipping,
)
from fedlens.attacks.attack import Attack
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import ConfigError
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.simulation import simulate
from fedlens.simulation.engines.jobs import HonestJob
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.changing import with_attack
from fedlens.studies.audit.forked_round import ForkedRound, Outcome
from fedlens.studies.audit.forks import Forks, forked_rounds, forks_of
from fedlens.studies.audit.planted import Leak, leak

SERIAL = Runtime(engine="serial")
STEPPED = ExplicitBoosting(boost=4, epochs=1, threshold=None)

CASES: dict[str, tuple[dict[str, Any], Attack]] = {
    "alone": ({}, STEPPED),
    "stateful": ({"aggregation": ["median", "fedavgm"]}, STEPPED),
    "momentum": ({"local": {"steps": 4, "client_momentum": 0.9}}, Honest()),
    "remembers": ({}, AlternatingMinimisation(epochs=1, ls=2, estimate="post")),
    "begins elsewhere": ({}, ExplicitBoosting(epochs=1, threshold=None, estimate="pre")),
    "sees all": ({"checks": [{"name": "distances", "action": "reject"}]}, InnerProductManipulation(eps=0.5)),
    "team": ({"attackers": {"clients": [1, 3]}, "goal": "damage"}, SignFlipping(flips="mean", c=2)),
    "sampled": (
        {"fraction": 0.5, "attackers": {"clients": [1, 2], "schedule": "every-round"}, "failures": {"stragglers": 0.5}},
        LabelFlipping(),
    ),
    "backdoor": ({"goal": "backdoor"}, Neurotoxin(data_rep=2)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_forked_round_is_that_of_a_run_whose_attack_begins_with_it(case: str) -> None:
    changes, attack = CASES[case]
    experiment = with_attack(audited(**changes, attack=Honest(), control=False), attack)
    with forks_of(experiment, SERIAL, rounds=[2]) as forks:
        forked = forks.play(attack, 2)
        again = forks.play(attack, 2)
        delayed = forks.attacked(attack, 2)
    *_, real = simulate(delayed, engine="serial")
    assert forked.record.attackers
    assert torch.equal(forked.state.weights, real.state.weights)
    assert torch.equal(again.state.weights, real.state.weights)
    assert forked.record == real.record
    assert list(forked.state.history) == list(real.state.history)


@pytest.fixture(scope="module")
def mean() -> Iterator[Forks]:
    with forks_of(audited(), SERIAL) as forks:
        yield forks


def test_controls_are_the_simulation_s_own(mean: Forks) -> None:
    experiment = with_attack(audited(), STEPPED)
    for control, result in ((experiment.twin(), mean.honest(1)), (experiment.without_attacker(), mean.absent(1))):
        first = next(simulate(control, engine="serial"))
        assert result is not None
        assert torch.equal(result.state.weights, first.state.weights)


def test_honest_clients_train_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, int]] = []
    run = HonestJob.run

    def counted(job: HonestJob, context: Any) -> dict[str, Any]:
        trained.append((job.round, job.client))
        return run(job, context)

    monkeypatch.setattr(HonestJob, "run", counted)
    with forks_of(audited(), SERIAL) as forks:
        for attack in (STEPPED, InnerProductManipulation(eps=1), Honest()):
            for round_ in forks.rounds:
                forks.attack(attack, round_)
        forks.under(leak(forks.experiment, 0.1)).attack(STEPPED, 1)
    assert sorted(trained) == [(round_, client) for round_ in (1, 2) for client in range(4)]


def test_an_honest_attacker_changes_nothing(mean: Forks) -> None:
    forked = mean.attack(Honest(), 2)
    assert forked.attacked == forked.honest != forked.absent
    assert (forked.cost, forked.acted, forked.applied, forked.announced) == (
        0,
        True,
        True,
        pytest.approx(0.25, abs=0.01),
    )
    assert not forked.succeeds(1)


def test_a_boosted_attack_on_the_mean_succeeds_at_a_cost(mean: Forks) -> None:
    forked = mean.attack(ExplicitBoosting(epochs=60, threshold=None), 2, arm="boosted")
    assert (forked.arm, forked.round, forked.attacked.success, forked.placebo) == ("boosted", 2, True, False)
    assert forked.effective_weight == pytest.approx(forked.announced)
    assert forked.log["boost"] == pytest.approx(1 / forked.announced)
    assert forked.succeeds(1)
    assert not forked.succeeds(forked.cost - 1e-9)
    assert forked.gain == pytest.approx(forked.attacked.log_odds - forked.absent.log_odds)  # type: ignore[union-attr]


def test_whose_delay_is_not_heeded(mean: Forks) -> None:
    late = STEPPED.model_copy(update={"delay": 7, "until": 8})
    assert mean.attack(late, 1).attacked == mean.attack(STEPPED, 1).attacked


class WithoutLast(Rule):
    """Drops the last of four clients, and averages."""

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates[:3].clone().mean(dim=0))


def test_a_rule_that_is_deaf_to_the_attacker_applies_nothing() -> None:
    with forks_of(audited(aggregation=WithoutLast()), SERIAL, rounds=[1]) as forks:
        forked = forks.attack(STEPPED, 1)
    assert forked.effective_weight is None
    assert not forked.applied
    assert forked.attacked == forked.absent == forked.honest


def test_a_rejected_attacker_is_told() -> None:
    attack = ExplicitBoosting(boost=500, epochs=1, threshold=None)
    checks = [{"name": "distances", "action": "reject"}, "statistics"]
    with forks_of(audited(clients=5, checks=checks), SERIAL, rounds=[1]) as forks:
        forked = forks.attack(attack, 1)
    assert forked.rejected_by == ("distances",)
    assert set(forked.flagged_by) >= {"distances"}
    assert (forked.effective_weight, forked.applied, forked.acted) == (0, False, True)


def test_backdoors_are_measured_on_all_three_models() -> None:
    with forks_of(audited(goal="backdoor"), SERIAL, rounds=[2]) as forks:
        forked = forks.attack(BadNets(), 2)
        result, honest = forks.play(BadNets(), 2), forks.honest(2)
    assert result.record.backdoor is not None
    assert honest.record.backdoor is not None
    assert forked.attacked.value == result.record.backdoor.rate
    assert forked.honest.value == honest.record.backdoor.rate
    assert forked.absent is not None


def test_damage_is_what_accuracy_is_lost() -> None:
    with forks_of(audited(goal="damage"), SERIAL, rounds=[2]) as forks:
        forked = forks.attack(SignFlipping(c=40), 2)
    assert forked.honest.value == 0
    assert forked.attacked.value == pytest.approx(forked.cost)
    assert forked.cost == pytest.approx((forked.honest.accuracy or 0) - (forked.attacked.accuracy or 0))


def test_a_trained_trigger_is_put_to_the_honest_model_too() -> None:
    goal = {"name": "backdoor", "trigger": "trained-patch"}
    with forks_of(audited(goal=goal), SERIAL, rounds=[1]) as forks:
        forked = forks.attack(A3FL(steps=3, unlearn_epochs=1), 1)
        untrained = forks.honest(1).record.backdoor
    assert untrained is not None
    assert forked.honest.value != pytest.approx(untrained.probability)
    assert forked.acted


@pytest.mark.parametrize(
    ("rounds", "chosen"), [(1, (1,)), (2, (1, 2)), (5, (1, 2, 4)), (10, (1, 4, 7)), (30, (1, 10, 20))]
)
def test_which_rounds_are_attacked(rounds: int, chosen: tuple[int, ...]) -> None:
    assert forked_rounds(rounds) == chosen


def test_what_cannot_be_forked_is_refused(mean: Forks) -> None:
    with pytest.raises(ConfigError, match=r"round 3: not one that can be attacked; \[1, 2\] are"):
        mean.attack(STEPPED, 3)
    with (
        pytest.raises(ConfigError, match=r"rounds: \[0\] are to be attacked of 1 to 2"),
        forks_of(audited(), rounds=[0]),
    ):
        pass
    with pytest.raises(ConfigError, match=r"memory: the attack looks back on 2 rounds.*memory=2"):
        mean.attack(LongMemory(), 1)


class LongMemory(Honest):
    remembers = 2


def test_a_success_that_the_placebo_has_too_is_none() -> None:
    honest, attacked = Outcome(0.1, False, 0.9, 0.1), Outcome(0.9, True, 0.875, 0.125)
    forked = ForkedRound("mine", 0, 3, attacked, honest, absent=attacked, acted=True, announced=0.1)
    assert forked.placebo
    assert not forked.succeeds(1)
    assert forked.gain == 0


def test_a_leak_of_nothing_is_the_server_as_it_is() -> None:
    experiment = audited(
        clients=5, aggregation=["median", "fedavgm"], checks=[{"name": "distances", "action": "reject"}]
    )
    attack = ExplicitBoosting(boost=100, epochs=1, threshold=None)
    with forks_of(experiment, SERIAL, rounds=[2]) as forks:
        own, whole = forks.play(attack, 2), forks.under(leak(forks.experiment, 0)).play(attack, 2)
        everything = forks.under(leak(forks.experiment, 1)).play(attack, 2)
        plain = forks.under(Leak(eta=1)).play(attack, 2)
    assert torch.equal(own.state.weights, whole.state.weights)
    assert torch.equal(everything.state.weights, plain.state.weights)
    assert not torch.equal(own.state.weights, plain.state.weights)
    kept = {name: state.tensors for name, state in own.state.stages.items()}
    [together] = whole.state.stages.values()
    assert torch.equal(together.tensors["1.velocity"], kept["1.fedavgm"]["velocity"])


@pytest.mark.parametrize("engine", ["processes", "vectorised"])
def test_other_engines_fork_as_they_run(engine: EngineName) -> None:
    experiment = with_attack(audited(control=False), STEPPED)
    with forks_of(experiment, Runtime(engine=engine, workers=2), rounds=[2]) as forks:
        forked, delayed = forks.play(STEPPED, 2), forks.attacked(STEPPED, 2)
        again = forks.play(STEPPED, 2)
    *_, real = simulate(delayed, engine=engine, workers=2)
    assert torch.equal(forked.state.weights, real.state.weights)
    assert again.record == forked.record == real.record
