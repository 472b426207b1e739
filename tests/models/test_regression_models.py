"""Models that predict a quantity: errors counted by hand, gradients of plain PyTorch, refused outputs."""

from math import inf, sqrt

import pytest
import torch
from torch import nn

from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.data.quantity import Quantity
from fedlens.models.dense import dense_layers
from fedlens.models.evaluation import Quality, quality
from fedlens.models.head import Prediction, with_prediction
from fedlens.models.network import Network
from fedlens.models.stacking import find_stack
from fedlens.training.local import LocalTraining, train

X, Y = torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([0.5, -1.0])


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


def test_errors_by_hand() -> None:
    # Off by 1 and 2 standard deviations, of 2 each: MAE 1.5 · 2, MSE (1 + 4) / 2, RMSE 2 · √2.5.
    found = quality(torch.tensor([[0.0], [1.0]]), torch.tensor([1.0, 3.0]), Quantity(mean=10, std=2))
    assert (found.accuracy, found.loss, found.per_class) == (None, 2.5, [])
    assert found.metrics == {"mae": 3.0, "rmse": pytest.approx(2 * sqrt(2.5)), "nmae": 1.5}
    assert (found.mae, found.score) == (3.0, -3.0)


@pytest.mark.parametrize("wrong", [inf, torch.nan])
def test_an_error_that_is_not_finite_is_none(wrong: float) -> None:
    found = quality(torch.tensor([[0.0], [wrong]]), torch.zeros(2), Quantity(0, 1))
    assert (found.metrics, found.score) == ({"mae": None, "rmse": None, "nmae": None}, -inf)


def test_the_score_of_classes_is_their_accuracy() -> None:
    assert Quality(0.75, 0.1, [0.75]).score == 0.75


@pytest.mark.parametrize("flat", [False, True])
def test_a_step_is_that_of_plain_pytorch(flat: bool) -> None:
    plain = linear()
    loss = ((plain(X)[:, 0] - Y) ** 2).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    module = linear()
    network = Network(with_prediction(nn.Sequential(*module, nn.Flatten(0)) if flat else module))
    assert network.backward(X, Y) == loss
    torch.testing.assert_close(network.gradient, torch.cat([p.grad.reshape(-1) for p in plain.parameters()]))  # type: ignore[union-attr]
    assert network.loss(X, Y) == pytest.approx(loss.item())


def test_training_is_a_loop_of_plain_pytorch() -> None:
    plain, network = linear(), Network(with_prediction(linear()))
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(plain(X)[:, 0], Y).backward()
        optimizer.step()
    plan = LocalTraining(steps=3, batch_size=2, optimizer="sgd", learning_rate=0.1, loss="mse")
    start = network.state()
    after = start + train(network, start, Samples(X, Y), plan, Address.root(0))
    torch.testing.assert_close(after, torch.cat([p.detach().reshape(-1) for p in plain.parameters()]))


@pytest.mark.parametrize("written_out", [True, False])
def test_stacked_gradients_are_those_of_each_copy(written_out: bool) -> None:
    layers = [nn.Linear(2, 3), nn.ReLU() if written_out else nn.Tanh(), nn.Linear(3, 1)]
    network = Network(with_prediction(nn.Sequential(*layers)))
    assert (dense_layers(network.module, (2,)) is not None) == written_out
    stack = find_stack(network, (2,))(network, network.state(), 2)
    x, y = torch.stack([X, X + 1]), torch.stack([Y, Y - 2])
    stack.backward(slice(0, 2), x, y, [], network.plain)
    before = stack.trained().clone()
    stack.vector -= stack.gradient
    for copy in range(2):
        network.backward(x[copy], y[copy])
        torch.testing.assert_close((before - stack.trained())[copy], network.gradient)


def test_other_outputs_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"outputs of shape \[2, 3\], and a regression needs one number"):
        Prediction()(torch.zeros(2, 3))
