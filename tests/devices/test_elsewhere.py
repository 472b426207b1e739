"""The pretended device itself: what is there stays there, and what a GPU would refuse is refused."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers.elsewhere import AWAY, HERE, THERE, Pretended
from torch import Tensor, nn
from torch.nn import functional

LINE = torch.tensor([1.0, 2.0, 4.0])


@pytest.fixture(autouse=True)
def pretended() -> Iterator[Pretended]:
    with Pretended() as pretended:
        yield pretended


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(3, device=AWAY),
        lambda: torch.tensor([1.0], device="privateuseone"),
        lambda: torch.as_tensor(LINE, device=THERE),
        lambda: LINE.to(AWAY),
        lambda: LINE.to(AWAY, torch.float64),
        lambda: LINE.to(device=AWAY),
        lambda: LINE.double().to(LINE.to(AWAY)),
        lambda: LINE.to(AWAY)[1:],
        lambda: LINE.to(AWAY).new_zeros(2),
        lambda: torch.ones_like(LINE.to(AWAY)),
        lambda: 1 + LINE.to(AWAY) * torch.tensor(2.0),
        lambda: torch.cat([LINE.to(AWAY), LINE.to(AWAY)]),
        lambda: functional.softmax(LINE.to(AWAY), dim=0),
        lambda: nn.Parameter(LINE.to(AWAY)).detach(),
        lambda: deepcopy(LINE.to(AWAY)),
        lambda: nn.Linear(3, 2).to(AWAY)(LINE.to(AWAY)),
        lambda: torch.func.vmap(torch.func.grad(lambda row: row.square().sum()))(torch.eye(3).to(AWAY)),
    ],
)
def test_what_is_made_of_what_is_there_is_there(make: Callable[[], Tensor]) -> None:
    assert make().device == THERE


def test_what_is_made_without_a_device_is_here(pretended: Pretended) -> None:
    for made in (torch.zeros(3), LINE.clone(), LINE.to(AWAY).cpu(), LINE.to(AWAY).to("cpu"), LINE.to(AWAY).to(LINE)):
        assert made.device == HERE
        assert not pretended.has(made)
    assert LINE.to(AWAY).cpu().tolist() == [1, 2, 4]


def test_gradients_are_where_the_parameters_are() -> None:
    layer = nn.Linear(3, 1).to(AWAY)
    layer(LINE.to(AWAY)).sum().backward()
    assert layer.weight.grad.device == THERE
    assert layer.weight.grad.tolist() == [[1, 2, 4]]


@pytest.mark.parametrize(
    "mix",
    [
        lambda there: there + LINE,
        lambda there: LINE + there,
        lambda there: LINE.add_(there[0]),
        lambda there: torch.cat([there, LINE]),
        lambda there: torch.stack([there[0], torch.tensor(1.0)]),
        lambda there: torch.where(there > 0, LINE, there),
        lambda there: there.index_select(0, torch.tensor([0])),
        lambda there: functional.linear(there, LINE[None]),
        lambda there: there.__setitem__(slice(0, 3), LINE),
        lambda there: LINE[None] @ there,
        lambda there: torch.equal(there, LINE),
        nn.Linear(3, 1),
    ],
)
def test_what_is_here_does_not_mix_with_it(mix: Callable[[Tensor], object]) -> None:
    with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
        mix(LINE.to(AWAY))


def test_numbers_and_indices_may_be_here_and_copies_go_over() -> None:
    there = LINE.to(AWAY)
    assert (there[torch.tensor([2, 0])] * torch.tensor(3.0)).tolist() == [12, 3]
    there[torch.tensor([0])] = 7.0
    assert torch.zeros(3).copy_(there).tolist() == [7, 2, 4]
    assert float(there[0]) == 7


@pytest.mark.parametrize("read", [Tensor.numpy, np.asarray])
def test_numpy_cannot_read_what_is_there(read: Callable[[Tensor], object]) -> None:
    with pytest.raises(TypeError, match=r"use Tensor.cpu\(\) first"):
        read(LINE.to(AWAY))
    assert np.array_equal(read(LINE), [1, 2, 4])
