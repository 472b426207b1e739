from copy import deepcopy
from itertools import chain
from math import ceil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from fedlens.core.layout import flatten
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.models.dropout import Dropout
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, batches, train

ADDRESS = Address.root(6).at("client", 1, 2)

sizes = st.tuples(st.integers(1, 40), st.integers(1, 15))


def numbered(count: int) -> Samples:
    """Samples that can be told apart: x is the sample's number, y its number modulo 3."""
    return Samples(torch.arange(float(count))[:, None], torch.arange(count) % 3)


def cloud(count: int) -> Samples:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(count, 4, dtype=torch.float64, generator=generator)
    return Samples(x, torch.randint(3, (count,), generator=generator))


def module(p: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), Dropout(p), nn.Linear(5, 3)).double()


def drawn(count: int, plan: LocalTraining, address: Address = ADDRESS) -> list[list[int]]:
    found = list(batches(numbered(count), plan, address))
    assert all(torch.equal(batch.y, batch.x[:, 0].long() % 3) for batch in found), "a label lost its sample"
    return [batch.x[:, 0].long().tolist() for batch in found]


# Number of steps


@pytest.mark.parametrize(
    ("epochs", "batch_size", "samples", "steps"),
    [
        (5, 100, 6_000, 300),
        (5, 50, 3_016, 305),  # 61 batches, the last of 16 samples
        (1, 100, 1, 1),
        (1, 100, 100, 1),
        (1, 100, 101, 2),
        (2, 3, 7, 6),
        (0.5, 10, 100, 5),
        (0.25, 10, 100, 3),  # 2.5 batches
        (0.24, 10, 100, 2),
        (1.5, 10, 95, 15),
        (0.01, 10, 100, 1),
        (0.001, 10, 10, 1),
    ],
)
def test_steps_by_hand(epochs: float, batch_size: int, samples: int, steps: int) -> None:
    assert LocalTraining(epochs=epochs, batch_size=batch_size).steps_for(samples) == steps


@pytest.mark.parametrize("samples", [1, 7, 10_000])
def test_a_fixed_number_of_steps(samples: int) -> None:
    assert LocalTraining(steps=7, batch_size=3).steps_for(samples) == 7


def test_steps_replace_the_default_epochs() -> None:
    assert LocalTraining(steps=7) == LocalTraining(steps=7, epochs=None)
    assert (LocalTraining().epochs, LocalTraining().steps) == (5, None)


@pytest.mark.parametrize("values", [{"epochs": 5, "steps": 7}, {"epochs": None}, {"epochs": None, "steps": None}])
def test_epochs_and_steps_exclude_each_other(values: dict[str, int | None]) -> None:
    with pytest.raises(ValueError, match="either epochs or steps"):
        LocalTraining.model_validate(values)


# Batches


