from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.partition import Shards
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Aggregate, Received
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting
from fedlens.models.initial_model import InitialModel

LAYOUT = Layout.of(nn.Linear(2, 1))

seeds = st.integers(0, 2**32)
counts = st.lists(st.integers(1, 1_000), min_size=1, max_size=8)


def mean(updates: Tensor, alpha: Tensor) -> Aggregate:
    return Mean().aggregate(Received(updates, alpha, LAYOUT, Address.root(0)))


def case(sizes: list[int], seed: int) -> tuple[Tensor, Tensor]:
    """Updates in float64 of clients with so many samples, and the clients' weights."""
    updates = torch.randn(len(sizes), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    weights = torch.tensor(sizes, dtype=torch.float64)
    return updates, weights / weights.sum()


def test_equal_shards_by_hand() -> None:
    updates = torch.tensor([[1.0, 2.0, -3.0], [3.0, 0.0, 1.0]])
    aggregate = mean(updates, torch.tensor([0.5, 0.5], dtype=torch.float64))
    assert aggregate.update.tolist() == [2, 1, -1]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == [0.5, 0.5]
    assert aggregate.state == {}
    assert aggregate.update.dtype == torch.float32


def test_unequal_shards_by_hand() -> None:
    updates = torch.tensor([[8.0, 0.0, 16.0], [0.0, 8.0, 0.0], [8.0, 8.0, 0.0]])
    aggregate = mean(updates, torch.tensor([1, 2, 5], dtype=torch.float64) / 8)
    assert aggregate.update.tolist() == [6, 7, 2]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == [0.125, 0.25, 0.625]


def test_the_servers_weights_are_the_shards_shares_of_the_cohort() -> None:
    samples = Samples(torch.zeros(10, 1), torch.zeros(10, dtype=torch.int64))
    data = Dataset(samples, samples, ("only",), 0, 0)
    shards = Shards(torch.arange(10), torch.tensor([0, 1, 3, 5, 10]))
    experiment, cpu = Experiment(clients=4), torch.device("cpu")
    initial = InitialModel(experiment.model, data.shape, 1, Address.root(0), cpu)
    setting = Setting(experiment, data, shards, cpu, initial)
    assert setting.alpha([0, 1, 3], 1).tolist() == [0.125, 0.25, 0.625]
    assert setting.alpha([0, 1, 2, 3], 1).tolist() == pytest.approx([0.1, 0.2, 0.2, 0.5])
    assert setting.alpha([0], 1).dtype == torch.float64


def test_the_mean_averages() -> None:
    assert Mean.averages


@given(counts, seeds)
def test_the_mean_is_the_sum_of_the_weighted_updates(sizes: list[int], seed: int) -> None:
    updates, alpha = case(sizes, seed)
    expected = sum(
        (float(share) * row for share, row in zip(alpha, updates, strict=True)), torch.zeros(3, dtype=torch.float64)
    )
    torch.testing.assert_close(mean(updates, alpha).update, expected, rtol=0, atol=1e-12)


@given(counts, seeds, st.randoms())
def test_the_order_of_the_clients_does_not_matter(sizes: list[int], seed: int, random: Random) -> None:
    updates, alpha = case(sizes, seed)
    order = list(range(len(sizes)))
    random.shuffle(order)
    before, after = mean(updates, alpha), mean(updates[order], alpha[order])
    torch.testing.assert_close(after.update, before.update, rtol=0, atol=1e-12)
    assert before.shares is not None
    assert after.shares is not None
    assert torch.equal(after.shares, before.shares[order])


@given(counts, seeds, st.floats(-100, 100))
def test_what_all_clients_add_is_added(sizes: list[int], seed: int, shift: float) -> None:
    updates, alpha = case(sizes, seed)
    moved = mean(updates + shift, alpha).update
    torch.testing.assert_close(moved, mean(updates, alpha).update + shift, rtol=0, atol=1e-11)


@given(counts, seeds, st.floats(-100, 100))
def test_what_all_clients_scale_is_scaled(sizes: list[int], seed: int, factor: float) -> None:
    updates, alpha = case(sizes, seed)
    scaled = mean(updates * factor, alpha).update
    torch.testing.assert_close(scaled, mean(updates, alpha).update * factor, rtol=0, atol=1e-11)


@given(counts, seeds)
def test_the_mean_lies_between_the_updates(sizes: list[int], seed: int) -> None:
    updates, alpha = case(sizes, seed)
    update = mean(updates, alpha).update
    assert (update >= updates.min(0).values - 1e-12).all()
    assert (update <= updates.max(0).values + 1e-12).all()


def test_received_updates_stay_as_they_are() -> None:
    updates, alpha = case([1, 2, 3], 0)
    kept = updates.clone(), alpha.clone()
    mean(updates, alpha)
    assert torch.equal(updates, kept[0])
    assert torch.equal(alpha, kept[1])
