"""Every measure against a run whose numbers were worked out by hand."""

from dataclasses import replace
from math import log
from typing import Any

import pytest
from scripted import ATTACKED, played, run_of

from fedlens.analysis.run_results import Run
from fedlens.analysis.summary import summarise
from fedlens.attacks.implicit_boosting import ImplicitBoosting
from fedlens.data.fashion_mnist import FashionMnist
from fedlens.defences.accuracy_check import AccuracyCheck
from fedlens.experiment.experiment import Experiment
from fedlens.models.cnn import TinyCnn
from fedlens.runs.record import RoundRecord
from fedlens.runs.run_summary import Summary
from fedlens.studies.paper.measures import MEASURES, Measured
from fedlens.training.local import LocalTraining


def value(measure: str, run: Run) -> float:
    found = MEASURES[measure](run)
    assert found is not None
    return found.value


def test_confidence_early_late_and_in_between() -> None:
    confidences = [0.1, 0.5, 0.3, 0.9, 0.7]
    run = run_of(*(played(place, confidence=c, twin_confidence=c / 10) for place, c in enumerate(confidences, 1)))
    assert MEASURES["early_confidence"](run) == pytest.approx((0.5, 0.05))
    assert MEASURES["final_confidence"](run) == pytest.approx((0.7, 0.07))
    assert MEASURES["second_confidence"](run) == pytest.approx((0.4, 0.04))


def test_no_second_round() -> None:
    assert MEASURES["second_confidence"](run_of(played(1))) is None
    assert MEASURES["lasting_confidence"](run_of(played(1), played(2))) is None


def test_confidence_that_lasts() -> None:
    """The best of three rounds is the first's; from the third on, the least counts."""
    confidences = [0.95, 0.1, 0.8, 0.9, 0.4, 0.9]
    run = run_of(*(played(place, confidence=c, twin_confidence=c / 10) for place, c in enumerate(confidences, 1)))
    assert value("early_confidence", run) == 0.95
    assert MEASURES["lasting_confidence"](run) == pytest.approx((0.4, 0.04))


def test_rounds_with_and_without_the_attacker() -> None:
    run = run_of(
        played(1, confidence=0.0, attacker=False),  # before it was first chosen: says nothing of fading
        played(2, confidence=0.9),
        played(3, confidence=0.6, attacker=False),
        played(4, confidence=0.7),
        played(5, confidence=0.2, attacker=False),
    )
    assert value("confidence_with", run) == pytest.approx(0.8)
    assert value("confidence_without_excess", run) == pytest.approx(0.4 - 0.8)


@pytest.mark.parametrize(("present", "fades"), [(0.5, -0.3), (0.49, None)])
def test_what_was_never_there_cannot_fade(present: float, fades: float | None) -> None:
    found = MEASURES["confidence_without_excess"](
        run_of(played(1, confidence=present), played(2, confidence=0.2, attacker=False))
    )
    assert (found and found.value) == (fades and pytest.approx(fades))


def test_an_attacker_that_was_never_chosen_gives_no_number() -> None:
    run = run_of(played(1, attacker=False))
    for name in ("confidence_with", "confidence_without_excess", "malicious_deviation", "mean_malicious_accuracy"):
        assert MEASURES[name](run) is None
    assert MEASURES["confidence_without_excess"](run_of(played(1))) is None


@pytest.mark.parametrize(("met", "counted"), [({2, 5, 12}, 2), ({2, 10}, 2), ({2, 11}, 1), (set(range(1, 13)), 10)])
def test_met_rounds_are_those_of_the_first_ten(met: set[int], counted: int) -> None:
    run = run_of(*(played(place, confidence=0.6 if place in met else 0.1) for place in range(1, 13)))
    assert MEASURES["met_rounds_of_ten"](run) == Measured(counted, 0)


