"""Summaries of records made by hand."""

from dataclasses import replace

import pytest
from helpers.recorded import ATTACKED, control, met, record

from fedlens.analysis.summary import summarise
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord
from fedlens.runs.run_summary import (
    ClassLoss,
    Confidences,
    FirstAndLast,
    Lifespan,
    Participation,
    Summary,
    TargetSummary,
    Window,
)

CLASSES = ["cat", "dog"]


def summary(records: list[RoundRecord], experiment: Experiment = ATTACKED) -> Summary:
    return summarise(experiment, records, None, CLASSES)


def windowed(delay: int, until: int | None) -> Experiment:
    return Experiment(clients=10, fraction=0.3, attack=ExplicitBoosting(client=4, delay=delay, until=until))


def test_confidence_with_and_without_the_malicious_client() -> None:
    records = [record(1, [1, 4, 5], 0.9), record(2, [1, 2, 3], 0.3), record(3, [0, 4, 6], 0.7)]
    assert summary(records).participation == Participation(pytest.approx(0.8), 0.3)
    never_before = [record(1, [1, 2, 3], 0.0), *records]  # rounds before it was chosen say nothing of fading
    assert summary(never_before).participation == Participation(pytest.approx(0.8), 0.3)
    assert summary(records[::2]).participation is None
    assert summary(records[1:2]).participation is None


def test_the_malicious_model_counts_where_it_attacked() -> None:
    accuracies = {True: 0.1, False: 0.8}
    records = [
        record(number, [1, 4, 5], malicious={"accuracy": accuracies[acted]}, attack={"acted": acted})
        for number, acted in enumerate([False, True, False], 1)
    ]
    assert summary(records).malicious_accuracy == FirstAndLast(0.1, 0.1)
    assert summary(records[:1]).malicious_accuracy is None


def five_rounds() -> list[RoundRecord]:
    """Rounds 2 to 4 are those of the attack, and the malicious client misses the third."""
    cohorts = ([1, 4, 5], [1, 4, 5], [1, 2, 3], [0, 4, 6], [0, 4, 6])
    values, twin = (0.99, 0.5, 1.0, 0.75, 0.25), (0.5, 0.125, 0.25, 0.375, 0.625)
    return [
        record(
            number,
            cohort,
            control=control(beside),
            malicious={"accuracy": number / 10},
            quality={"accuracy": number / 10},
            target={"confidence": [value], "success": number in {1, 3, 5}, "predicted": [number - 1]},
        )
        for number, (cohort, value, beside) in enumerate(zip(cohorts, values, twin, strict=True), 1)
    ]


def test_the_target_is_judged_over_the_window() -> None:
    found = summary(five_rounds(), windowed(2, 5))
    assert found.window == Window(2, 4)
    assert found.target == TargetSummary(
        confidence=Confidences(last=0.75, best=1.0, mean=0.75),
        true_confidence=0.25,
        predicted=[3],
        success=False,
        counts=False,
        successful_rounds=1,
        final_confidence=0.25,
    )
    assert found.participation == Participation(present=0.625, absent=1.0)
    assert found.lifespan == Lifespan(rounds=1, censored=False, area=0.25, observed=1)
    assert found.malicious_accuracy == FirstAndLast(0.2, 0.4)
    assert found.defence is not None
    assert found.defence.rounds == 2
    assert (found.accuracy, found.window_accuracy) == (0.5, 0.4)


def test_the_control_is_judged_over_the_same_window() -> None:
    found = summary(five_rounds(), windowed(2, 5)).twin
    assert found.target.confidence == Confidences(0.375, 0.375, 0.25)
    assert found.target.final_confidence == 0.625
    assert found.lifespan == Lifespan(0, False, 0.625, 1)
    assert found.window_accuracy == 0.9


def test_the_placebo_is_judged_over_the_same_window() -> None:
    values = (0.5, 0.125, 0.75, 0.25, 0.625)
    records = [replace(round_, placebo=control(value)) for round_, value in zip(five_rounds(), values, strict=True)]
    found = summary(records, windowed(2, 5)).placebo
    assert found.target.confidence == Confidences(0.25, 0.75, 0.375)
    assert found.target.final_confidence == 0.625
    assert found.lifespan == Lifespan(0, False, 0.625, 1)
    assert (found.accuracy, found.window_accuracy) == (0.9, 0.9)


def test_a_success_counts_by_the_last_round_of_the_window() -> None:
    does, does_not = control(0.7, success=True), control(0.2)
    assert summary([met(1, does), met(2, does_not)]).target.counts
    found = summary([met(1, does_not), met(2, does), met(3, does_not)], windowed(0, 3)).target
    assert (found.success, found.counts, found.successful_rounds) == (True, False, 2)
    untaken = [met(number, does_not, shares=[0.5, 0, 0.5]) for number in (1, 2)]
    assert not summary(untaken).target.counts
    assert summary([met(1, does_not), untaken[1]]).target.counts
    assert not summary([*untaken, met(3, does_not)], windowed(0, 2)).target.counts  # judged before it was taken


def test_a_placebo_of_some_rounds_only_has_no_figures() -> None:
    assert summary([record(1, [1, 4, 5])]).placebo is None
    begun_before = [record(1, [1, 4, 5], control=control(0.1)), met(2, control(0.7, success=True))]
    found = summary(begun_before)
    assert found.placebo is None
    assert not found.target.counts


def test_a_window_to_the_end_leaves_nothing_after_it() -> None:
    found = summary(five_rounds(), windowed(4, None))
    assert found.window == Window(4, 5)
    assert found.target.confidence == Confidences(0.25, 0.75, 0.5)
    assert found.target.final_confidence == 0.25
    assert found.lifespan is None
    assert found.twin.lifespan is None


def test_a_window_that_was_not_reached_leaves_the_whole_run() -> None:
    found = summary(five_rounds(), windowed(6, None))
    assert found.window is None
    assert found.target.confidence == Confidences(0.25, 1.0, pytest.approx(3.49 / 5))
    assert found.lifespan is None


def hardest_hit(ours: list[float | None], twin: tuple[float | None, ...]) -> ClassLoss | None:
    quality = {"accuracy": 0.8, "per_class": ours}
    return summary([record(1, [1, 4, 5], quality=quality, control=control(0.1, 0.9, twin))]).hardest_hit


def test_the_class_that_lost_most_against_the_control() -> None:
    assert hardest_hit([0.75, 0.25], (0.875, 0.5)) == ClassLoss("dog", -25)
    assert hardest_hit([0.75, 0.5], (0.875, 0.25)) == ClassLoss("cat", -12.5)
    assert hardest_hit([None, 0.25], (None, 0.5)) == ClassLoss("dog", -25)
    assert hardest_hit([0.75, 0.5], (0.75, 0.25)) is None
    assert summary([record(1, [1, 4, 5])]).hardest_hit is None