@given(sizes, st.integers(1, 4))
def test_every_epoch_has_every_sample_once(size: tuple[int, int], epochs: int) -> None:
    count, batch_size = size
    found = drawn(count, LocalTraining(epochs=epochs, batch_size=batch_size))
    per_epoch = ceil(count / batch_size)
    assert len(found) == epochs * per_epoch
    for epoch in range(epochs):
        part = found[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert sorted(chain.from_iterable(part)) == list(range(count))
        assert [len(batch) for batch in part[:-1]] == [batch_size] * (per_epoch - 1)
        assert len(part[-1]) == count - batch_size * (per_epoch - 1)


@given(sizes, st.integers(1, 60))
def test_a_number_of_steps_ends_anywhere(size: tuple[int, int], steps: int) -> None:
    count, batch_size = size
    found = drawn(count, LocalTraining(steps=steps, batch_size=batch_size))
    whole = drawn(count, LocalTraining(epochs=steps, batch_size=batch_size))
    assert found == whole[:steps]


def test_sizes_by_hand() -> None:
    assert list(map(len, drawn(7, LocalTraining(epochs=2, batch_size=3)))) == [3, 3, 1, 3, 3, 1]
    assert list(map(len, drawn(7, LocalTraining(steps=4, batch_size=3)))) == [3, 3, 1, 3]
    assert list(map(len, drawn(7, LocalTraining(epochs=0.5, batch_size=3)))) == [3, 3]
    assert list(map(len, drawn(7, LocalTraining(epochs=2, batch_size=100)))) == [7, 7]


def test_epochs_are_shuffled_differently_and_by_their_address() -> None:
    plan = LocalTraining(epochs=2, batch_size=20)
    first, second = drawn(20, plan)
    assert first != second
    assert sorted(first) != first
    assert drawn(20, plan) == [first, second]
    assert drawn(20, plan, ADDRESS.at("other")) != [first, second]


def test_the_permutation_is_that_of_the_address() -> None:
    generator = ADDRESS.at("shuffle").generator()
    order = [*generator.permutation(7).tolist(), *generator.permutation(7).tolist()]
    assert drawn(7, LocalTraining(epochs=2, batch_size=3)) == [
        order[0:3],
        order[3:6],
        order[6:7],
        order[7:10],
        order[10:13],
        order[13:14],
    ]


def test_batches_share_no_memory_with_the_samples() -> None:
    samples = numbered(6)
    for batch in batches(samples, LocalTraining(epochs=1, batch_size=2), ADDRESS):
        batch.x.fill_(-1)
        batch.y.fill_(-1)
    assert samples.x[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert samples.y.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("plan", [LocalTraining(), LocalTraining(steps=3)])
def test_nobody_trains_on_nothing(plan: LocalTraining) -> None:
    with pytest.raises(ValueError, match="without samples"):
        next(batches(numbered(0), plan, ADDRESS))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_batches_drawn_with_replacement_are_full(count: int) -> None:
    plan = LocalTraining(steps=40, batch_size=5, replacement=True)
    found = drawn(count, plan)
    assert list(map(len, found)) == [5] * 40
    assert sorted(set(chain.from_iterable(found))) == list(range(count))


def test_draws_with_replacement_are_those_of_the_address() -> None:
    generator = ADDRESS.at("shuffle").generator()
    order = [*generator.integers(7, size=9).tolist(), *generator.integers(7, size=9).tolist()]
    plan = LocalTraining(steps=5, batch_size=3, replacement=True)
    assert list(chain.from_iterable(drawn(7, plan))) == order[:15]


def test_replacement_draws_as_many_batches_an_epoch_as_a_permutation() -> None:
    assert len(drawn(7, LocalTraining(epochs=2, batch_size=3, replacement=True))) == 6


@pytest.mark.parametrize("replacement", [False, True])
def test_a_clients_batches_are_its_samples_and_as_if_it_had_them_alone(replacement: bool) -> None:
    pool, members = numbered(20), torch.tensor([4, 17, 2, 11, 5])
    plan = LocalTraining(epochs=2, batch_size=2, replacement=replacement)
    found = [batch.x[:, 0].long().tolist() for batch in batches(pool, plan, ADDRESS, members)]
    assert found == [members[places].tolist() for places in map(torch.tensor, drawn(5, plan))]


# Training


def plain_training(plain: nn.Module, samples: Samples, plan: LocalTraining) -> Tensor:
    """The update of a loop that anyone would write, with the address's permutations."""
    before = flatten(plain)
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    optimizer = kinds[plan.optimizer](plain.parameters(), lr=plan.learning_rate)
    generator = ADDRESS.at("shuffle").generator()
    assert plan.epochs is not None
    for _ in range(int(plan.epochs)):
        order = torch.from_numpy(generator.permutation(len(samples)))
        for indices in order.split(plan.batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(plain(samples.x[indices]), samples.y[indices]).backward()
            optimizer.step()
    return flatten(plain) - before


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_is_that_of_a_plain_loop(optimizer: str) -> None:
    plan = LocalTraining.model_validate({"epochs": 3, "batch_size": 8, "optimizer": optimizer, "learning_rate": 0.02})
    plain, samples = module(), cloud(21)
    network = Network(deepcopy(plain))
    expected = plain_training(deepcopy(plain), samples, plan)
    update = train(network, flatten(plain), samples, plan, ADDRESS)
    torch.testing.assert_close(update, expected, rtol=0, atol=1e-12)
    assert update.abs().max() > 0.01


def test_one_step_of_sgd_by_hand() -> None:
    network = Network(nn.Linear(2, 2))
    samples = Samples(torch.tensor([[1.0, 2.0]]), torch.tensor([0]))
    plan = LocalTraining(steps=1, optimizer="sgd", learning_rate=0.1)
    update = train(network, torch.zeros(6), samples, plan, ADDRESS)
    # Both classes have probability ½, so the logits' derivatives are −½ and ½.
    assert update.tolist() == pytest.approx([0.05, 0.1, -0.05, -0.1, 0.05, -0.05])


def test_one_step_of_adam_by_hand() -> None:
    network = Network(nn.Linear(2, 2))
    samples = Samples(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    plan = LocalTraining(steps=1, learning_rate=0.1)
    # Adam's first step is the learning rate against the gradient's sign, whatever its size.
    update = train(network, torch.zeros(6), samples, plan, ADDRESS)
    assert update.tolist() == pytest.approx([0.1, 0, -0.1, 0, 0.1, -0.1], abs=1e-6)


def test_training_begins_at_the_given_weights_with_a_fresh_optimizer() -> None:
    network, samples, plan = Network(module(0.5)), cloud(21), LocalTraining(epochs=2, batch_size=8)
    weights = torch.linspace(-1, 1, 43, dtype=torch.float64)
    first = train(network, weights, samples, plan, ADDRESS)
    train(network, torch.zeros(43, dtype=torch.float64), cloud(40), plan, ADDRESS.at("other"))
    assert torch.equal(train(network, weights, samples, plan, ADDRESS), first)
    assert torch.equal(weights, torch.linspace(-1, 1, 43, dtype=torch.float64))
    assert not torch.equal(train(network, weights, samples, plan, ADDRESS.at("other")), first)


def test_training_is_with_dropout() -> None:
    samples, plan = cloud(21), LocalTraining(epochs=1, batch_size=8)
    weights = torch.linspace(-1, 1, 43, dtype=torch.float64)
    dropped = train(Network(module(0.5)), weights, samples, plan, ADDRESS)
    assert not torch.allclose(dropped, train(Network(module(0.0)), weights, samples, plan, ADDRESS))


def test_an_update_is_no_part_of_the_network() -> None:
    network = Network(module())
    update = train(network, torch.zeros(43, dtype=torch.float64), cloud(21), LocalTraining(steps=1), ADDRESS)
    kept = update.clone()
    network.load(torch.ones(43, dtype=torch.float64))
    assert torch.equal(update, kept)
    assert not update.requires_grad
