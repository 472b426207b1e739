"""Where attackers expect the mean update of others: by hand, and against a regression on the truth."""

from dataclasses import replace
from math import sqrt

import pytest
import torch
from attacker import ADDRESS, cloud
from teams import a_team
from torch import Tensor

from fedlens.attacks.estimation import Observation
from fedlens.attacks.others_mean import OthersMean, least_reliability, step_of_others
from fedlens.attacks.team import Team


def test_without_a_step_it_is_shrunk_by_its_reliability() -> None:
    centre = torch.tensor([2.0, 0.0])
    for step in (None, torch.zeros(2), torch.tensor([-1.0, 0]), torch.tensor([0, 1.0])):
        mean = OthersMean.of(centre, 0.75, step, 9)
        assert mean.expected.tolist() == [1.5, 0]
        assert mean.error == pytest.approx(sqrt(0.75 * 0.25) * 2)
        assert mean.rho == 0.75
    assert OthersMean.of(torch.zeros(2), 0.5, torch.ones(2), 9).error == 0


def test_with_a_step_by_hand() -> None:
    # ‖c‖² = 4, c·v = 2, ‖v‖² = 2; 4 a + 2 b = 3 and 2 a + 2 b = 2 give a = b = ½; 3 - ½ · 3 - ½ · 2 = ½.
    mean = OthersMean.of(torch.tensor([2.0, 0]), 0.75, torch.tensor([1.0, 1.0]), 9)
    assert mean.expected.tolist() == pytest.approx([1.5, 0.5])
    assert mean.error == pytest.approx(sqrt(0.5))
    longer = OthersMean.of(torch.tensor([2.0, 0]), 0.75, torch.tensor([10.0, 10.0]), 9)
    assert longer.expected.tolist() == pytest.approx([1.5, 0.5]), "the step's length is nothing"
    assert longer.error == pytest.approx(mean.error)


def test_a_reliability_that_the_step_refutes_is_raised() -> None:
    # One other client: (1 + x)² = 1 / cos². Nine: x² + 10 x + 9 = 9 / cos².
    assert least_reliability(0.64, 1) == pytest.approx(0.8)
    assert least_reliability(0.5, 9) == pytest.approx(1 / (sqrt(34) - 4))
    assert least_reliability(1.0, 9) == pytest.approx(1)
    # cos² = 16 / 20, so that one other gives √0.8.
    raised = OthersMean.of(torch.tensor([2.0, 0]), 0.5, torch.tensor([2.0, 1.0]), 1)
    assert raised.rho == pytest.approx(sqrt(0.8))
    assert raised.error > 0.1
    same = OthersMean.of(torch.tensor([2.0, 0]), 0.5, torch.tensor([1.0, 0]), 9)
    assert same.expected.tolist() == [2, 0]
    assert same.error == 0


def test_it_is_the_regression_of_the_truth() -> None:
    size = 20_000
    truth, own, theirs = (cloud(size, seed=seed).float() for seed in (1, 2, 3))
    centre, step = truth + 0.8 * own, 3 * (truth + 0.5 * theirs)
    mean = OthersMean.of(centre, 1 / 1.64, step, 9)
    measured = torch.stack([centre, step], dim=1)
    best = measured @ torch.linalg.lstsq(measured, truth[:, None]).solution[:, 0]
    assert float((mean.expected - best).norm() / best.norm()) < 0.03
    assert mean.error == pytest.approx(float((truth - best).norm()), rel=0.05)
    alone = OthersMean.of(centre, 1 / 1.64, None, 9)
    assert mean.error < 0.8 * alone.error


def after(*history: tuple[int, list[float]]) -> Team:
    """A team that has received (1, 3) after what each member sent in a round, (0, 1) being the model."""
    team = a_team([[0.0, 0.0]] * len(history), cohort=10)
    members = tuple(
        replace(member, history=(Observation(round_, 0.1, torch.tensor([0.0, 1.0]), torch.tensor(sent)),))
        for member, (round_, sent) in zip(team.members, history, strict=True)
    )
    return replace(team, received=torch.tensor([1.0, 3.0]), members=members, address=ADDRESS)


def rows(step: Tensor | None) -> list[float]:
    assert step is not None
    return step.tolist()


def test_the_step_is_that_of_others() -> None:
    assert step_of_others(a_team([[0.0, 0.0]])) is None, "it was in no round"
    assert rows(step_of_others(after((4, [2.0, 0.0])))) == pytest.approx([0.8, 2])
    assert rows(step_of_others(after((4, [2.0, 0.0]), (4, [0.0, 5.0])))) == pytest.approx([0.8, 1.5])
    assert rows(step_of_others(after((4, [2.0, 0.0]), (3, [0.0, 5.0])))) == pytest.approx([0.8, 2]), "only the last"


def test_what_the_server_cannot_have_taken_is_not_subtracted() -> None:
    assert rows(step_of_others(after((4, [-50.0, 0.0])))) == [1, 2]


def test_a_step_that_is_its_own_says_nothing_of_others() -> None:
    assert step_of_others(after((4, [1.0, 2.0]))) is None
    assert step_of_others(after((4, [0.0, 9.0]), (4, [1.0, 2.0]))) is None
