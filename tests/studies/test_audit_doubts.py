"""Each red flag of an audit: what raises it, what just does not, and its sentence."""

from dataclasses import replace
from typing import Any

import pytest
from auditors import ADAPTIVE, FIXED, OTHER, failed, forked, played, subject, unjudged

from fedlens.studies.audit.bounds import Bound
from fedlens.studies.audit.doubts import Doubt, Findings, doubts, improvement
from fedlens.studies.audit.federations import Played
from fedlens.studies.audit.halving import Standing
from fedlens.studies.audit.inspection import Inspected, Response
from fedlens.studies.audit.power import Planting, leak_test
from fedlens.studies.audit.verdict import judge

QUIET = Inspected(
    random=(), stateful=(), responses=(), deaf=False, false_alarms={"norms": 0.05}, accuracy=0.9, mean_accuracy=0.9,
    lost=0.03,
)  # fmt: skip
LARGE = subject(clients=10)


def stands(arm: Any, *confidences: float, successes: int = 0, utility: float = 0.0) -> Standing:
    return Standing(arm, tuple(played(arm, n, value) for n, value in enumerate(confidences)), successes, utility)


CALM = Findings(
    subject=LARGE, inspected=QUIET, judgement=judge([], ["a"]), standings=(), verdict=(), plantings=(), adaptive=(),
    omniscient=(),
)  # fmt: skip


def codes(found: Findings) -> list[str]:
    return [doubt.code for doubt in doubts(found)]


def raised(code: str, **changes: Any) -> str:
    """The sentence of a flag, which has to be the only one but for F14."""
    found = doubts(replace(CALM, **changes))
    assert [doubt.code for doubt in found] == [code, "F14"]
    return found[0].words


def server(**changes: Any) -> Inspected:
    return replace(QUIET, **changes)


def test_one_data_set_is_all_that_is_ever_audited() -> None:
    assert doubts(CALM) == [Doubt("F14", "one data set, digits, and one model: others may fare differently")]


def test_a_server_that_draws() -> None:
    words = raised("F1", inspected=server(random=("chain", "mine")))
    assert words == "the server draws random numbers (chain, mine): equal updates give different results"


def test_a_server_that_is_deaf() -> None:
    assert "nothing that one team sends has any effect" in raised("F2", inspected=server(deaf=True))


def test_a_server_that_remembers() -> None:
    assert "remembers earlier rounds (momentum)" in raised("F3", inspected=server(stateful=("momentum",)))


def test_a_server_that_does_not_learn() -> None:
    assert "5.0 points less accurate than with a plain mean" in raised("F7", inspected=server(lost=0.05))


def test_checks_that_reject_honest_clients() -> None:
    words = raised("F9", inspected=server(false_alarms={"norms": 0.05, "distances": 0.2}))
    assert words == "honest clients are rejected by distances in 20 % of rounds without attack"


def test_a_filter_of_a_fixed_number_says_that_it_is_one() -> None:
    flagged = server(false_alarms={"flanders": 1.0}, constant=("flanders",))
    words = raised("F9", inspected=flagged)
    assert words == "the filter flanders always drops a fixed number of updates, honest ones where nobody attacks"


def test_a_regression_is_further_off_and_not_less_accurate() -> None:
    words = raised("F7", inspected=server(lost=0.05, accuracy=None, mean_accuracy=None))
    assert "the model is 0.05 standard deviations of the labels further off than with a plain mean" in words


def test_a_server_that_fails_by_what_one_team_sends() -> None:
    fine, failing = Response("own", 1, 1, None, 0.0, ()), Response("own", 1e7, 1, None, None, (), "rule Mine failed")
    words = raised("F16", inspected=server(responses=(fine, failing, replace(failing, form="opposite"))))
    assert (
        words == "the server itself fails where a team sends updates times 1e+07, and training ends: rule Mine failed"
    )


def test_federations_that_ended_in_an_error() -> None:
    """Seeds with nothing to attack are no errors."""
    verdict = [played(FIXED, 0), failed(FIXED, 1), failed(FIXED, 2), unjudged(FIXED, 3)]
    words = raised("F15", verdict=verdict)
    assert (
        words == "2 of 4 federations ended in an error and count as whatever is worse, for example: it divided by zero"
    )
    assert codes(replace(CALM, verdict=[played(FIXED, 0), unjudged(FIXED, 1)])) == ["F14"]


def test_a_fixed_attack_that_does_better_than_the_adaptive_one() -> None:
    standings = [stands(ADAPTIVE, 0.5, successes=1), stands(FIXED, 0.5, successes=2)]
    assert "a fixed attack, explicit-boosting, did better" in raised("F4", standings=standings)
    nearly = [stands(ADAPTIVE, 0.5, utility=2.0), stands(FIXED, 0.5, utility=3.0)]
    assert codes(replace(CALM, standings=nearly)) == ["F14"]
    assert raised("F4", standings=[nearly[0], stands(FIXED, 0.5, utility=3.1)])
    assert codes(replace(CALM, standings=[stands(FIXED, 0.5, successes=3)])) == ["F14"]  # none adapts