def test_accuracies() -> None:
    run = run_of(
        played(1, accuracy=0.5, malicious=0.2, twin_accuracy=0.9),
        played(2, accuracy=0.7, malicious=0.6, twin_accuracy=0.8),
        played(3, accuracy=0.8, malicious=0.4, twin_accuracy=0.85),
    )
    assert MEASURES["final_accuracy"](run) == Measured(0.8, 0.85)
    assert value("final_accuracy_excess", run) == pytest.approx(-0.05)
    assert value("best_accuracy", run) == 0.8
    assert MEASURES["first_malicious_accuracy"](run) == Measured(0.2, 0.9)
    assert value("mean_malicious_accuracy", run) == pytest.approx(0.4)
    assert value("highest_malicious_excess", run) == pytest.approx(-0.2)
    assert value("malicious_deviation", run) == pytest.approx(0.3)


def test_without_a_control_there_is_none() -> None:
    run = run_of(played(1, control=None))
    assert MEASURES["final_accuracy"](run) == Measured(0.8, None)
    assert MEASURES["final_confidence"](run) == Measured(0.5, None)
    assert MEASURES["final_accuracy_excess"](run) is None
    assert MEASURES["highest_malicious_excess"](run) is None


def test_steps_of_the_attack_and_of_a_benign_client() -> None:
    local = LocalTraining(epochs=2, batch_size=100)
    experiment = Experiment(
        data=FashionMnist(), model=TinyCnn(), clients=10, local=local, attack=ImplicitBoosting(client=2)
    )
    steps = [{"acted": True, "steps": 600}, {"acted": True, "steps": 1200}]
    run = run_of(*(played(place, attack=attack) for place, attack in enumerate(steps, 1)), experiment=experiment)
    assert value("step_ratio", run) == 900 / 120
    assert value("attack_steps", run) == 900
    apart = experiment.model_copy(update={"validation": 10_000})  # leaves each client 5,000 samples, 50 batches
    assert value("step_ratio", run_of(*run.records, experiment=apart)) == 900 / 100


def test_the_updates_statistics() -> None:
    def checked(round_: int, sparsity: list[float], spread: list[float], distance: list[float]) -> RoundRecord:
        found = {"sparsity": sparsity, "spread": spread, "wasserstein": distance}
        return played(round_, checks={"statistics": found})

    run = run_of(
        checked(4, [0.9, 0.9, 0.0], [9.0, 9.0, 9.0], [1.0, 3.0, 10.0]),
        checked(5, [0.1, 0.3, 0.5], [2.0, 4.0, 1.5], [1.0, 1.0, 4.0]),
        checked(6, [0.1, 0.3, 0.6], [2.0, 2.0, 1.0], [2.0, 4.0, 1.0]),
    )
    assert value("late_sparsity_excess", run) == pytest.approx((0.3 + 0.4) / 2)
    assert value("late_spread_ratio", run) == pytest.approx((0.5 + 0.5) / 2)
    assert MEASURES["wasserstein"](run) == Measured(5.0, 2.0)


def test_shape_is_what_is_left_of_a_histogram_but_for_its_scale() -> None:
    def checked(round_: int, norm: list[float], spread: list[float]) -> RoundRecord:
        return played(round_, checks={"statistics": {"norm": norm, "spread": spread}})

    scaled = checked(1, [1.0, 1.0, 8.0], [2.0, 2.0, 16.0])
    assert MEASURES["shape_ratio"](run_of(scaled)) == Measured(1.0, 1.0)
    assert MEASURES["spread_ratio"](run_of(scaled)) == Measured(8.0, 1.0)
    peaked = checked(2, [1.0, 3.0, 1.0], [2.0, 2.0, 4.0])  # benign: 2 by 2
    assert value("shape_ratio", run_of(scaled, peaked)) == pytest.approx((1 + 0.25) / 2)
    assert value("spread_ratio", run_of(scaled, peaked)) == pytest.approx((8 + 2) / 2)


def reached(round_: int | None) -> Summary:
    summary = summarise(ATTACKED, [played(1)], None, ["high", "low"])
    return replace(summary, would_stop_at=round_)


def test_the_round_that_reaches_the_papers_stopping_rule() -> None:
    run = replace(run_of(played(1)), summary=reached(7))
    assert value("stop_round", run) == 7
    assert MEASURES["stop_round"](replace(run, summary=reached(None))) is None


