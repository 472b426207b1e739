"""Verdicts of runs whose numbers are given."""

from dataclasses import replace
from pathlib import Path

import pytest
from scripted import played, run_of

from fedlens.analysis.intervals import Interval, estimate
from fedlens.analysis.run_results import Run
from fedlens.core.config import validate
from fedlens.studies.paper import judging
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.claims import Claim
from fedlens.studies.paper.evidence import Evidence
from fedlens.studies.paper.judging import Judgement, judge
from fedlens.studies.paper.rows import no_effect, red_flags, within


def evidence(**confidences: dict[tuple[int, int], float]) -> Evidence:
    """Runs of panels ``a`` and ``b`` with a final confidence for each seed and draw."""
    runs: dict[str, dict[Case, Run]] = {
        panel: {
            Case(*case): run_of(played(1, confidence=value), seed=case[0], draw=case[1])
            for case, value in cases.items()
        }
        for panel, cases in confidences.items()
    }
    return Evidence(Path(), "quick", runs)


def judged(monkeypatch: pytest.MonkeyPatch, found: Evidence, *parts: dict[str, object]) -> Judgement:
    usual = {"what": "it", "measure": "final_confidence", "of": ["a"], "paper": "high"}
    claim = validate(Claim, {"figure": 1, "claim": "it works", "parts": [usual | part for part in parts]})
    monkeypatch.setattr(judging, "claims", lambda: {"C1": claim})
    (judgement,) = judge(found)
    return judgement


CASES = {(0, 0): 0.2, (0, 1): 0.6, (1, 0): 0.7, (1, 1): 0.9, (2, 0): 0.8}


def test_the_median_over_seeds_medians_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeds' medians are 0.4, 0.8 and 0.8; over all values it would be 0.7."""
    judgement = judged(monkeypatch, evidence(a=CASES), {"at_least": 0.4})
    (finding,) = judgement.findings
    assert judgement.verdict == "holds"
    assert finding.median == pytest.approx(0.8)
    assert finding.holding == 4
    assert finding.control == 0.1
    assert judgement.cases == {Case(*case) for case in CASES}


def test_a_number_whose_interval_has_the_bound_in_it_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome(*parts: dict[str, object]) -> tuple[str, ...]:
        judgement = judged(monkeypatch, evidence(a=CASES), *parts)
        return judgement.verdict, *(str(finding.outcome) for finding in judgement.findings)

    low, middle, high = {"at_least": 0.39}, {"at_least": 0.75}, {"at_least": 0.81}
    assert outcome(low) == ("holds", "within")
    assert outcome(middle) == ("undecided", "undecided")
    assert outcome({"at_most": 0.75}) == ("undecided", "undecided")
    assert outcome(high) == ("does not hold", "outside")
    assert outcome(low, high) == ("holds in part", "within", "outside")
    assert outcome(low, middle, high) == ("holds in part", "within", "undecided", "outside")
    assert outcome(low, middle) == ("undecided", "within", "undecided")
    assert outcome(middle, high) == ("undecided", "undecided", "outside")
    assert outcome({"at_least": 0.45, "at_most": 0.75}) == ("undecided", "undecided")
    assert outcome({"at_least": 0.3, "at_most": 0.9}) == ("holds", "within")
    assert outcome({"above": 0.4}) == ("undecided", "undecided")


def test_one_seed_has_no_interval_and_its_median_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    one = evidence(a={(0, 0): 0.2, (0, 1): 0.6, (0, 2): 0.7})
    assert judged(monkeypatch, one, {"at_least": 0.6}).verdict == "holds"
    assert judged(monkeypatch, one, {"at_least": 0.61}).verdict == "does not hold"


@pytest.mark.parametrize(
    ("honest", "poisoning", "known"),
    [
        ({(0, 0): 0.1}, {(0, 0): 0.2}, {"honest": False, "poisoning": False}),
        ({(0, 0): 0.1}, {(0, 0): 0.9}, {"honest": False, "poisoning": True}),
        ({(0, 0): 0.1}, {}, {"honest": False}),
        ({}, {}, {}),
    ],
)
def test_bounds_are_put_to_what_has_no_effect(
    monkeypatch: pytest.MonkeyPatch,
    honest: dict[tuple[int, int], float],
    poisoning: dict[tuple[int, int], float],
    known: dict[str, bool],
) -> None:
    monkeypatch.setattr(judging, "negatives", lambda _: {"a": {"honest": "h", "poisoning": "p"}})
    given = {"a": CASES, "b": {(0, 0): 0.0}, "h": honest, "p": poisoning}
    found = evidence(**{name: cases for name, cases in given.items() if cases})
    judgement = judged(monkeypatch, found, {"at_least": 0.4}, {"of": ["a", "b"], "above": 0})
    assert judgement.negatives == known
    assert ("holds for what has no effect, too: C1" in red_flags([judgement])) == (True in known.values())
    kinds = {kind: judgement.findings[0].passes(kind) for kind in ("honest", "poisoning")}
    assert kinds == {kind: known.get(kind) for kind in kinds}
    if "poisoning" in known:
        assert "poisoning" in no_effect(judgement.findings[0])
        assert ("(within)" in no_effect(judgement.findings[0])) == known["poisoning"]
        assert judgement.findings[1].negatives["poisoning"] == {Case(0, 0): pytest.approx(poisoning[0, 0])}


