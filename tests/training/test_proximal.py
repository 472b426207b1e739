"""FedProx: the term's gradient, its effect, and that it is nothing by default."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.experiment.experiment import Experiment
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, batches, train

ADDRESS = Address.root(3)
POOL = Samples(
    torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
)


def network() -> Network:
    torch.manual_seed(1)
    return Network(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double())


def update(mu: float, **options: object) -> Tensor:
    plan = LocalTraining.model_validate(
        {"epochs": 2, "batch_size": 6, "optimizer": "sgd", "learning_rate": 0.2, "proximal": mu, **options}
    )
    trained = network()
    return train(trained, trained.vector.detach().clone(), POOL, plan, ADDRESS)


@pytest.mark.parametrize("mu", [0.5, 3.0])
def test_it_is_the_gradient_of_the_term(mu: float) -> None:
    """By autograd, with the loss written out, and PyTorch's own optimizer."""
    plain = network()
    start = [parameter.detach().clone() for parameter in plain.module.parameters()]
    optimizer = torch.optim.SGD(plain.module.parameters(), lr=0.2)
    before = plain.vector.detach().clone()
    plan = LocalTraining(epochs=2, batch_size=6)
    for batch in batches(POOL, plan, ADDRESS):
        apart = sum(((one - other) ** 2).sum() for one, other in zip(plain.module.parameters(), start, strict=True))
        loss = functional.cross_entropy(plain.module(batch.x), batch.y) + mu / 2 * apart
        gradients = torch.autograd.grad(loss, list(plain.module.parameters()))
        for parameter, gradient in zip(plain.module.parameters(), gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    torch.testing.assert_close(
        update(mu), torch.cat([p.detach().flatten() for p in plain.module.parameters()]) - before
    )


def test_the_more_it_counts_the_shorter_are_updates() -> None:
    lengths = [float(update(mu).norm()) for mu in (0, 0.5, 2, 4)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.7 * lengths[0]


def test_the_first_step_is_the_same() -> None:
    """There the term has no gradient yet."""
    assert torch.equal(update(0, steps=1, epochs=None), update(5, steps=1, epochs=None))


def test_without_it_nothing_changes() -> None:
    assert "proximal" not in Experiment().relevant()["local"]
    assert Experiment().identity() == Experiment(local=LocalTraining(proximal=0)).identity()
    assert Experiment().identity() != Experiment(local=LocalTraining(proximal=0.1)).identity()
    with pytest.raises(ConfigError, match=r"^local.proximal: "):
        Experiment(local={"proximal": -1})  # type: ignore[arg-type]
