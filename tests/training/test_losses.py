import re
from typing import Any

import pytest
import torch
from small import Convolutions, small
from test_stacked import compare, samples, small_network
from torch import nn
from torch.nn import functional

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.digits import Digits
from fedlens.experiment.experiment import Experiment
from fedlens.kernels.loss import PLAIN, Loss
from fedlens.models.dense import dense_layers
from fedlens.models.head import with_two_logits
from fedlens.models.network import Network
from fedlens.simulation.simulation import simulate
from fedlens.training.local import LocalTraining, train

LOSSES = [PLAIN, Loss(0.2), Loss(0.0, (0.5, 2.0, 1.0)), Loss(0.3, (0.5, 2.0, 1.0))]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_loss_and_its_slope_are_pytorchs(loss: Loss) -> None:
    torch.manual_seed(0)
    logits, y = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True), torch.randint(3, (4, 7))
    weights = None if loss.weights is None else torch.tensor(loss.weights, dtype=torch.float64)
    theirs = nn.CrossEntropyLoss(weight=weights, label_smoothing=loss.smoothing)
    total = torch.stack([theirs(logits[copy], y[copy]) for copy in range(4)])
    [slope] = torch.autograd.grad(total.sum(), logits)
    for copy in range(4):
        torch.testing.assert_close(loss(logits[copy], y[copy]), total[copy], rtol=0, atol=1e-12)
    found = loss.slope(logits.detach(), functional.one_hot(y, 3).double())
    torch.testing.assert_close(found, slope, rtol=0, atol=1e-12)


WRITTEN: list[Any] = [
    {"name": "cross-entropy", "label_smoothing": 0.2},
    {"name": "cross-entropy", "label_smoothing": 0.1, "class_weights": [0.3, 1, 4]},
]


@pytest.mark.parametrize("loss", WRITTEN, ids=str)
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Tanh()])
def test_clients_side_by_side_minimise_it_as_alone(loss: Any, activation: nn.Module) -> None:
    compare(small_network(activation), samples(4), plan(loss))


def plan(loss: Any, **rest: Any) -> LocalTraining:
    return LocalTraining.model_validate({"epochs": 1, "batch_size": 8, "loss": loss, **rest})


def one_logit(activation: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 1)).double()


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Tanh()])
def test_one_logit_trains_side_by_side_as_alone(activation: nn.Module) -> None:
    network = Network(with_two_logits(one_logit(activation)))
    assert (dense_layers(network.module, (4,)) is not None) == isinstance(activation, nn.ReLU)
    compare(network, samples(4, classes=2), plan("binary"))


def test_one_logit_trains_by_binary_cross_entropy() -> None:
    network, plain = Network(with_two_logits(one_logit(nn.Tanh()))), one_logit(nn.Tanh())
    pool = samples(4, classes=2)
    weights = network.vector.detach().clone()
    update = train(
        network, weights, pool, plan("binary", epochs=None, steps=1, batch_size=100, optimizer="sgd"), Address.root(0)
    )
    functional.binary_cross_entropy_with_logits(plain(pool.x)[:, 0], pool.y.double()).backward()
    expected = torch.cat([parameter.grad.reshape(-1) for parameter in plain.parameters() if parameter.grad is not None])
    torch.testing.assert_close(update, -1e-3 * expected, rtol=0, atol=1e-12)
    network.load(weights)
    logits = plain(pool.x).detach()
    both = torch.cat([functional.logsigmoid(-logits), functional.logsigmoid(logits)], dim=1)
    torch.testing.assert_close(network.log_probabilities(pool.x), both, rtol=0, atol=1e-12)


def data(labels: list[int], classes: int = 2) -> Dataset:
    some = Samples(torch.zeros(len(labels), 4), torch.tensor(labels))
    return Dataset(some, some, tuple(map(str, range(classes))))


def test_balanced_weights_by_hand() -> None:
    balanced = {"name": "cross-entropy", "class_weights": "balanced"}
    fitted = plan(balanced).fitted(data([0, 0, 0, 1]))
    assert fitted.criterion == Loss(0.0, (4 / 6, 4 / 2))
    assert plan(balanced).fitted(data([0, 0, 1], 3)).criterion == Loss(0.0, (3 / 6, 1.0, 1.0))
    with pytest.raises(ValueError, match="call fitted before"):
        _ = plan(balanced).criterion
    assert plan("cross-entropy").fitted(data([0, 1])) == plan("cross-entropy")


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("binary", "local.loss: binary is for 2 classes, not 3; e.g. -o local.loss=cross-entropy"),
        (
            {"name": "cross-entropy", "class_weights": [1, 2]},
            "local.loss.class_weights: 2 numbers for 3 classes; e.g. -o 'local.loss.class_weights=[1, 1, 1]'",
        ),
    ],
)
def test_what_does_not_suit_the_data_is_refused(loss: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        plan(loss).fitted(data([0, 1, 2], 3))


def test_what_is_no_loss_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cross-entropy', 'binary' or 'mse' is needed, not 'hinge'"):
        validate(LocalTraining, {"loss": "hinge"}, "local")


class Two(Digits):
    """The digits, even and odd."""

    def load(self, data_dir: Any = None) -> Dataset:
        whole = super().load(data_dir)
        parity = [Samples(part.x, part.y % 2) for part in (whole.train, whole.test)]
        return Dataset(*parity, ("even", "odd"))


def federated(loss: Any, **changes: Any) -> list[Any]:
    local = {"epochs": 1, "batch_size": 50, "loss": loss}
    return list(simulate(small(data=Two(), local=local, rounds=2, **changes), engine="serial"))


def test_a_federation_of_one_logit_learns_attacks_and_answers_for_two_classes() -> None:
    binary = federated("binary")
    assert len(binary[-1].record.quality.per_class) == 2
    assert binary[-1].record.malicious.attack.acted
    # all of the federation but its last layer, which has half the weights
    plain = federated("cross-entropy")
    assert len(plain[-1].state.weights) - len(binary[-1].state.weights) > 0
    model = Network(with_two_logits(one_logit(nn.Tanh()))).module
    x = samples(4).x[:3].requires_grad_()
    slopes = [torch.autograd.grad(model(x)[:, number].sum(), x)[0] for number in range(2)]
    torch.testing.assert_close(slopes[0], -slopes[1])
    assert slopes[0].abs().max() > 0
    assert federated("binary", attack=None)[-1].record.quality.accuracy > 0.6


def test_a_loss_changes_what_honest_clients_send_and_no_attackers_objective() -> None:
    smooth = {"name": "cross-entropy", "label_smoothing": 0.3}
    first, second = (federated(loss, model=Convolutions())[0] for loss in ("cross-entropy", smooth))
    assert first.record.malicious.attack.log["loss"] == second.record.malicious.attack.log["loss"]
    assert not torch.equal(first.state.weights, second.state.weights)


def test_the_default_is_in_no_identity() -> None:
    assert "loss" not in Experiment().relevant()["local"]
    told = Experiment.model_validate({"local": {"loss": {"name": "cross-entropy", "label_smoothing": 0.1}}})
    assert told.relevant()["local"]["loss"] == {"name": "cross-entropy", "label_smoothing": 0.1}