def test_an_omniscient_attacker_who_is_far_ahead() -> None:
    won, lost = forked(0.9), forked(0.5)
    assert "whoever sees all updates does far better" in raised(
        "F5", adaptive=[lost] * 4, omniscient=[won, won, won, lost]
    )
    assert codes(replace(CALM, adaptive=[lost, lost], omniscient=[won, lost])) == ["F14"]


def test_acceptance_that_was_expected_and_did_not_come() -> None:
    """One of two is less than 0.6."""
    sure = {"acceptance": 0.95}
    rounds = [forked(0.5, log=sure), forked(0.5, log=sure, rejected_by=("norms",))]
    assert raised("F6", adaptive=rounds) == "attackers expected acceptance in 95 % and got 50 %"
    assert codes(replace(CALM, adaptive=[forked(0.5, log={"acceptance": 0.8}, applied=False)])) == ["F14"]
    assert raised("F6", adaptive=[forked(0.5, log=sure, applied=False)]).endswith("got 0 %")


def test_confidence_that_was_planned_and_did_not_come() -> None:
    """Of 0.9 planned and 0.5 reached, log 9 = 2.2 nats are missing; of 0.88, log(22/3) = 1.99."""
    words = raised("F6", adaptive=[forked(0.5, log={"confidence": 0.9, "acceptance": 1.0})])
    assert words == "attackers expected log-odds that are 2.2 nats higher than what they got"
    assert codes(replace(CALM, adaptive=[forked(0.5, log={"confidence": 0.88})])) == ["F14"]


def test_placebos_that_succeed() -> None:
    def verdict(wins: int) -> list[Played]:
        return [played(arm, n, placebo=n < wins) for n in range(10) for arm in (FIXED, OTHER)]

    assert raised("F8", verdict=verdict(2)) == "without the attackers the goal is met, too, with 2 seeds"
    assert codes(replace(CALM, verdict=verdict(1))) == ["F14"]


def test_a_last_halving_that_still_changed_who_is_best() -> None:
    standings = [stands(FIXED, 0.6, 0.5, 0.5, 0.5), stands(OTHER, 0.5, 0.6, 0.9, 0.9)]
    assert "the last halving still changed" in raised("F10", standings=standings)
    same = [stands(FIXED, 0.6, 0.9, 0.9, 0.9), stands(OTHER, 0.5, 0.6, 0.6, 0.6)]
    assert codes(replace(CALM, standings=same)) == ["F14"]
    assert improvement([], LARGE) == improvement([stands(FIXED, 0.5)], LARGE) == 0


@pytest.mark.parametrize(
    ("etas", "failed"), [([], False), ([0.3], True), ([0.3, 0.1], False), ([0.3, 0.1, 0.03], False)]
)
def test_a_leak_of_a_tenth_that_is_not_found(etas: list[float], failed: bool) -> None:
    found = [Planting(eta, 4, 2, "mine") for eta in etas]
    plantings = [*found, Planting(0.001, 4, 1, "mine")] if etas else []
    assert codes(replace(CALM, plantings=plantings)) == (["F11"] if failed else []) + ["F14"]
    if failed:
        assert "a planted leak of 10 % of the mean was not found" in raised("F11", plantings=plantings)
        assert not leak_test(plantings).passed


def test_more_attackers_than_most_have_to_fear() -> None:
    assert codes(CALM) == ["F14"]  # one of ten
    assert "25 % of the clients attack" in raised("F12", subject=subject())


def test_a_rule_that_is_told_how_many_attack() -> None:
    told = subject(clients=10, aggregation={"name": "krum", "f": 1})
    assert raised("F13", subject=told) == "oracle f: the rule knows the true number of attackers, f = 1"
    assert codes(replace(CALM, subject=subject(clients=10, aggregation={"name": "krum", "f": 2}))) == ["F14"]


def test_more_than_the_reach_allows() -> None:
    """The worst of the rounds is told, and rounding is no doubt."""
    within = Bound(0, 5, 1, "box", at_most=0.5, found=0.5005, by="mine")
    beyond = [
        replace(within, found=0.6),
        replace(within, at_most=0.2, found=0.4, by="yours"),
        replace(within, found=None),
    ]
    [last, doubt] = doubts(replace(CALM, bounds=[within, *beyond]))
    assert (last.code, doubt.code) == ("F14", "F17")
    assert doubt.words == (
        "yours reached 0.400 in a single round, and at most 0.200 was expected of any: the reach that the rule "
        "declares is wrong, or the search of it got stuck"
    )
    assert codes(replace(CALM, bounds=[within])) == ["F14"]


@pytest.mark.parametrize(
    ("eta", "rounds", "found", "broken"), [(0.1, 4, 2, True), (0.1, 4, 1, False), (0.1, 0, 0, False), (0.1, 3, 2, True)]
)
def test_a_leak_is_found_in_half_of_the_rounds(eta: float, rounds: int, found: int, broken: bool) -> None:
    assert Planting(eta, rounds, found, "").broken is broken


def test_the_smallest_leak_that_was_found_is_the_power() -> None:
    plantings = [Planting(0.3, 4, 4, "a"), Planting(0.1, 4, 4, "a"), Planting(0.03, 4, 1, "a")]
    assert leak_test(plantings).smallest == 0.1
    assert leak_test([]).smallest is None
