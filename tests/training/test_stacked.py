from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.models.cnn import TinyCnn
from fedlens.models.dropout import Dropout
from fedlens.models.mlp import CensusMlp
from fedlens.models.network import Network, build
from fedlens.models.stacking import find_stack
from fedlens.training.dropout_masks import equal_runs
from fedlens.training.local import LocalTraining, train
from fedlens.training.stacked import StackedClient, train_stacked

ROOT = Address.root(8)
SIZES = [21, 40, 7, 40, 22, 1]


def clients(pool: Samples, sizes: Sequence[int] = SIZES) -> list[StackedClient]:
    generator = torch.Generator().manual_seed(0)
    return [
        StackedClient(ROOT.at("client", place), torch.randperm(100, generator=generator)[:size], pool)
        for place, size in enumerate(sizes)
    ]


def samples(*shape: int, classes: int = 3) -> Samples:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(100, *shape, dtype=torch.float64, generator=generator)
    return Samples(x, torch.randint(classes, (100,), generator=generator))


def small_network(activation: nn.Module) -> Network:
    torch.manual_seed(0)
    layers = [nn.Linear(4, 6), activation, Dropout(0.3), nn.Linear(6, 5), nn.ReLU(), Dropout(0.5), nn.Linear(5, 3)]
    return Network(nn.Sequential(*layers).double())


def compare(network: Network, pool: Samples, plan: LocalTraining) -> None:
    """A stack's updates against those of a client after the other, to rounding."""
    weights = network.vector.detach().clone()
    expected = [train(network, weights, pool, plan, one.address, members=one.members) for one in clients(pool)]
    stack = find_stack(network, tuple(pool.x.shape[1:]))(network, weights, len(SIZES))
    found = train_stacked(stack, weights, plan, clients(pool))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
        assert other.abs().max() > 5e-4
    assert not found.requires_grad


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Tanh()])
@pytest.mark.parametrize(
    "plan",
    [
        {"epochs": 1, "batch_size": 8},
        {"epochs": 3, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.05},
        {"epochs": 3, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.05, "proximal": 2.0},
        {
            "epochs": 1,
            "batch_size": 8,
            "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True},
            "learning_rate": 0.05,
        },
        {"epochs": 1, "batch_size": 8, "optimizer": {"name": "adamw", "weight_decay": 0.5}},
        {"epochs": 0.5, "batch_size": 3},
        {"steps": 25, "batch_size": 8},
        {"steps": 7, "batch_size": 8, "replacement": True},
        {"epochs": 1, "batch_size": 8, "replacement": True},
        {"epochs": 1, "batch_size": 100},
    ],
    ids=str,
)
def test_clients_side_by_side_train_as_one_after_the_other(plan: dict[str, Any], activation: nn.Module) -> None:
    compare(small_network(activation), samples(4), LocalTraining.model_validate(plan))


def test_the_census_network_trains_as_alone() -> None:
    network = Network(build(CensusMlp(), (104,), 2, ROOT).double())
    compare(network, samples(104, classes=2), LocalTraining(epochs=1, batch_size=10))


def test_a_convolutional_network_trains_as_alone() -> None:
    network = Network(build(TinyCnn(), (1, 12, 12), 3, ROOT).double())
    compare(network, samples(1, 12, 12), LocalTraining(epochs=1, batch_size=10))


def test_nobody_trains_on_nothing() -> None:
    network = small_network(nn.ReLU())
    weights = network.vector.detach()
    stack = find_stack(network, (4,))(network, weights, 2)
    with pytest.raises(ValueError, match="without samples"):
        train_stacked(stack, weights, LocalTraining(steps=3), clients(samples(4), [5, 0]))


def test_equal_runs_by_hand() -> None:
    assert list(equal_runs([4, 4, 2, 4, 4, 4])) == [slice(0, 2), slice(2, 3), slice(3, 6)]
    assert list(equal_runs([])) == []