def test_distance_ranges() -> None:
    def checked(round_: int, own: list[float], others: list[float]) -> RoundRecord:
        check = {"range": [[], [], own], "others": [[], [], others]}
        return played(round_, checks={"distances": check})

    run = run_of(
        checked(1, [5.0, 6.0], [1.0, 2.0]),  # 3 above
        checked(2, [1.0, 2.0], [4.0, 6.0]),  # 2 below
        checked(3, [1.0, 5.0], [3.0, 9.0]),  # overlapping by 2
        checked(4, [2.0, 5.0], [1.0, 2.0]),  # touching
    )
    assert value("distance_gap", run) == pytest.approx((3 + 2 - 2 + 0) / 4)
    assert value("overlapping_rounds", run) == 0.5
    assert value("log_benign_distance", run) == pytest.approx((log(1.5) + log(5) + log(6) + log(1.5)) / 4)
    # its middles are 5.5, 1.5, 3, 3.5; the slope of the line is (-1.5 · 5.5 - 0.5 · 1.5 + 0.5 · 3 + 1.5 · 3.5) / 5
    assert value("distance_slope", run) == pytest.approx(-2.25 / 5 / 3.375)
    assert MEASURES["distance_slope"](run_of(run.records[0])) is None


def test_how_often_checks_flag_the_attacker_and_others() -> None:
    def checked(round_: int, flagged: list[bool], **more: Any) -> RoundRecord:
        scores = [0.0] * len(flagged)
        return played(round_, checks={"accuracy": {"scores": scores, "flagged": flagged}}, **more)

    run = run_of(
        checked(1, [False, True, True]),
        checked(2, [False, False, True]),
        checked(3, [False, False, False]),
        checked(4, [True, False, True], attack={"acted": False}),  # it behaved: what is flagged is a false alarm
        checked(5, [False, False], attacker=False),
        experiment=ATTACKED.model_copy(update={"checks": (AccuracyCheck(),)}),
    )
    assert MEASURES["accuracy_flagged_rounds"](run) == pytest.approx((2 / 3, 3 / 11))
    assert value("accuracy_false_alarms", run) == pytest.approx(3 / 11)
    assert MEASURES["distances_flagged_rounds"](run) is None
    assert MEASURES["distances_false_alarms"](run) is None


def test_what_counts_where_the_rule_took_its_update_alone() -> None:
    chosen, other = {"shares": [0, 0, 1]}, {"shares": [1, 0, 0]}
    run = run_of(
        played(1, confidence=0.9, accuracy=0.8, twin_accuracy=0.9, twin_confidence=0.2, **chosen),
        played(2, confidence=0.1, accuracy=0.1, **other),
        played(3, confidence=0.7, accuracy=0.7, twin_accuracy=0.9, twin_confidence=0.4, **chosen),
    )
    assert MEASURES["chosen_confidence"](run) == pytest.approx((0.8, 0.3))
    assert value("chosen_accuracy_excess", run) == pytest.approx(-0.15)
    never = run_of(played(1, **other))
    assert MEASURES["chosen_confidence"](never) is MEASURES["chosen_accuracy_excess"](never) is None


def test_whose_update_the_rule_took() -> None:
    chosen, other = {"shares": [0, 0, 1]}, {"shares": [1, 0, 0]}
    run = run_of(played(1, **chosen), played(2, **other), played(3, attacker=False, shares=[1, 0]), played(4, **chosen))
    assert MEASURES["chosen_rounds"](run) == Measured(2 / 3, 1 / 3)
    assert MEASURES["chosen_rounds"](run_of(played(1))) is None


@pytest.mark.parametrize(
    "name",
    ["late_sparsity_excess", "late_spread_ratio", "wasserstein", "distance_gap", "shape_ratio", "log_benign_distance"],
)
def test_a_run_without_checks_gives_no_number(name: str) -> None:
    assert MEASURES[name](run_of(*(played(place) for place in range(1, 7)))) is None


def test_rounds_in_which_it_behaved_do_not_count() -> None:
    waited = played(1, malicious=0.9, attack={"acted": False})
    assert value("mean_malicious_accuracy", run_of(waited, played(2, malicious=0.3))) == 0.3