def test_a_number_that_is_not_to_be_had_of_a_negative_control_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "negatives", lambda _: {"a": {"honest": "h"}})
    found = evidence(a=CASES, h={(0, 0): 0.3})  # never there, so that nothing fades
    judgement = judged(monkeypatch, found, {"measure": "confidence_without_excess", "below": 0})
    assert judgement.negatives == {"honest": False}
    partly = judged(monkeypatch, found, {"at_least": 0.1}, {"of": ["b"], "at_least": 0})
    assert partly.negatives == {"honest": None}


def test_the_interval_is_around_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = judged(monkeypatch, evidence(a=CASES), {}).findings
    interval = finding.interval
    assert interval == estimate([0.4, 0.8, 0.8], [0, 1, 2])
    five = {**CASES, (3, 0): 0.3, (4, 0): 0.1}
    (finding,) = judged(monkeypatch, evidence(a=five), {}).findings
    assert finding.interval == Interval(0.4, 0.1, 0.8, (0.1, 0.8), 5, 5)


def test_two_panels_are_compared_within_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(a={(0, 0): 0.5, (1, 0): 0.9, (2, 0): 0.1}, b={(1, 0): 0.2, (0, 0): 0.4})
    (finding,) = judged(monkeypatch, found, {"of": ["a", "b"], "above": 0}).findings
    assert finding.values == {Case(0, 0): pytest.approx(0.1), Case(1, 0): pytest.approx(0.7)}
    assert not finding.controls


def test_runs_with_different_targets_are_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(a={(0, 0): 0.5, (1, 0): 0.9}, b={(0, 0): 0.4, (1, 0): 0.2})
    run = found.runs["b"][Case(1, 0)]
    found.runs["b"][Case(1, 0)] = replace(run, target=replace(run.target, index=[8]))
    (finding,) = judged(monkeypatch, found, {"of": ["a", "b"], "above": 0}).findings
    assert list(finding.values) == [Case(0, 0)]


def test_a_claims_cases_are_those_of_the_deciding_number_with_the_fewest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(a=CASES, b={(0, 0): 0.4}, c={(1, 0): 0.4, (2, 0): 0.4})
    decides, few, fewer = {"above": 0}, {"of": ["c"], "above": 0}, {"of": ["b"]}
    assert judged(monkeypatch, found, decides, few, fewer).cases == {Case(1, 0), Case(2, 0)}
    assert judged(monkeypatch, found, {}, fewer).cases == {Case(0, 0)}
    assert red_flags([judged(monkeypatch, found, decides, fewer | {"above": 0})])[0].startswith("one seed: C1;")
    assert not red_flags([judged(monkeypatch, evidence(a=CASES), decides)])


def test_how_many_numbers_are_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    found, unrun = evidence(a=CASES), {"of": ["b"], "above": 0}
    assert within(judged(monkeypatch, found, {"above": 0}, {"above": 1}, {})) == "1 of 2"
    assert within(judged(monkeypatch, found, {"above": 0}, unrun)) == "1 of 1, 1 not tested"
    assert within(judged(monkeypatch, found, {})) == "–"


def test_nothing_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    judgement = judged(monkeypatch, evidence(b=CASES), {"above": 0})
    assert judgement.verdict == "not tested at this scale"
    assert judgement.findings[0].median is judgement.findings[0].interval is judgement.findings[0].outcome is None


def test_a_part_of_another_scale_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"above": 0, "only": ["paper-10", "paper"]}
    assert judged(monkeypatch, evidence(a=CASES), elsewhere).verdict == "not tested at this scale"
    assert judged(monkeypatch, evidence(a=CASES), elsewhere, {"above": 0}).verdict == "holds in part"


def test_a_part_without_a_bound_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, evidence(a=CASES), {}).verdict == "–"
    assert judged(monkeypatch, evidence(a=CASES), {}, {"above": 1}).verdict == "does not hold"


def test_a_run_that_gives_no_number_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {Case(0, 0): run_of(played(1)), Case(1, 0): run_of(played(1, attacker=False))}
    found = Evidence(Path(), "quick", {"a": runs})
    (finding,) = judged(monkeypatch, found, {"measure": "mean_malicious_accuracy"}).findings
    assert list(finding.values) == [Case(0, 0)]


def test_every_run_counts_once() -> None:
    run = run_of(played(1))
    assert Evidence(Path(), "quick", {"a": {Case(0, 0): run}, "b": {Case(0, 0): run}}).all_runs == [run]
    assert run.path == Path("scripted-0-0")


def test_the_runs_red_flags_with_how_many_they_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {Case(0, 0): run_of(played(1, control=None)), Case(1, 0): run_of(played(1), seed=1)}
    judgement = judged(monkeypatch, Evidence(Path(), "quick", {"a": runs, "b": runs}), {"above": 0}, {"of": ["a", "b"]})
    assert [flag for flag in judgement.flags if flag.startswith("no control")] == [
        "no control: nobody knows whether the clean model gets the target right (1 of 2 runs)"
    ]
    assert not any("repeat it" in flag for flag in judgement.flags)
