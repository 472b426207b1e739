"""Verdicts of runs whose numbers are given."""

from pathlib import Path

import pytest
from scripted import played, run_of

from fedlens.config import validate
from fedlens.reproduce import judging
from fedlens.reproduce.case import Case
from fedlens.reproduce.claims import Claim
from fedlens.reproduce.evidence import Evidence
from fedlens.reproduce.judging import Judgement, judge
from fedlens.reproduce.rows import red_flags, within
from fedlens.runs.load import Run


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


def test_the_median_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    high, low = {"at_least": 0.7}, {"at_least": 0.71}
    judgement = judged(monkeypatch, evidence(a=CASES), high)
    assert judgement.verdict == "holds"
    assert judgement.findings[0].median == 0.7
    assert judgement.findings[0].holding == 3
    assert judgement.findings[0].control == 0.1
    assert judgement.cases == {Case(*case) for case in CASES}
    assert judged(monkeypatch, evidence(a=CASES), low).verdict == "does not hold"
    assert judged(monkeypatch, evidence(a=CASES), high, low).verdict == "holds in part"


def test_the_interval_is_around_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = judged(monkeypatch, evidence(a=CASES), {}).findings
    interval = finding.interval
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    assert 0.2 <= interval.low <= interval.value == 0.7 <= interval.high <= 0.9


def test_two_panels_are_compared_within_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(a={(0, 0): 0.5, (1, 0): 0.9, (2, 0): 0.1}, b={(1, 0): 0.2, (0, 0): 0.4})
    (finding,) = judged(monkeypatch, found, {"of": ["a", "b"], "above": 0}).findings
    assert finding.values == {Case(0, 0): pytest.approx(0.1), Case(1, 0): pytest.approx(0.7)}
    assert not finding.controls


def test_runs_with_different_targets_are_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(a={(0, 0): 0.5, (1, 0): 0.9}, b={(0, 0): 0.4, (1, 0): 0.2})
    found.runs["b"][Case(1, 0)].target["index"] = [8]
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
    assert judgement.findings[0].median is judgement.findings[0].interval is judgement.findings[0].holds is None


def test_a_part_of_another_scale_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"above": 0, "only": "paper"}
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
    assert Evidence(Path(), "quick", {"a": {Case(0, 0): run}, "b": {Case(0, 0): run}}).every == [run]
    assert run.path == Path("scripted-0-0")


def test_the_runs_red_flags_with_how_many_they_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {Case(0, 0): run_of(played(1, control=None)), Case(1, 0): run_of(played(1), seed=1)}
    judgement = judged(monkeypatch, Evidence(Path(), "quick", {"a": runs, "b": runs}), {"above": 0}, {"of": ["a", "b"]})
    assert [flag for flag in judgement.flags if flag.startswith("no control")] == [
        "no control: nobody knows whether the clean model gets the target right (1 of 2 runs)"
    ]
    assert not any("repeat it" in flag for flag in judgement.flags)
