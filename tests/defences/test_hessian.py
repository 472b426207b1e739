import numpy as np
import pytest
import torch
from helpers.received import normal

from fedlens.defences.hessian import hessian_times


def test_one_pair_by_hand() -> None:
    """A step of 2 changed the gradient by 6: at 5 it is 15."""
    assert hessian_times(torch.tensor([[2.0]]), torch.tensor([[6.0]]), torch.tensor([5.0])).tolist() == [15]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_last_pair_is_met(count: int) -> None:
    matrix = normal(0, 6, 6)
    matrix = matrix @ matrix.T + torch.eye(6).double()
    steps = normal(1, count, 6)
    changes = steps @ matrix
    torch.testing.assert_close(hessian_times(steps, changes, steps[-1]), changes[-1], rtol=0, atol=1e-9)
    torch.testing.assert_close(hessian_times(steps, -changes, steps[-1]), -changes[-1], rtol=0, atol=1e-9)


def test_it_is_the_update_formula_step_by_step() -> None:
    """B grows by a BFGS update for each pair, from σ I with the last pair's σ."""
    matrix = normal(3, 5, 5)
    matrix = matrix @ matrix.T + torch.eye(5).double()
    steps, vector = normal(4, 3, 5), normal(5, 5)
    changes = steps @ matrix
    s, y = steps.numpy(), changes.numpy()
    expected = (y[-1] @ s[-1]) / (s[-1] @ s[-1]) * np.eye(5)
    for step, change in zip(s, y, strict=True):
        moved = expected @ step
        expected = expected - np.outer(moved, moved) / (step @ moved) + np.outer(change, change) / (change @ step)
    np.testing.assert_allclose(hessian_times(steps, changes, vector).numpy(), expected @ vector.numpy(), rtol=1e-8)


def test_wide_vectors_are_multiplied_in_blocks() -> None:
    steps, vector = normal(6, 2, 40_000), normal(7, 40_000)
    torch.testing.assert_close(hessian_times(steps, 3 * steps, vector), 3 * vector)  # of 3 I


def test_where_there_is_nothing_to_go_by_it_is_zero() -> None:
    one = torch.ones(1, 2).double()
    for steps, changes in ((one[:0], one[:0]), (0 * one, one), (1e300 * one, one)):
        assert hessian_times(steps, changes, one[0]).tolist() == [0, 0]
    twice = torch.tensor([[1.0, 2], [1, 2]]).double()  # a singular matrix
    torch.testing.assert_close(hessian_times(twice, 2 * twice, twice[0]), 2 * twice[0])
