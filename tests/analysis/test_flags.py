"""Every red flag, on records made by hand."""

from dataclasses import replace
from typing import Any

import pytest
from helpers.recorded import ATTACKED, control, met, record
from helpers.records import side

from fedlens.analysis.flags import common, flags
from fedlens.attacks.attack import Attack
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.defences.krum import Krum
from fedlens.defences.mean import Mean
from fedlens.experiment.experiment import Experiment
from fedlens.goals.target_samples import Target
from fedlens.runs.record import RoundRecord

SOUND = [record(1, [1, 4, 5], control=control(0.1))]
REPEAT = "one seed and one target: repeat it with `fedlens sweep`"


def attacked(**changes: Any) -> Experiment:
    return Experiment(**{"clients": 10, "attack": ExplicitBoosting(boost=2, client=4), **changes})


def test_of_a_sound_run_only_its_repetition_is_asked_for() -> None:
    assert flags(ATTACKED, SOUND) == [REPEAT]


def test_a_run_without_attack_has_none() -> None:
    assert flags(Experiment(), [record(1, [1, 2, 3])]) == []


def test_running_variances_below_0() -> None:
    rounds = [record(number, [1, 4, 5], control=control(0.1)) for number in (1, 2, 3)]
    for sent, counts in zip(rounds, [(0, 0, 0), (0, 2, 0), (7, 1, 0)], strict=True):
        pairs = zip(sent.clients, counts, strict=True)
        sent.clients[:] = [replace(client, negative_variances=count) for client, count in pairs]
    expected = "clients sent running variances below 0: clients 1, 4 in 2 rounds, up to 7 of them"
    assert flags(ATTACKED, rounds) == [expected, REPEAT]
    assert flags(Experiment(), rounds[:2]) == [
        "clients sent running variances below 0: client 4 in 1 round, up to 2 of them"
    ]


def test_no_control() -> None:
    found = flags(ATTACKED, [record(1, [1, 4, 5])])
    assert found == ["no control: nobody knows whether the clean model gets the target right", REPEAT]


def test_the_control_errs_in_its_last_round() -> None:
    wrong, right = control(0.6, 0.49), control(0.1, 0.5)
    errs = "the control errs too: without attack the target is not classified right with confidence 0.5"
    records = [record(number, [1, 4, 5], control=beside) for number, beside in enumerate([right, wrong], 1)]
    assert flags(ATTACKED, records) == [errs, REPEAT]
    assert flags(ATTACKED, records[:1]) == [REPEAT]
    answers = {"confidence": [0.1] * 3, "true_confidence": [0.3, 0.9, 0.4], "predicted": [0, 1, 0]}
    several = side(None, answers)
    (found, _) = flags(attacked(target=Target(r=3)), [record(1, [1, 4, 5], control=several)])
    assert found.startswith("the control errs too: without attack 2 of 3 targets is not")


def test_the_control_errs_where_the_attack_is_judged() -> None:
    beside = [control(0.6, 0.49), control(0.1, 0.9)]
    records = [record(number, [1, 4, 5], control=found) for number, found in enumerate(beside, 1)]
    early = attacked(attack=ExplicitBoosting(client=4, until=2))
    assert [flag.partition(":")[0] for flag in flags(early, records)] == [
        "the control errs too",
        "one seed and one target",
    ]
    assert flags(ATTACKED, records) == [REPEAT]


def test_flags_of_several_runs_are_counted_but_for_those_of_a_run_by_itself() -> None:
    assert common([["a", REPEAT], ["one seed: repeat it"], ["b", "a"]]) == ["a (2 of 3 runs)", "b (1 of 3 runs)"]
    assert common([]) == []


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("the trigger is not needed", ": without it {} % of the same inputs are taken for the class wanted"),
        ("the control does it, too", ": without attack {} % of the triggered inputs"),
        ("the model does not see the trigger", ": no answer changes by {}"),
        ("half of the cohort or more is malicious", " in {} of 9 rounds"),
        ("more attackers than the rule is told", " (f = 1) take part in {} of 9 rounds"),
        ("the malicious client sent updates that were rejected", " in {} rounds: of shape 3"),
    ],
)
def test_flags_of_several_runs_are_counted_together_whatever_their_numbers(words: str, numbers: str) -> None:
    assert common([[words + numbers.format(3)], [words + numbers.format(4)]]) == [f"{words} (2 of 2 runs)"]


def test_an_attack_that_did_not_take_place() -> None:
    absent = record(1, [1, 2, 3], control=control(0.1))
    waiting = record(2, [1, 4, 3], control=control(0.1), attack={"acted": False})
    assert flags(ATTACKED, [absent]) == ["the malicious client was never chosen", REPEAT]
    assert flags(ATTACKED, [absent, waiting]) == ["the malicious client never acted", REPEAT]


