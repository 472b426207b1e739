import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError, DataError
from fedlens.core.random import Address
from fedlens.data.partition import Dirichlet, Iid, Partition, Shards, skewed_owners

ROOT = Address.root(7)

labels_and_clients = st.integers(1, 200).flatmap(
    lambda n: st.tuples(st.lists(st.integers(0, 4), min_size=n, max_size=n).map(torch.tensor), st.integers(1, n))
)
many_labels = st.lists(st.integers(0, 4), min_size=60, max_size=300).map(torch.tensor)
addresses = st.integers(0, 2**32).map(Address.root)


def assert_exact_cover(shards: Shards, samples: int, clients: int) -> None:
    assert len(shards) == clients
    assert shards.order.dtype == shards.offsets.dtype == torch.int64
    assert shards.order.sort().values.tolist() == list(range(samples))
    assert shards.offsets[0] == 0
    assert shards.offsets[-1] == samples
    assert torch.cat([shards.indices(client) for client in range(clients)]).tolist() == shards.order.tolist()
    assert [len(shards.indices(client)) for client in range(clients)] == shards.sizes.tolist()
    assert (shards.sizes >= 1).all()


def same(first: Shards, second: Shards) -> bool:
    return torch.equal(first.order, second.order) and torch.equal(first.offsets, second.offsets)


def skew(shards: Shards, labels: Tensor) -> float:
    """Mean total variation between a client's classes and those of all samples: 0 if all are alike, below 1."""
    counts = shards.class_counts(labels, 10).double()
    overall = counts.sum(0) / counts.sum()
    return float((counts / counts.sum(1, keepdim=True) - overall).abs().sum(1).mean() / 2)


@given(labels_and_clients, addresses)
def test_iid_deals_every_sample_once_in_equal_parts(case: tuple[Tensor, int], address: Address) -> None:
    labels, clients = case
    shards = Iid().split(labels, clients, address)
    assert_exact_cover(shards, len(labels), clients)
    assert shards.sizes.max() - shards.sizes.min() <= 1


def test_fewer_samples_are_the_first_of_all() -> None:
    labels = torch.zeros(100, dtype=torch.int64)
    every, some = (Iid(samples=samples).split(labels, 4, ROOT) for samples in (None, 20))
    assert some.sizes.tolist() == [5] * 4
    assert some.order.tolist() == every.order[:20].tolist()
    assert some.class_counts(labels, 1).sum() == 20


