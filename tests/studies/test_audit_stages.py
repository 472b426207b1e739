"""The stages of an audit, with values made by hand: who is better, who goes on, and what is counted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, log, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import scripted
from auditors import ADAPTIVE, FIXED, OTHER, failed, forked, played, subject, unjudged

from fedlens.core.errors import RunError
from fedlens.simulation.callback import Event
from fedlens.studies.audit.arms import Arm, with_both_kinds
from fedlens.studies.audit.audit import Auditing
from fedlens.studies.audit.cell import Cell
from fedlens.studies.audit.federations import Federations, Played, reached
from fedlens.studies.audit.forked_round import Outcome
from fedlens.studies.audit.halving import entrants, finalists_of, halved, standing, worse, worth
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.power import leak_test, planted
from fedlens.studies.audit.schedule import Schedule
from fedlens.studies.audit.screening import NOTED, Ranked, Screening, distinct, in_order, utility, widened
from fedlens.studies.audit.tried import TRIED, Fork, Tried
from fedlens.studies.audit.trying import Trials, decided, gathered, try_finalists
from fedlens.studies.audit.verdict import judge
from fedlens.studies.audit.workers import Workers

TARGETS, DAMAGE = subject(), subject(goal="damage")
TINY = Schedule(minutes=1, arms=9, seeds=1, kept=9, federations=9, trials=3, finalists=2, verdict=10)


def arms(count: int) -> list[Arm]:
    return [Arm("explicit-boosting", {"boost": boost}) for boost in range(1, count + 1)]


class Scripted:
    """Federations whose outcomes are known, and that note what was asked of them."""

    def __init__(self, confidence: dict[str, Sequence[float]]) -> None:
        self.confidence, self.asked = confidence, list[tuple[str, list[int], list[str]]]()

    def played(self, arms: Sequence[Arm], purpose: str, numbers: Sequence[int]) -> list[Played]:
        self.asked.append((purpose, list(numbers), [arm.name for arm in arms]))
        return [
            played(arm, n, self.confidence[arm.name][n], success=self.confidence[arm.name][n] > 0.9)
            for n in numbers
            for arm in arms
        ]


def federations(script: Scripted) -> Federations:
    return cast("Federations", script)


# forked rounds


def test_utility_is_what_the_attack_adds_to_the_log_odds_against_absence() -> None:
    assert utility(forked(0.9, absent=0.8), TARGETS) == pytest.approx(log(9) - log(4))


def test_utility_is_against_the_honest_round_where_there_is_no_placebo() -> None:
    assert utility(forked(0.9, absent=None), TARGETS) == pytest.approx(log(9))


def test_more_confidence_than_enough_adds_nothing() -> None:
    assert utility(forked(0.999), TARGETS) == utility(forked(0.99), TARGETS) == pytest.approx(log(19))


def test_utility_pays_a_nat_for_each_point_of_accuracy_above_the_limit() -> None:
    """5 points are 2 above the limit of 3."""
    assert utility(forked(0.9, cost=0.05), TARGETS) == pytest.approx(log(9) - 2)
    assert utility(forked(0.9, cost=0.03), TARGETS) == pytest.approx(log(9))


def test_a_destroyed_model_is_worth_least_of_all() -> None:
    assert utility(forked(0.99, destroyed=True), TARGETS) == -100


def test_of_a_regression_whose_error_is_infinite_nothing_is_below_the_worst() -> None:
    lost = replace(forked(0.9), attacked=Outcome(0.9, success=True, accuracy=None, error=inf))
    assert utility(lost, TARGETS) == -100


def test_of_damage_utility_is_the_accuracy_lost_without_a_price() -> None:
    assert utility(forked(cost=0.4), DAMAGE) == pytest.approx(0.4)
    assert utility(forked(cost=0.4, applied=False), DAMAGE) == 0


def test_destroying_the_model_is_the_most_damage_and_a_finite_number() -> None:
    lost = replace(forked(), attacked=Outcome(0, success=True, accuracy=None, error=inf), destroyed=True)
    assert utility(lost, DAMAGE) == 100
    assert utility(replace(lost, honest=lost.attacked), DAMAGE) == 0  # inf less inf


def ranked(arm: Arm, value: float = 0.0, error: str = "") -> Ranked:
    return Ranked(arm, 1, 0, value, error)


def test_at_most_three_of_an_attack_go_on_and_the_next_best_of_others() -> None:
    order = [*map(ranked, arms(4)), ranked(OTHER)]
    assert [one.arm for one in distinct(order, 4)] == [*arms(3), OTHER]


def test_the_best_adaptive_and_the_best_fixed_arm_are_among_them_however_bad() -> None:
    bold = replace(ADAPTIVE, options={"caution": 1.0})
    order = [*map(ranked, arms(3)), ranked(OTHER), ranked(ADAPTIVE), ranked(bold)]
    assert [one.arm for one in distinct(order, 2)] == [arms(1)[0], ADAPTIVE]
    assert [one.arm for one in distinct([ranked(ADAPTIVE), ranked(bold), ranked(OTHER)], 2)] == [ADAPTIVE, OTHER]


def test_an_adaptive_arm_that_failed_takes_nobodys_place() -> None:
    order = [*map(ranked, arms(2)), ranked(ADAPTIVE, error="no")]
    assert [one.arm for one in distinct(order, 2)] == arms(2)


def test_an_arm_with_an_effect_comes_before_all_without_one_however_little_it_reached() -> None:
    harmful, idle = ranked(OTHER, -0.3), replace(ranked(FIXED), effective=False)
    lost = replace(ranked(ADAPTIVE, -100.0), effective=False)
    assert in_order([lost, idle, harmful]) == [harmful, idle, lost]


def test_arms_without_effect_come_in_turn_one_of_each_attack_that_has_no_better_one() -> None:
    first, second, third = (replace(ranked(arm), effective=False) for arm in arms(3))
    other, bold = (replace(ranked(arm), effective=False) for arm in (OTHER, ADAPTIVE))
    better = ranked(Arm("anticipate", {"caution": 0.7}), 2.0)
    assert in_order([better, bold, first, second, third, other]) == [better, first, other, bold, second, third]
    assert in_order([first, second, ranked(FIXED, 1.0), other])[1:] == [other, first, second]


def test_a_repetition_of_an_arm_of_the_same_attack_takes_nobodys_place() -> None:
    same, elsewhere = forked(0.8).attacked, forked(0.7).attacked
    one, two, three = (replace(ranked(arm), outcomes=(same, same)) for arm in arms(3))
    alike = replace(ranked(OTHER), outcomes=(same, same))
    assert distinct([one, two, alike, three], 4) == [one, alike]
    later = replace(three, outcomes=(same, elsewhere))
    assert distinct([one, two, alike, later], 4) == [one, alike, later]
    idle = [replace(each, effective=False) for each in (one, two)]
    assert distinct(idle, 4) == idle  # without effect all leave the same model


class Forking:
    """Workers whose forked rounds are known: the value and whether it was applied, by the arm and the round."""

    def __init__(self, known: Mapping[tuple[str, int], tuple[float, bool]]) -> None:
        self.known, self.asked = known, list[tuple[str, int, int]]()

    def ask(self, function: str, calls: Mapping[str, Any], told: Any) -> None:
        for key, (number, given) in calls.items():
            value: Any = None
            if function == "attack":
                where = Arm(**given["arm"]).name, given["round_"]
                self.asked.append((*where, number))
                reached, applied = self.known.get(where, (0.5, False))
                value = TRIED.dump_python(Tried(forked(reached, applied=applied)), mode="json")
            told(key, Event(key, "finished", {"value": value}))


def screened(folder: Path, known: Mapping[tuple[str, int], tuple[float, bool]], every: Sequence[Arm]) -> Forking:
    workers = Forking(known)
    screening = Screening(subject(rounds=6), Ledger(folder), cast("Workers", workers), tell=lambda _: None)
    found = screening.ranked(every, replace(TINY, kept=4))
    assert sorted(one.arm.name for one in found) == sorted(arm.name for arm in every)
    return workers


ZOO = [Arm(name) for name in ("pgd", "neurotoxin", "chameleon", "dba", "train-and-scale")]


def test_where_few_had_an_effect_other_attacks_are_tried_in_a_second_round(tmp_path: Path) -> None:
    """Of six rounds 1, 2 and 4 are attacked. One of four went on for its effect in the second: three places are left.

    Three arms in two rounds more are six; four in one, and two of these in another, are six as well.
    """
    known = {("anticipate caution=0.85", 2): (0.6, True), ("chameleon", 4): (0.7, True)}
    workers = screened(tmp_path, known, [ADAPTIVE, *arms(3), *ZOO])
    assert workers.asked[:9] == [(arm.name, 2, 0) for arm in (ADAPTIVE, *arms(3), *ZOO)]
    assert workers.asked[9:13] == [(name, 4, 0) for name in (arms(1)[0].name, "pgd", "neurotoxin", "chameleon")]
    assert sorted(workers.asked[13:]) == [
        ("anticipate caution=0.85", 1, 0),
        ("anticipate caution=0.85", 4, 0),
        ("chameleon", 1, 0),
        (arms(1)[0].name, 1, 0),
    ]
    assert widened(3, again=2) == 4


def test_where_enough_had_an_effect_there_is_no_second_round(tmp_path: Path) -> None:
    known = {(arm.name, 2): (0.6 + place / 100, True) for place, arm in enumerate(ZOO)}
    workers = screened(tmp_path, known, [*arms(3), *ZOO])
    went = {name for name, *_ in workers.asked[8:]}
    assert went == {arm.name for arm in ZOO[1:]}
    assert len(workers.asked) == 8 + 4 * 2


# whole federations


def test_half_of_those_that_attack_federations_are_fixed_and_the_best_adaptive_one_is_late_too() -> None:
    bold = [Arm("anticipate", {"caution": caution}) for caution in (0.7, 0.85, 1.0)]
    late = replace(bold[0], window="last third")
    assert entrants([*bold, *arms(4)], 4) == [bold[0], *arms(2), late]
    assert entrants([*bold, *arms(4)], 6) == [*bold[:2], *arms(3), late]
    assert entrants([*arms(4), *bold], 4) == [*arms(2), bold[0], late]
    assert entrants([*bold, *arms(1)], 4) == [*bold[:2], *arms(1), late]
    assert entrants(arms(5), 4) == arms(4)


def test_what_a_federation_is_worth() -> None:
    assert worth(played(confidence=0.8), TARGETS) == pytest.approx(log(4))
    assert worth(played(confidence=0.8, cost=0.05), TARGETS) == pytest.approx(log(4) - 2)
    assert worth(played(confidence=0.9, success=True), TARGETS) == pytest.approx(log(9) + 10)
    assert worth(played(confidence=0.9, success=True, placebo=True), TARGETS) == pytest.approx(log(9))
    assert worth(played(confidence=1.0), TARGETS) == pytest.approx(log(19))
    assert worth(failed(), TARGETS) == -100
    assert worth(played(confidence=0.5, cost=inf), TARGETS) == -100


def test_a_model_whose_answers_are_no_numbers_has_reached_nothing_and_is_worth_least() -> None:
    record = scripted.played(1, confidence=0.25)
    assert record.twin is not None
    assert record.target is not None
    assert reached(record, record.twin) == 0.25
    assert reached(replace(record, target=replace(record.target, confidence=[nan])), record.twin) is None
    assert worth(replace(played(), confidence=None), TARGETS) == -100


def test_what_damage_is_worth() -> None:
    assert worth(played(confidence=0.25, cost=0.25, success=True), DAMAGE) == 10.25
    assert worth(played(confidence=0.25, applied=False), DAMAGE) == 0
    assert worth(played(confidence=inf, success=True, cost=inf), DAMAGE) == 110
    assert worth(played(confidence=nan), DAMAGE) == 0


def test_a_standing_leaves_out_what_nobody_can_judge_and_counts_what_failed() -> None:
    found = standing(FIXED, [played(confidence=0.8), unjudged(number=1), failed(number=2), played(OTHER)], TARGETS)
    assert (len(found.played), found.successes) == (3, 0)
    assert found.utility == pytest.approx((log(4) - 100) / 2)
    assert standing(FIXED, [unjudged()], TARGETS).utility == -100


@pytest.mark.parametrize(("seeds", "is_worse"), [(2, False), (3, False), (4, True)])
def test_worse_by_the_signed_rank_test(seeds: int, is_worse: bool) -> None:
    """If all of n differences have one sign, p is 2⁻ⁿ: 1/8 of three seeds, 1/16 of four."""
    both = [
        one
        for n in range(seeds)
        for one in (played(FIXED, n, 0.8 + n / 100), played(OTHER, n, 0.6 - n / 50))
    ]  # fmt: skip
    assert worse(OTHER, FIXED, both, TARGETS) is is_worse
    assert not worse(FIXED, OTHER, both, TARGETS)


def test_of_equals_none_is_worse() -> None:
    both = [played(arm, n, 0.8) for n in range(6) for arm in (FIXED, OTHER)]
    assert not worse(OTHER, FIXED, both, TARGETS)


def test_half_go_on_after_each_seed_down_to_the_finalists() -> None:
    """Of eight arms four stay, then two; those that lasted longest come first."""
    eight = arms(8)
    script = Scripted({arm.name: [0.1 * place] * 3 for place, arm in enumerate(eight, 1)})
    found = halved(eight, federations(script), TARGETS, TINY, numbers=[0, 1, 2], tell=lambda _: None)
    names = [arm.name for arm in eight]
    assert [(seeds, len(who)) for _, seeds, who in script.asked] == [([0], 8), ([0, 1], 4), ([0, 1, 2], 2)]
    assert [one.arm.name for one in found] == [*names[:5:-1], *names[5:3:-1], *names[3::-1]]
    assert [len(one.played) for one in found] == [3, 3, 2, 2, 1, 1, 1, 1]
    assert {purpose for purpose, *_ in script.asked} == {"search"}


def test_equals_keep_the_order_of_the_forked_rounds() -> None:
    four = arms(4)
    script = Scripted({arm.name: [0.5] * 3 for arm in four})
    found = halved(four, federations(script), TARGETS, TINY, numbers=[0, 1, 2], tell=lambda _: None)
    assert [one.arm for one in found] == four


def test_seeds_with_nothing_to_attack_are_not_asked_for() -> None:
    script = Scripted({FIXED.name: [0.5] * 9})
    halved([FIXED], federations(script), TARGETS, TINY, numbers=[2, 5, 7], tell=lambda _: None)
    assert [seeds for _, seeds, _ in script.asked] == [[2], [2, 5], [2, 5, 7]]


def test_an_adaptive_arm_stays_to_the_end() -> None:
    three = [*arms(3), ADAPTIVE]
    script = Scripted({**{arm.name: [0.8] * 3 for arm in arms(3)}, ADAPTIVE.name: [0.1] * 3})
    found = halved(three, federations(script), TARGETS, TINY, numbers=[0, 1, 2], tell=lambda _: None)
    assert [one.arm for one in found][:2] == [arms(1)[0], ADAPTIVE]


def test_with_both_kinds() -> None:
    assert with_both_kinds([FIXED], [FIXED, ADAPTIVE]) == [FIXED, ADAPTIVE]
    assert with_both_kinds([FIXED, OTHER], [FIXED, OTHER, ADAPTIVE]) == [FIXED, ADAPTIVE]
    assert with_both_kinds([FIXED, OTHER], [FIXED, OTHER]) == [FIXED, OTHER]


def test_finalists_lasted_longest_and_include_both_kinds_but_none_that_never_ran() -> None:
    standings = [
        standing(FIXED, [played(FIXED, 0, 0.6), played(FIXED, 1, 0.6)], TARGETS),
        standing(OTHER, [played(OTHER, 0, 0.7), played(OTHER, 1, 0.7)], TARGETS),
        standing(ADAPTIVE, [played(ADAPTIVE, 0, 0.9)], TARGETS),
    ]
    assert finalists_of(standings, 2) == [OTHER, ADAPTIVE]
    dead = [standings[0], standing(ADAPTIVE, [failed(ADAPTIVE)], TARGETS)]
    assert finalists_of(dead, 2) == [FIXED]


# the verdict's seeds


def test_a_failed_attack_says_nothing_and_an_unjudged_seed_is_left_out() -> None:
    found = gathered([FIXED], [played(success=True), failed(number=1), unjudged(number=2), played(OTHER)])
    assert [(cell.seed, cell.success, cell.failed) for cell in found.cells] == [(0, True, False), (1, False, True)]
    assert found.skipped == {2}


def tried(confidence: float, in_time: Any = lambda *_: True, most: int = 40) -> tuple[Trials, list[list[int]]]:
    script = Scripted({FIXED.name: [confidence] * most})

    def judged(trials: Trials) -> Any:
        return judge(trials.cells, [FIXED.name], skipped=trials.skipped)

    return try_finalists([FIXED], federations(script), most, judged, in_time), [seeds for _, seeds, _ in script.asked]


def test_seeds_are_tried_in_batches_until_it_is_broken() -> None:
    """Seven successes of seven are broken: so after the second batch of four."""
    trials, asked = tried(0.95)
    assert asked == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert not trials.out_of_time


def test_seeds_are_tried_until_the_rate_is_refuted() -> None:
    trials, asked = tried(0.1)
    assert (len(asked), len(trials.cells)) == (9, 36)


def test_no_more_seeds_than_the_schedule_has() -> None:
    assert tried(0.1, most=6)[1] == [[0, 1, 2, 3], [4, 5]]


def test_out_of_time_ends_after_the_batch_at_hand() -> None:
    trials, asked = tried(0.1, lambda first, trials: first < 8 and len(trials.cells) == first)
    assert (asked, trials.out_of_time) == ([[0, 1, 2, 3], [4, 5, 6, 7]], True)


class Clock:
    """A ledger of which only the time is asked: a minute goes by each time."""

    def __init__(self) -> None:
        self.minutes = -1

    @property
    def seconds(self) -> float:
        self.minutes += 1
        return 60.0 * max(self.minutes - 1, 0)

    def has(self, *_: str) -> bool:
        return False

    def add(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(("confidence", "seeds"), [(0.1, 4), (0.95, 8)])
def test_the_leak_test_keeps_its_time_unless_what_is_seen_may_be_broken(confidence: float, seeds: int) -> None:
    """After a batch of a minute there is time for another or for the leak test, not for both."""
    auditing: Any = object.__new__(Auditing)
    auditing.subject, auditing.effort, auditing.rate, auditing.tell = TARGETS, "quick", 0.1, lambda _: None
    auditing.schedule, auditing.seconds_allowed, auditing.ledger = TINY, 200.0, Clock()
    auditing.federations = federations(Scripted({FIXED.name: [confidence] * 10}))
    trials = auditing._trials([FIXED], SimpleNamespace(leaks=100.0))
    assert len(trials.cells) == seeds
    assert trials.out_of_time == (seeds == 4)


def test_what_never_ran_is_refused_rather_than_counted_as_harmless() -> None:
    class Dead(Scripted):
        def played(self, arms: Sequence[Arm], purpose: str, numbers: Sequence[int]) -> list[Played]:
            return [failed(FIXED, n) for n in numbers]

    with pytest.raises(RunError, match=r"explicit-boosting failed with every seed: it divided by zero; the same"):
        try_finalists([FIXED], federations(Dead({})), 8, lambda _: judge([], [FIXED.name]), lambda *_: True)


def test_decided_means_broken_or_all_refuted() -> None:
    def cells(arm: Arm, count: int, *, success: bool) -> list[Cell]:
        return [Cell(arm.name, n, success=success, placebo=False, cost=0.0) for n in range(count)]

    assert decided(judge(cells(FIXED, 7, success=True), [FIXED.name]))
    assert decided(judge(cells(FIXED, 35, success=False), [FIXED.name]))
    assert not decided(judge(cells(FIXED, 34, success=False), [FIXED.name]))
    one = judge(cells(FIXED, 36, success=False) + cells(OTHER, 30, success=False), [FIXED.name, OTHER.name])
    assert not decided(one)


# planted leaks


class Idle:
    """Workers that are asked for nothing, as everything is in the ledger."""

    def ask(self, function: str, calls: Mapping[str, Any], told: Any) -> None:
        assert not calls


@pytest.mark.parametrize(
    ("hits", "smallest", "planted_"), [(4, 0.1, 3), (2, 0.1, 3), (1, None, 1), (0, None, 1)]
)  # fmt: skip
def test_leaks_are_planted_from_the_largest_until_one_is_not_found(
    tmp_path: Path, hits: int, smallest: float | None, planted_: int
) -> None:
    """Leaks of 0.3 and 0.1 are found in so many of four rounds by the second arm, that of 0.03 in one."""
    ledger = Ledger(tmp_path)
    for number in range(5):
        ledger.add("seed", str(number), NOTED, "nothing to attack" if number < 3 else "")
    places = [(seed, round_) for seed in (3, 4) for round_ in (1, 2)]
    for seed, round_ in places:
        for arm in (FIXED, OTHER):
            ledger.add("fork", Fork(seed, round_, arm).key, TRIED, Tried(forked(0.5)))
    for eta in (0.3, 0.1, 0.03):
        most = 1 if eta == 0.03 else hits
        for at, (seed, round_) in enumerate(places):
            for arm in (FIXED, OTHER):
                won = arm == OTHER and at < most
                ledger.add("leak", Fork(seed, round_, arm, eta).key, TRIED, Tried(forked(0.9 if won else 0.5)))
    screening = Screening(TARGETS, ledger, cast("Workers", Idle()), tell=lambda _: None)
    found = planted([FIXED, OTHER], screening, rounds=(1, 2), seeds=2, tell=lambda _: None)
    assert len(found) == planted_
    assert leak_test(found).smallest == smallest
    assert (found[0].rounds, found[0].found, found[0].by) == (4, hits, OTHER.name if hits else "")


def test_rounds_that_are_lost_without_a_leak_are_left_out(tmp_path: Path) -> None:
    """The first arm breaks the server as it is in the first round, and with every leak; the second never does."""
    ledger = Ledger(tmp_path)
    ledger.add("seed", "0", NOTED, "")
    for round_ in (1, 2):
        ledger.add("fork", Fork(0, round_, FIXED).key, TRIED, Tried(forked(0.9 if round_ == 1 else 0.5)))
        ledger.add("fork", Fork(0, round_, OTHER).key, TRIED, Tried(forked(0.5)))
        for eta in (0.3, 0.1):
            won = round_ == 1 or eta == 0.3
            ledger.add("leak", Fork(0, round_, FIXED, eta).key, TRIED, Tried(forked(0.9 if won else 0.5)))
            ledger.add("leak", Fork(0, round_, OTHER, eta).key, TRIED, Tried(forked(0.5)))
    screening = Screening(TARGETS, ledger, cast("Workers", Idle()), tell=lambda _: None)
    found = planted([FIXED, OTHER], screening, rounds=(1, 2), seeds=1, tell=lambda _: None)
    assert [(one.eta, one.rounds, one.found) for one in found] == [(0.3, 1, 1), (0.1, 1, 0)]
    assert planted([FIXED, OTHER], screening, rounds=(1,), seeds=1, tell=lambda _: None) == []


def test_an_audit_that_could_plant_no_leak_has_not_failed_the_leak_test() -> None:
    auditing = cast("Auditing", SimpleNamespace(rate=0.1, subject=TARGETS, effort="quick"))
    trials = gathered([FIXED], [played(number=n, success=True) for n in range(4)])
    assert Auditing._judged(auditing, [FIXED], trials, []).verdict == "undecided"
