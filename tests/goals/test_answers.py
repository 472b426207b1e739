"""Answers to triggered inputs counted by hand, and when they meet a goal."""

from math import isnan, log

import pytest
import torch
from scipy.stats import binomtest

from fedlens.analysis.intervals import wilson
from fedlens.goals.answers import BackdoorRecord, answered, parts_alone, tally
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.damage import Damage
from fedlens.goals.distributed import Distributed
from fedlens.goals.goal import Goal, Standing
from fedlens.goals.pixel_patch import PixelPatch
from fedlens.goals.trained_patch import TrainedPatch

NAN = float("nan")


def logs(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor([[NAN if isnan(value) else log(value) for value in row] for row in rows])


def test_an_answer_is_a_probability_and_a_hit() -> None:
    rows = logs((0.2, 0.7, 0.1), (0.6, 0.3, 0.1), (0.1, 0.8, 0.1), (NAN, NAN, NAN))
    answers = answered(rows, torch.tensor([1, 1, -1, 1]))
    torch.testing.assert_close(answers[0, [0, 1, 3]], torch.tensor([0.7, 0.3, 0]))
    assert answers[1].tolist() == [1, 0, 0, 0]
    torch.testing.assert_close(answered(rows, torch.zeros(4).long())[0], torch.tensor([0.2, 0.6, 0.1, 0]))


def test_samples_that_do_not_count_are_left_out_of_every_number() -> None:
    wanted = torch.tensor([1, -1, 1, 1, -1])
    whole = torch.tensor([[0.9, 1.0, 0.2, 0.4, 1.0], [1, 1, 0, 1, 1]])
    left, right = torch.tensor([[[0.0] * 5, [1, 1, 0, 0, 1]], [[0.0] * 5, [0, 1, 0, 0, 1]]])
    plain = logs((0.9, 0.1), (0.1, 0.9), (0.2, 0.8), (0.9, 0.1), (0.1, 0.9))
    found = tally(torch.stack([whole, left, right]), plain, wanted)
    assert found == BackdoorRecord(
        hits=2, count=3, probability=found.probability, untriggered=1, effect=found.effect, parts=[1, 0]
    )
    assert found.probability == pytest.approx(0.5)
    assert found.effect == pytest.approx(0.8)  # from 0.1 to 0.9, from 0.8 to 0.2, from 0.1 to 0.4
    assert found.rate == pytest.approx(2 / 3)


@pytest.mark.parametrize(("parts", "alone"), [(1, 0), (2, 2), (4, 4)])
def test_of_a_single_part_none_is_asked_about_alone(parts: int, alone: int) -> None:
    assert parts_alone(parts) == alone


@pytest.mark.parametrize(
    ("goal", "parts", "trains", "asks", "copies"),
    [
        (Goal(), 1, False, True, None),
        (Damage(), 1, False, False, None),
        (Backdoor(), 1, False, True, 30),  # a share of 0.3: 30 of 100, of which 70 are its own
        (Backdoor(trigger=PixelPatch(), share=0.95), 1, False, True, 1330),
        (Backdoor(trigger=Distributed(), share=0.01), 4, False, True, 1),  # 0.7
        (Backdoor(trigger=TrainedPatch(), share=0.001), 1, True, True, 1),  # 0.07
    ],
)
def test_what_a_goal_says_of_itself(goal: Goal, parts: int, trains: bool, asks: bool, copies: int | None) -> None:
    assert (goal.parts, goal.trains, goal.asks, goal.copies(70)) == (parts, trains, asks, copies)


def standing(hits: int, accuracy: float = 0.9) -> Standing:
    return Standing(accuracy, BackdoorRecord(hits=hits, count=10, probability=0.5, untriggered=0, effect=0.9))


@pytest.mark.parametrize(("hits", "twin", "met"), [(10, 0, True), (5, 0, True), (4, 0, False), (10, 6, False)])
def test_a_backdoor_has_to_succeed_on_half_of_the_inputs_more_than_the_twin(hits: int, twin: int, met: bool) -> None:
    assert Backdoor().met(standing(hits), standing(twin)) is met


@pytest.mark.parametrize(("accuracy", "met"), [(0.75, True), (0.875, False), (0.95, False)])
def test_damage_is_a_tenth_of_accuracy(accuracy: float, met: bool) -> None:
    assert Damage().met(Standing(accuracy, None), Standing(0.9, None)) is met


@pytest.mark.parametrize(
    ("attacked", "twin", "met"),
    [
        (Standing(None, None, 0.6), Standing(None, None, 0.5), True),  # 0.6 − 0.5 is rounded to less than 0.1
        (Standing(None, None, 0.599), Standing(None, None, 0.5), False),
        (Standing(None, None, 0.4), Standing(None, None, 0.5), False),
        (Standing(None, None, None), Standing(None, None, 0.5), True),  # it predicts nothing finite any more
        (Standing(None, None, 0.6), Standing(None, None, None), False),
        (Standing(None, None, 0.6), Standing(0.9, None, 0.5), True),
        (Standing(0.5, None, 0.6), Standing(None, None, 0.6), False),
    ],
)
def test_damage_to_a_regression_is_a_tenth_of_a_deviation(attacked: Standing, twin: Standing, met: bool) -> None:
    assert Damage().met(attacked, twin) is met


def test_nothing_is_wanted_where_the_class_is_minus_one() -> None:
    assert Damage().wanted(torch.tensor([0, 1, 2])).tolist() == [-1, -1, -1]
    assert Backdoor(target=1).wanted(torch.tensor([0, 1, 2])).tolist() == [1, -1, 1]
    assert Backdoor(target=1, source=2).wanted(torch.tensor([0, 1, 2])).tolist() == [-1, -1, 1]


def test_without_answers_a_backdoor_is_not_met() -> None:
    assert not Backdoor().met(Standing(0.9, None), standing(0))
    assert not Backdoor().met(standing(10), Standing(0.9, None))


@pytest.mark.parametrize("samples", [10, 360, 10_000])
def test_a_tenth_of_the_samples_is_a_tenth_however_it_is_rounded(samples: int) -> None:
    for right in range(samples // 10, samples + 1, max(samples // 97, 1)):
        twin = Standing(right / samples, None)
        assert Damage().met(Standing((right - samples // 10) / samples, None), twin)
        assert not Damage().met(Standing((right - samples // 10 + 1) / samples, None), twin)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (10, 10), (329, 329), (17, 60)])
def test_the_interval_of_a_rate_is_scipy_s(hits: int, count: int) -> None:
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((interval.low, interval.high), abs=1e-12)