@pytest.mark.parametrize(
    ("samples", "words"),
    [(101, "partition.samples: 101 asked for, but there are only 100"), (3, "4 clients cannot share 3 samples")],
)
def test_samples_that_cannot_be_dealt(samples: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Iid(samples=samples).split(torch.zeros(100, dtype=torch.int64), 4, ROOT)


@given(many_labels, st.integers(1, 5), st.floats(0.5, 1e6), addresses)
def test_dirichlet_deals_every_sample_once(labels: Tensor, clients: int, alpha: float, address: Address) -> None:
    shards = Dirichlet(alpha=alpha).split(labels, clients, address)
    assert_exact_cover(shards, len(labels), clients)


@pytest.mark.parametrize("partition", [Iid(), Dirichlet()])
def test_same_address_same_shards(partition: Partition) -> None:
    labels = torch.arange(1_000) % 10
    first = partition.split(labels, 10, ROOT)
    assert same(first, partition.split(labels.clone(), 10, Address.root(7)))
    assert not same(first, partition.split(labels, 10, Address.root(8)))


def test_iid_is_shuffled_and_blind_to_the_labels() -> None:
    labels = torch.arange(6_000) // 600
    shards = Iid().split(labels, 10, ROOT)
    assert shards.sizes.tolist() == [600] * 10
    assert same(shards, Iid().split(labels.flip(0), 10, ROOT))
    counts = shards.class_counts(labels, 10)
    # Hypergeometric: mean 60, standard deviation 7; the 100 cells stay within five deviations.
    assert counts.min() > 25
    assert counts.max() < 95


def test_papers_shards_are_equal() -> None:
    for samples in (30_160, 60_000):
        assert Iid().split(torch.zeros(samples, dtype=torch.int64), 10, ROOT).sizes.unique().tolist() == [samples // 10]


def test_ten_thousand_clients() -> None:
    labels = torch.arange(60_000) % 10
    shards = Iid().split(labels, 10_000, ROOT)
    assert shards.sizes.unique().tolist() == [6]
    assert shards.class_counts(labels, 10).sum(0).tolist() == [6_000] * 10


def test_class_counts_by_hand() -> None:
    shards = Shards(torch.tensor([4, 0, 2, 1, 3]), torch.tensor([0, 2, 2, 5]))
    labels = torch.tensor([1, 0, 2, 0, 1])
    assert shards.sizes.tolist() == [2, 0, 3]
    assert shards.indices(0).tolist() == [4, 0]
    assert shards.indices(1).tolist() == []
    assert shards.class_counts(labels, 4).tolist() == [[0, 2, 0, 0], [0, 0, 0, 0], [2, 0, 1, 0]]


@pytest.mark.parametrize("client", [-1, 3])
def test_no_such_client(client: int) -> None:
    shards = Iid().split(torch.zeros(9, dtype=torch.int64), 3, ROOT)
    with pytest.raises(IndexError, match=f"no client {client}: they are 0 to 2"):
        shards.indices(client)


def test_skew_falls_as_alpha_grows() -> None:
    labels = torch.arange(10_000) % 10
    skews = [
        np.mean([skew(Dirichlet(alpha=alpha).split(labels, 10, Address.root(seed)), labels) for seed in range(5)])
        for alpha in (0.05, 0.5, 5.0, 500.0)
    ]
    assert skews == sorted(skews, reverse=True)
    assert skews[0] > 0.6
    assert skews[-1] < 0.03


@pytest.mark.parametrize("alpha", [0.1, 0.5, 3.0])
def test_shares_have_the_variance_of_the_dirichlet_distribution(alpha: float) -> None:
    # A share of Dir(α·1_K) has mean 1/K and variance (1/K)(1 − 1/K) / (Kα + 1). 500 classes of 200 samples each.
    clients = 10
    labels = np.repeat(np.arange(500), 200)
    owners = skewed_owners(labels, clients, alpha, ROOT.generator())
    shares = np.bincount(labels * clients + owners, minlength=500 * clients).reshape(500, clients) / 200
    assert shares.mean(0) == pytest.approx(np.full(clients, 0.1), abs=0.06)
    assert shares.var() == pytest.approx(0.09 / (clients * alpha + 1), rel=0.1)


class Unshuffled:
    """Stands for a generator: does not shuffle, and always draws the same shares."""

    def permutation(self, members: np.ndarray) -> np.ndarray:
        return members

    def dirichlet(self, alpha: np.ndarray) -> np.ndarray:
        assert alpha.tolist() == [0.7, 0.7, 0.7]
        return np.array([0.5, 0.375, 0.125])


def test_dealing_by_hand() -> None:
    # Class 0 has 8 samples, 4 + 3 + 1; class 1 has 3: cut at 1.5 and 2.625, rounded down, 1 + 1 + 1.
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0])
    owners = skewed_owners(labels, 3, 0.7, Unshuffled())  # type: ignore[arg-type]
    assert owners.tolist() == [0, 0, 0, 0, 1, 2, 0, 1, 1, 1, 2]


def test_samples_of_a_class_are_shuffled() -> None:
    owners = skewed_owners(np.zeros(1_000, dtype=np.int64), 2, 100.0, ROOT.generator())
    assert 400 < (np.diff(owners) != 0).sum() < 600  # two blocks would change once


def test_draws_again_until_every_client_has_a_sample() -> None:
    labels = torch.zeros(40, dtype=torch.int64)
    drawn: list[int] = []
    for seed in range(20):
        address = Address.root(seed)
        sizes = [
            np.bincount(
                skewed_owners(labels.numpy(), 6, 0.3, address.at("dirichlet", attempt).generator()), minlength=6
            )
            for attempt in range(100)
        ]
        first = next(attempt for attempt, size in enumerate(sizes) if size.all())
        assert Dirichlet(alpha=0.3).split(labels, 6, address).sizes.tolist() == sizes[first].tolist()
        drawn.append(first)
    assert min(drawn) == 0
    assert max(drawn) > 3


def test_hopeless_skew_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        Dirichlet(alpha=0.001).split(torch.zeros(1_000, dtype=torch.int64), 50, ROOT)
    text = str(caught.value)
    assert "alpha 0.001 of 1,000 samples over 50 clients" in text
    assert "use a larger alpha or fewer clients" in text


@pytest.mark.parametrize("partition", [Iid(), Dirichlet()])
@pytest.mark.parametrize(
    ("samples", "clients", "message"),
    [
        (100, 0, "0 clients cannot share 100 samples; use 1 client or more"),
        (100, -3, "-3 clients cannot share 100 samples"),
        (1_000, 1_001, "1,001 clients cannot share 1,000 samples, at least one each; use at most 1,000 clients"),
        (0, 1, "1 clients cannot share 0 samples"),
    ],
)
def test_impossible_numbers_of_clients(partition: Partition, samples: int, clients: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        partition.split(torch.zeros(samples, dtype=torch.int64), clients, ROOT)


@pytest.mark.parametrize("alpha", [0, -1, float("nan"), float("inf")])
def test_alpha_must_be_positive_and_finite(alpha: float) -> None:
    with pytest.raises(ConfigError, match=r"partition\.alpha"):
        validate(Dirichlet, {"alpha": alpha}, "partition")
