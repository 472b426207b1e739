"""A model that was destroyed, though its numbers are finite, is no plain success: on records made by hand."""

from dataclasses import replace

import pytest
from helpers.recorded import ATTACKED, control, met

from fedlens.analysis.flags import common, flags
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment
from fedlens.models.evaluation import Quality
from fedlens.runs.record import RoundRecord

UNTARGETED = Experiment(clients=10, attack=ExplicitBoosting(client=4, objective="untargeted"))


def after(accuracy: float, classes: list[float | None], twin: float | None = 0.853) -> RoundRecord:
    quality = {"accuracy": accuracy, "per_class": classes}
    beside = None if twin is None else replace(control(0.1), quality=Quality(twin, 1.0, [twin] * len(classes)))
    return met(1, control(0.1), quality=quality, control=beside)


def words(record: RoundRecord, experiment: Experiment = ATTACKED) -> list[str]:
    return [flag for flag in flags(experiment, [record]) if flag.startswith("the model is useless")]


def test_a_model_that_always_says_the_same_is_useless() -> None:
    (found,) = words(after(0.086, [0.0] * 7 + [1.0, 0.0, 0.0]))
    assert found == (
        "the model is useless: accuracy 8.6 % against 85.3 % without attack, so that a met target says little"
    )
    (frequent,) = words(after(0.76, [1.0, 0.0], twin=0.84))  # as the census' frequent class is
    assert frequent.startswith(
        "the model is useless: accuracy 76.0 % against 84.0 % without attack, and 50.0 % averaged over the classes, "
        "where chance is 50.0 %"
    )
    (alone,) = words(after(0.1, [0.0] * 9 + [1.0], twin=None))
    assert alone.startswith("the model is useless: accuracy 10.0 %, and 10.0 % averaged over the classes")


@pytest.mark.parametrize(
    ("accuracy", "classes", "twin", "flagged"),
    [
        (0.42, [0.42] * 10, 0.853, True),  # less than half
        (0.43, [0.43] * 10, 0.853, False),
        (0.15, [0.15] * 10, 0.2, True),  # 1.5 times chance
        (0.16, [0.16] * 10, 0.2, False),
        (0.8, [0.99, 0.23], 0.85, False),  # most of the rare class lost, and yet better than chance
        (0.8, [0.9, 0.19], 0.85, True),
        (0.8, [0.8, None], 0.85, False),  # of one class nothing is known
        (0.8, [0.8, 0.8], None, False),
    ],
)
def test_where_a_model_begins_to_be_useless(
    accuracy: float, classes: list[float | None], twin: float | None, flagged: bool
) -> None:
    assert bool(words(after(accuracy, classes, twin))) == flagged


def test_an_untargeted_attack_wants_a_useless_model() -> None:
    assert not words(after(0.1, [0.1] * 10), UNTARGETED)


def test_useless_models_are_counted_together_whatever_their_numbers() -> None:
    runs = [words(after(accuracy, [accuracy] * 10)) for accuracy in (0.1, 0.3, 0.8)]
    assert common(runs) == ["the model is useless (2 of 3 runs)"]
