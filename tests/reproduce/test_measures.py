"""Every measure against a run whose numbers were worked out by hand."""

from typing import Any

import pytest
from scripted import ATTACKED, played, run_of

from fedlens.attacks.implicit import ImplicitBoosting
from fedlens.data.fashion_mnist import FashionMnist
from fedlens.experiment import Experiment
from fedlens.federation.local import LocalTraining
from fedlens.models.cnn import TinyCnn
from fedlens.reproduce import measures
from fedlens.reproduce.measures import MEASURES, Measured
from fedlens.runs.load import Run


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


def test_an_attacker_that_was_never_chosen_gives_no_number() -> None:
    run = run_of(played(1, attacker=False))
    for name in ("confidence_with", "confidence_without_excess", "malicious_deviation", "mean_malicious_accuracy"):
        assert MEASURES[name](run) is None
    assert MEASURES["confidence_without_excess"](run_of(played(1))) is None


def test_met_rounds() -> None:
    run = run_of(*(played(place, confidence=0.6 if place in {2, 5, 12} else 0.1) for place in range(1, 13)))
    assert MEASURES["met_rounds_of_ten"](run) == Measured(2, 0)


def test_accuracies() -> None:
    run = run_of(
        played(1, accuracy=0.5, malicious=0.2, twin_accuracy=0.9),
        played(2, accuracy=0.7, malicious=0.6, twin_accuracy=0.8),
        played(3, accuracy=0.8, malicious=0.4, twin_accuracy=0.85),
    )
    assert MEASURES["final_accuracy"](run) == Measured(0.8, 0.85)
    assert value("final_accuracy_excess", run) == pytest.approx(-0.05)
    assert value("best_control_accuracy", run) == 0.9
    assert MEASURES["first_malicious_accuracy"](run) == Measured(0.2, 0.9)
    assert value("mean_malicious_accuracy", run) == pytest.approx(0.4)
    assert value("highest_malicious_excess", run) == pytest.approx(-0.2)
    assert value("malicious_deviation", run) == pytest.approx(0.3)


def test_without_a_control_there_is_none() -> None:
    run = run_of(played(1, control=None))
    assert MEASURES["final_accuracy"](run) == Measured(0.8, None)
    assert MEASURES["final_confidence"](run) == Measured(0.5, None)
    assert MEASURES["final_accuracy_excess"](run) is None
    assert MEASURES["best_control_accuracy"](run) is None
    assert MEASURES["highest_malicious_excess"](run) is None


def test_steps_of_the_attack_and_of_a_benign_client() -> None:
    local = LocalTraining(epochs=2, batch_size=100)
    experiment = Experiment(
        data=FashionMnist(), model=TinyCnn(), clients=10, local=local, attack=ImplicitBoosting(client=2)
    )
    steps = [{"acted": True, "steps": 600}, {"acted": True, "steps": 1200}]
    run = run_of(*(played(place, attack=attack) for place, attack in enumerate(steps, 1)), experiment=experiment)
    assert value("step_ratio", run) == 900 / 120


def test_the_updates_statistics() -> None:
    def checked(round_: int, sparsity: list[float], spread: list[float], distance: list[float]) -> dict[str, Any]:
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


def test_distance_ranges() -> None:
    def checked(round_: int, own: list[float], others: list[float]) -> dict[str, Any]:
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


def test_whose_update_the_rule_took() -> None:
    chosen, other = {"shares": [0, 0, 1]}, {"shares": [1, 0, 0]}
    run = run_of(played(1, **chosen), played(2, **other), played(3, attacker=False, shares=[1, 0]), played(4, **chosen))
    assert MEASURES["chosen_rounds"](run) == Measured(2 / 3, 1 / 3)
    assert MEASURES["chosen_rounds"](run_of(played(1))) is None


@pytest.mark.parametrize("name", ["late_sparsity_excess", "late_spread_ratio", "wasserstein", "distance_gap"])
def test_a_run_without_checks_gives_no_number(name: str) -> None:
    assert MEASURES[name](run_of(*(played(place) for place in range(1, 7)))) is None


def test_rounds_in_which_it_behaved_do_not_count() -> None:
    waited = played(1, malicious=0.9, attack={"acted": False})
    assert value("mean_malicious_accuracy", run_of(waited, played(2, malicious=0.3))) == 0.3


def test_every_measure_is_public() -> None:
    for name, measure in MEASURES.items():
        assert getattr(measures, name) is measure
    assert ATTACKED.malicious == 2
