"""A team's placebo: all of its clients are absent, and what is wanted of the attacked model is asked of it as well."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.calling import called
from small import small

import fedlens
from fedlens.analysis.flags import flags
from fedlens.goals.target_samples import Target
from fedlens.report.terminal.tables import summary_lines
from fedlens.report.verdict import verdict
from fedlens.runs.record_values import counts

TEAM: dict[str, Any] = {"attackers": {"count": 2}, "clients": 7, "aggregation": "median", "control": True, "rounds": 2}


def played(path: Path, **changes: Any) -> fedlens.Run:
    experiment = small(target=Target(), **{"attack": "data-poisoning", "goal": "backdoor", **TEAM, **changes})
    return fedlens.run(experiment, path, engine="serial")


@pytest.fixture(scope="module")
def backdoor(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    folder = tmp_path_factory.mktemp("team")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEDLENS_CACHE", str(folder / "cache"))
        return played(folder / "run")


def test_it_is_the_federation_without_all_of_them(backdoor: fedlens.Run, tmp_path: Path) -> None:
    alone = fedlens.run(
        small(target=Target(), **TEAM | {"attackers": None, "attack": None, "absent": [5, 6]}),
        tmp_path / "alone",
        engine="serial",
    )
    assert {tuple(record.cohort) for record in alone.records} == {(0, 1, 2, 3, 4)}
    for record, without in zip(backdoor.records, alone.records, strict=True):
        assert record.placebo is not None
        assert record.placebo.quality == without.quality


@pytest.mark.parametrize("goal", ["backdoor", "damage"])
def test_the_goal_is_asked_of_it(backdoor: fedlens.Run, goal: str, tmp_path: Path) -> None:
    run = (
        backdoor
        if goal == "backdoor"
        else played(tmp_path / "run", goal=goal, attack={"name": "explicit-boosting", "boost": 2})
    )
    for record in run.records:
        assert record.placebo is not None
        assert record.twin is not None
        lost = record.twin.quality.accuracy - record.placebo.quality.accuracy
        if goal == "damage":
            assert record.placebo.goal_met is (lost >= 0.1)
        else:
            assert record.placebo.backdoor is not None
            assert record.twin.backdoor is not None
            assert record.placebo.goal_met is (record.placebo.backdoor.rate >= record.twin.backdoor.rate + 0.5)
        row = run.rounds.iloc[record.round - 1]
        assert row["placebo_success"] == record.placebo.goal_met
        assert row["placebo_accuracy_drop"] == lost
    (line,) = [values for name, *values in summary_lines(run) if name == "rounds in which the goal is met"]
    sides = [[record.placebo and record.placebo.goal_met for record in run.records]]
    sides.append([record.goal_met for record in run.records])
    assert line == ["", *(f"{sum(map(bool, met))} of 2" for met in sides)]


def test_what_their_absence_gives_as_well_does_not_count(backdoor: fedlens.Run) -> None:
    met = [replace(record, goal_met=True) for record in backdoor.records]
    both = [replace(record, placebo=record.placebo and replace(record.placebo, goal_met=True)) for record in met]
    assert counts(backdoor.experiment, met)
    assert not counts(backdoor.experiment, both)
    words = "the clients' absence does it, too: without clients 5, 6 the goal is met"
    assert words in flags(backdoor.experiment, both)
    assert words not in flags(backdoor.experiment, met)
    beside = replace(backdoor, records=both)
    assert verdict(beside).startswith("Attack failed, for the goal is met even without the malicious clients: ")


def test_a_comparison_says_that_several_are_absent(backdoor: fedlens.Run, capsys: pytest.CaptureFixture[str]) -> None:
    for metric in ("success", "accuracy_drop", "asr"):
        code, out, _ = called(capsys, "compare", str(backdoor.path), "--by", "attack", "--metric", metric)
        assert code == 0
        assert "clients" in out
        assert "client " not in out


def test_a_cohort_that_may_be_all_theirs_leaves_no_update() -> None:
    experiment = small(attack="honest", **TEAM | {"attackers": {"count": 4}, "fraction": 0.43, "clients": 7})
    assert list(experiment.controls) == ["control"]
    absent = experiment.without_attacker()
    assert (experiment.cohort_size, absent.fewest_updates, absent.updates_needed) == (3, 0, 1)
