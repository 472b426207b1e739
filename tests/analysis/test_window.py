"""The window of an attack, and the life of its backdoor, in records made by hand."""

from dataclasses import replace

import pytest
from helpers.recorded import ATTACKED, control, record

from fedlens.analysis.window import attack_window, lifespan, lifespans, split, strengths
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment
from fedlens.goals.success import Success
from fedlens.runs.run_summary import Lifespan, Window

SIX = [record(number, [1, 4, 5]) for number in range(1, 7)]


def windowed(**window: int) -> Experiment:
    return Experiment(attack=ExplicitBoosting(client=4, **window))


@pytest.mark.parametrize(
    ("window", "played"),
    [
        ({}, (1, 6)),
        ({"delay": 1}, (1, 6)),
        ({"delay": 3}, (3, 6)),
        ({"until": 5}, (1, 4)),
        ({"delay": 2, "until": 4}, (2, 3)),
        ({"delay": 5, "until": 6}, (5, 5)),
        ({"delay": 4, "until": 7}, (4, 6)),
        ({"delay": 4, "until": 20}, (4, 6)),
        ({"delay": 6}, (6, 6)),
    ],
)
def test_the_window_as_played(window: dict[str, int], played: tuple[int, int]) -> None:
    first, last = played
    found = attack_window(windowed(**window), SIX)
    assert found == Window(first, last)
    inside, after = split(SIX, found)
    assert [part.round for part in inside] == list(range(first, last + 1))
    assert [part.round for part in after] == list(range(last + 1, 7))


def test_a_window_is_there_in_rounds_that_the_malicious_client_misses() -> None:
    assert attack_window(ATTACKED, [record(1, [1, 2, 3]), record(2, [1, 4, 5])]) == Window(1, 2)


@pytest.mark.parametrize("experiment", [Experiment(), windowed(delay=7)])
def test_without_a_window_all_rounds_count(experiment: Experiment) -> None:
    assert attack_window(experiment, SIX) is None
    assert split(SIX, None) == (SIX, [])


def targets(*confidences: float) -> list[Success]:
    return [target(value) for value in confidences]


def target(*confidences: float) -> Success:
    return record(1, [1, 4, 5], target={"confidence": list(confidences)}).outcome


@pytest.mark.parametrize(
    ("inside", "after", "rounds", "area"),
    [
        ((0.2, 0.9), (0.75, 0.5, 0.25, 0.125), 3, 1.625),
        ((0.9,), (0.25, 0.75), 1, 1.0),
        ((0.9, 0.49), (0.75, 0.25), 0, 1.0),
        ((0.9,), (0.75, 0.5), None, 1.25),
    ],
)
def test_a_backdoor_lives_until_its_confidence_is_below_a_half(
    inside: tuple[float, ...], after: tuple[float, ...], rounds: int | None, area: float
) -> None:
    expected = Lifespan(rounds=rounds, censored=rounds is None, area=area, observed=len(after))
    assert lifespan(inside, after) == expected


def test_the_mean_over_the_samples_decides() -> None:
    after = [replace(SIX[1], target=target(1.0, 0.25)), replace(SIX[2], target=target(0.5, 0.25))]
    found = lifespan([0.9], strengths(after))
    assert found == Lifespan(rounds=2, censored=False, area=1.0, observed=2)


def test_no_lifespan_where_the_window_ends_with_the_run() -> None:
    assert lifespan([0.9], []) is None


def test_the_life_of_a_backdoor_as_columns() -> None:
    values, twin = (0.1, 0.9, 0.75, 0.25), (0.0, 0.75, 0.5, 0.5)
    records = [
        record(number, [1, 4, 5], value, control=control(beside))
        for number, (value, beside) in enumerate(zip(values, twin, strict=True), 1)
    ]
    experiment = windowed(delay=2, until=3)
    assert lifespans(experiment, records) == {
        "lifespan": 2,
        "lifespan_area": 1.0,
        "control_lifespan": 2,  # it is still there at the end
        "control_lifespan_area": 1.0,
    }
    assert lifespans(experiment, [replace(found, twin=None) for found in records]).keys() == {
        "lifespan",
        "lifespan_area",
    }
    assert lifespans(experiment, records[:2]) == lifespans(ATTACKED, records) == {}
    absent = lifespans(experiment, [replace(found, placebo=control(0.25)) for found in records])
    assert (absent["placebo_lifespan"], absent["placebo_lifespan_area"]) == (0, 0.5)