@pytest.mark.parametrize(("clients", "words"), [(9, "one client in 9 is malicious (11 %)"), (10, None), (100, None)])
def test_a_share_of_attackers_above_ten_per_cent(clients: int, words: str | None) -> None:
    found = [flag for flag in flags(attacked(clients=clients), SOUND) if "malicious" in flag]
    assert found == ([] if words is None else [f"{words}; above 10 % is rarely realistic"])


def test_a_rule_that_knows_the_number_of_attackers() -> None:
    def found(rule: Any) -> list[str]:
        return [flag for flag in flags(attacked(aggregation=rule), SOUND) if "oracle" in flag]

    assert found(Krum(f=1)) == ["oracle f: the rule knows the true number of attackers, f = 1"]
    assert found(Krum(f=2)) == found(Mean()) == []


MEDIAN = attacked(aggregation="median")
ABSENCE = "the client's absence does it, too: without client 4 the target is met with confidence 0.72"


def test_absence_that_gives_the_success_as_well() -> None:
    assert flags(MEDIAN, [met(1, control(0.715, success=True))]) == [ABSENCE.replace("0.72", "0.71"), REPEAT]
    assert flags(MEDIAN, [met(1, control(0.72, success=True))]) == [ABSENCE, REPEAT]
    assert flags(MEDIAN, [met(1, control(0.72, success=False))]) == [REPEAT]
    failed = record(1, [1, 4, 5], control=control(0.1), placebo=control(0.72, success=True))
    assert flags(MEDIAN, [failed]) == [REPEAT]
    several = side(None, {"confidence": [0.5, 0.75], "success": True})
    both = met(1, several, target={"confidence": [0.9, 0.9], "success": True})
    (found, _) = flags(attacked(aggregation="median", target=Target(r=2)), [both])
    assert found == "the client's absence does it, too: without client 4 all targets are met with confidence 0.62"


def test_absence_is_asked_about_where_the_attack_is_judged() -> None:
    records = [met(1, control(0.72, success=True)), met(2, control(0.1)), met(3, control(0.72, success=True))]
    early = attacked(attack=ExplicitBoosting(boost=2, client=4, until=2), aggregation="median")
    late = attacked(attack=ExplicitBoosting(boost=2, client=4, until=3), aggregation="median")
    assert flags(early, records) == [ABSENCE, REPEAT]
    assert flags(late, records) == [REPEAT]
    assert flags(MEDIAN, records) == [ABSENCE, REPEAT]


def test_absence_is_no_question_of_the_mean_nor_of_untargeted_attacks_nor_of_old_rounds() -> None:
    absent = met(1, control(0.72, success=True))
    untargeted = attacked(attack=ExplicitBoosting(boost=2, client=4, objective="untargeted"), aggregation="median")
    for experiment in (ATTACKED, untargeted):
        assert not [flag for flag in flags(experiment, [absent]) if "absence" in flag or "placebo" in flag]
    old = replace(absent, placebo=None, version=0)
    assert flags(MEDIAN, [old]) == [REPEAT]


def test_a_placebo_that_was_not_run() -> None:
    without = met(1, None)
    none = "no placebo: nobody knows whether the client's absence does it, too"
    assert flags(attacked(aggregation="median", placebo=False), [without]) == [none, REPEAT]
    few = attacked(aggregation=Krum(f=3), clients=9)
    (words, *_) = [flag for flag in flags(few, [without]) if "placebo" in flag]
    assert words == "the placebo is not available: 8 updates may be left without client 4, and the rule needs 9"
    uncontrolled = attacked(aggregation="median", control=False)
    found = flags(uncontrolled, [replace(without, twin=None)])
    assert found == ["no control: nobody knows whether the clean model gets the target right", REPEAT]


def test_absences_are_counted_together_whatever_their_numbers() -> None:
    runs = [[ABSENCE], [ABSENCE.replace("0.72", "0.81")], []]
    assert common(runs) == ["the client's absence does it, too (2 of 3 runs)"]


UNTAKEN = "the malicious update was never taken: the server gave it no weight in"


