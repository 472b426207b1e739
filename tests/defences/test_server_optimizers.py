"""FedAvgM and FedAdam, by hand and beside PyTorch's SGD and Adam."""

from math import sqrt

import pytest
import torch
from helpers.received import column, equal, normal
from helpers.staged import effective, one, server, staged
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences.fedadam import FedAdam
from fedlens.defences.fedavgm import FedAvgM
from fedlens.defences.stage import Stage, State, Updates

seeds = st.integers(0, 2**32)


def steps(stage: Stage, aggregates: Tensor) -> list[Tensor]:
    """The steps of one round after the other."""
    state, found = None, []
    for aggregate in aggregates:
        updates, state, _ = staged(stage, aggregate[None], state=state)
        found.append(one(updates))
    return found


def test_momentum_by_hand() -> None:
    """1, then .5 + 1, then .75 + 0, each times 2."""
    found = steps(FedAvgM(learning_rate=2, momentum=0.5), column(1, 1, 0))
    assert [float(step) for step in found] == [2, 3, 1.5]


def test_without_momentum_it_is_federated_averaging() -> None:
    aggregates = normal(0, 3, 5)
    assert torch.equal(torch.stack(steps(FedAvgM(momentum=0), aggregates)), aggregates)


@given(seed=seeds, rate=st.floats(0.01, 2), momentum=st.floats(0, 0.99))
def test_momentum_is_that_of_pytorchs_sgd(seed: int, rate: float, momentum: float) -> None:
    weights = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.SGD([weights], lr=rate, momentum=momentum)
    aggregates, place = normal(seed, 6, 5), torch.zeros(5, dtype=torch.float64)
    for step, aggregate in zip(
        steps(FedAvgM(learning_rate=rate, momentum=momentum), aggregates), aggregates, strict=True
    ):
        weights.grad = -aggregate
        theirs.step()
        place = place + step
        torch.testing.assert_close(place, weights.detach())


def test_adam_by_hand() -> None:
    """m = .2, v = .75·1 + .25·4 = 1.75; then m = .9·.2 - .1, v = .75·1.75 + .25·1."""
    adam = FedAdam(learning_rate=0.5, beta1=0.9, beta2=0.75, tau=1)
    first, second = steps(adam, column(2, -1))
    assert float(first) == pytest.approx(0.5 * 0.2 / (sqrt(1.75) + 1))
    assert float(second) == pytest.approx(0.5 * 0.08 / (sqrt(1.5625) + 1))
    assert float(second) == pytest.approx(0.5 * 0.08 / 2.25)


@given(seed=seeds, beta1=st.floats(0, 0.99), beta2=st.floats(0.01, 0.999), tau=st.floats(1e-4, 1))
def test_adam_is_pytorchs_without_its_corrections(seed: int, beta1: float, beta2: float, tau: float) -> None:
    """PyTorch divides m by 1 - β₁ᵗ and v by 1 - β₂ᵗ: a learning rate and an ε for each round take that back."""
    weights = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([weights], betas=(beta1, beta2))
    theirs.state[weights] = {
        "step": torch.tensor(0.0),
        "exp_avg": torch.zeros(5, dtype=torch.float64),
        "exp_avg_sq": torch.full((5,), tau**2, dtype=torch.float64),
    }
    adam = FedAdam(learning_rate=0.1, beta1=beta1, beta2=beta2, tau=tau)
    aggregates, place = normal(seed, 5, 5), torch.zeros(5, dtype=torch.float64)
    for number, (step, aggregate) in enumerate(zip(steps(adam, aggregates), aggregates, strict=True), 1):
        scale = sqrt(1 - beta2**number)
        theirs.param_groups[0].update(lr=0.1 * (1 - beta1**number) / scale, eps=tau / scale)
        weights.grad = -aggregate
        theirs.step()
        place = place + step
        torch.testing.assert_close(place, weights.detach(), rtol=1e-6, atol=1e-7)  # τ is kept in float32 at first


@pytest.mark.parametrize("stage", [FedAvgM(), FedAdam()], ids=["fedavgm", "fedadam"])
@given(seed=seeds, factor=st.floats(0.1, 3))
def test_a_step_is_as_odd_as_the_aggregate(stage: Stage, seed: int, factor: float) -> None:
    aggregates = normal(seed, 3, 5)
    for step, mirrored in zip(steps(stage, aggregates), steps(stage, -aggregates), strict=True):
        assert torch.equal(mirrored, -step)
    if isinstance(stage, FedAvgM):
        for step, scaled in zip(steps(stage, aggregates), steps(stage, factor * aggregates), strict=True):
            torch.testing.assert_close(scaled, factor * step)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_survives_what_has_no_square(dtype: torch.dtype) -> None:
    """One entry is huge once: it moves by no more than the others could, and goes on moving."""
    aggregates = torch.full((2, 3), 0.1, dtype=dtype)
    aggregates[0, 1] = 3e38
    first, second = steps(FedAdam(), aggregates)
    assert float(first.abs().max()) == pytest.approx(0.01 * 0.1 / sqrt(0.01), rel=1e-3)
    assert bool(second.isfinite().all())
    assert float(second[1]) > 0


def test_momentum_shows_the_weight_of_this_rounds_updates_alone() -> None:
    """Shares .25 and .75 of the aggregate, times the learning rate; what is left comes from before."""
    rows, rate = column(4, 8), 0.5
    aggregate = Updates.received(rows, equal(2)).single(column(7)[0], torch.tensor([0.25, 0.75]))
    before = State({"velocity": torch.tensor([10.0])})
    stepped, _, _ = FedAvgM(learning_rate=rate).apply(aggregate, server(2, 1), before)
    assert effective(stepped).tolist() == [0.125, 0.375]
    assert float(one(stepped)) == pytest.approx(float(effective(stepped) @ rows) + rate * 0.9 * 10)
    adam = FedAdam()
    assert adam.apply(aggregate, server(2, 1), adam.init(server(2, 1).layout))[0].effective_weights is None


@pytest.mark.parametrize("stage", [FedAvgM(), FedAdam()], ids=["fedavgm", "fedadam"])
def test_an_optimizer_needs_no_more_than_the_sum(stage: Stage) -> None:
    assert stage.sees == "sum"
    with pytest.raises(ValueError, match="unpack"):
        staged(stage, column(1, 2))