def test_an_update_that_was_never_taken() -> None:
    def untaken(number: int, **changes: Any) -> RoundRecord:
        return met(number, changes.pop("placebo", control(0.2)), **{"shares": [1, 0, 0]} | changes)

    assert flags(MEDIAN, [untaken(1)]) == [f"{UNTAKEN} 1 round, and yet the target is met", REPEAT]
    several = [untaken(1), record(2, [1, 2, 3]), untaken(3), untaken(4, shares=None, skipped="none left")]
    each = f"{UNTAKEN} each of 3 rounds, and yet the target is met"
    assert flags(MEDIAN, several) == flags(attacked(), several) == [each, REPEAT]
    both = untaken(1, placebo=control(0.72, success=True))
    assert flags(MEDIAN, [both]) == [f"{UNTAKEN} 1 round, and yet the target is met", ABSENCE, REPEAT]
    for sound in (
        [untaken(1), met(2, control(0.2))],
        [untaken(1, shares=None)],
        [untaken(1, target={"confidence": [0.5]})],
    ):
        assert flags(MEDIAN, sound) == [REPEAT]
    untargeted = attacked(attack=ExplicitBoosting(boost=2, client=4, objective="untargeted"), aggregation="median")
    assert not [flag for flag in flags(untargeted, [untaken(1)]) if "taken" in flag]
    never = untaken(1, attack={"acted": False})
    assert flags(MEDIAN, [never]) == ["the malicious client never acted", REPEAT]
    assert common([[each], [flags(MEDIAN, [untaken(1)])[0]], []]) == [
        "the malicious update was never taken (2 of 3 runs)"
    ]


class Omniscient(Attack):
    omniscient = True


def test_an_omniscient_attack() -> None:
    words = "the attack is omniscient: it sees the other clients' updates"
    assert flags(attacked(attack=Omniscient(client=4)), SOUND) == [words, REPEAT]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, "one seed and one target"),
        ({"target": Target(index=(7,))}, "one seed and one target"),
        ({"target": Target(r=2)}, "one seed"),
        ({"target": Target(index=(7, 8))}, "one seed"),
        ({"attack": ExplicitBoosting(client=4, objective="untargeted")}, "one seed"),
    ],
)
def test_one_seed_and_one_target(changes: dict[str, Any], what: str) -> None:
    assert flags(attacked(**changes), SOUND) == [f"{what}: repeat it with `fedlens sweep`"]


def test_answers_that_are_no_numbers() -> None:
    numbers = {"accuracy": 0.8, "per_class": [0.8, 0.8], "loss": 0.4}
    spoilt = numbers | {"loss": float("nan")}
    words = "answers that are no numbers (NaN): the global model gives such to test samples in"
    records = [record(place, [1, 2, 3], quality=found) for place, found in enumerate([numbers, spoilt, numbers], 1)]
    assert flags(Experiment(), records[:1]) == []
    assert flags(Experiment(), records) == [f"{words} round 2"]
    records.append(record(4, [1, 2, 3], quality=spoilt))
    assert flags(Experiment(), records) == [f"{words} 2 rounds, first in round 2"]
    silent = record(1, [1, 4, 5], control=control(0.1), target={"predicted": [None]})
    assert flags(ATTACKED, [silent])[0] == f"{words} round 1"


def rounds(*successes: bool) -> list[RoundRecord]:
    """A round for each, in which the target is met or not."""
    return [
        record(number, [1, 4, 5], control=control(0.1), target={"success": success})
        for number, success in enumerate(successes, 1)
    ]


UNUSUAL = "the last round disagrees with most rounds: the target"


@pytest.mark.parametrize(
    ("successes", "words"),
    [
        ([True] * 5 + [False], "is not met there, but in 5 of 6 rounds"),
        ([False] * 3 + [True] * 2, "is met there, but in 2 of 5 rounds"),
        ([False, False, True, True], None),
        ([True, True, False, False], None),
        ([True], None),
        ([False], None),
    ],
)
def test_a_last_round_unlike_most(successes: list[bool], words: str | None) -> None:
    assert flags(ATTACKED, rounds(*successes)) == ([REPEAT] if words is None else [f"{UNUSUAL} {words}", REPEAT])


def test_only_rounds_of_the_window_say_what_is_usual() -> None:
    early = attacked(attack=ExplicitBoosting(client=4, until=4))
    assert (
        flags(early, rounds(True, True, False, False, False, False))[0]
        == f"{UNUSUAL} is not met there, but in 2 of 3 rounds"
    )
    assert flags(early, rounds(True, True, True, False, False, False, False)) == [REPEAT]
    untargeted = attacked(attack=ExplicitBoosting(client=4, objective="untargeted"))
    assert not [flag for flag in flags(untargeted, rounds(True, True, False)) if flag.startswith(UNUSUAL)]


def test_the_flags_of_several_runs_come_in_the_same_order_whatever_that_of_the_runs() -> None:
    runs = [["b", "a"], ["a", "c"], ["c", "a"]]
    assert common(runs) == common(runs[::-1]) == ["a (3 of 3 runs)", "c (2 of 3 runs)", "b (1 of 3 runs)"]
