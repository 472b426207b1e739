"""Partitions by label shards, by quantity, by natural owners and by a file, and clients without samples."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small import small
from torch import Tensor

import fedlens
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import ConfigError, DataError
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.groups import Groups
from fedlens.data.label_shards import LabelShards
from fedlens.data.natural import Natural
from fedlens.data.owners_file import OwnersFile
from fedlens.data.partition import Dirichlet, Partition, Shards
from fedlens.data.quantity_skew import QuantitySkew
from fedlens.experiment.setting import prepare

ROOT = Address.root(7)
LABELS = torch.arange(120) % 6
addresses = st.integers(0, 2**32).map(Address.root)


def dealt(shards: Shards) -> list[int]:
    return sorted(shards.order.tolist())


@given(st.integers(1, 12), st.integers(1, 5), addresses)
def test_label_shards_deal_every_sample_in_few_pieces(clients: int, pieces: int, address: Address) -> None:
    shards = LabelShards(pieces=pieces).split(LABELS, clients, address)
    assert dealt(shards) == list(range(120))
    assert shards.sizes.max() - shards.sizes.min() <= pieces
    # A piece of n / (K · pieces) samples has as many classes as it touches runs of 20.
    touched = pieces * (120 // (clients * pieces) // 20 + 2)
    assert (shards.class_counts(LABELS, 6) > 0).sum(dim=1).max() <= touched


def test_with_a_piece_for_each_class_a_client_has_its_classes_alone() -> None:
    shards = LabelShards(pieces=2).split(LABELS, 3, ROOT)
    counts = shards.class_counts(LABELS, 6)
    assert sorted(counts[counts > 0].tolist()) == [20] * 6
    assert (counts > 0).sum(dim=1).tolist() == [2, 2, 2]


def test_within_a_class_the_order_is_random() -> None:
    first, second = (LabelShards(pieces=1).split(LABELS, 12, Address.root(seed)) for seed in range(2))
    assert {tuple(first.indices(i).sort().values.tolist()) for i in range(12)} != {
        tuple(second.indices(i).sort().values.tolist()) for i in range(12)
    }


@given(st.integers(1, 20), st.floats(0.1, 1e6), st.integers(0, 2), addresses)
def test_quantity_skew_deals_every_sample_once(clients: int, alpha: float, least: int, address: Address) -> None:
    try:
        shards = QuantitySkew(alpha=alpha, least=least).split(LABELS, clients, address)
    except DataError as error:
        assert least
        assert "-o partition.alpha=" in str(error)  # noqa: PT017
        return
    assert dealt(shards) == list(range(120))
    assert shards.sizes.min() >= least


def test_the_smaller_alpha_is_the_more_unequal_are_quantities() -> None:
    spread = [
        np.mean(
            [QuantitySkew(alpha=a, least=0).split(LABELS, 6, Address.root(s)).sizes.double().std() for s in range(9)]
        )
        for a in (0.1, 1, 100)
    ]
    assert spread[0] > spread[1] > 5 * spread[2]


OWNERS = Groups(("ann", "bob", "cem", "dee"), torch.tensor([0, 1, 1, 3, 2, 1, 0, 3]))
EIGHT = torch.zeros(8, dtype=torch.int64)


def test_with_as_many_clients_as_owners_each_is_one() -> None:
    shards = Natural().deal(EIGHT, OWNERS, 4, ROOT)
    assert [shards.indices(client).tolist() for client in range(4)] == [[0, 6], [1, 2, 5], [4], [3, 7]]


@given(addresses)
def test_with_fewer_clients_owners_are_dealt_whole(address: Address) -> None:
    shards = Natural().deal(EIGHT, OWNERS, 2, address)
    assert dealt(shards) == list(range(8))
    owners = [set(OWNERS.of[shards.indices(client)].tolist()) for client in range(2)]
    assert [len(own) for own in owners] == [2, 2]
    assert not owners[0] & owners[1]


def test_owners_of_few_samples_are_left_out() -> None:
    shards = Natural(least=2).deal(EIGHT, OWNERS, 3, ROOT)
    assert shards.sizes.tolist() == [2, 3, 2]
    assert 4 not in shards.order.tolist()


@pytest.mark.parametrize(
    ("partition", "groups", "clients", "words"),
    [
        (Natural(), None, 2, "do not say who owns which sample; e.g. -o partition=dirichlet"),
        (Natural(), OWNERS, 5, "5 clients, but only 4 owners of samples; e.g. -o clients=4"),
        (Natural(least=3), OWNERS, 2, "only 1 owners of samples with 3 samples or more; e.g. -o clients=1"),
        (Natural(least=9), OWNERS, 2, "e.g. -o partition.least=1"),
        (LabelShards(pieces=5), None, 2, "10 pieces of 8 samples leave some empty; e.g. -o partition.pieces=4"),
        (QuantitySkew(least=5), None, 2, "at least 5 each; use at most 1 clients or more samples, e.g. -o clients=1"),
        (Dirichlet(least=3), None, 3, "at least 3 each"),
    ],
)
def test_what_cannot_be_dealt(partition: Partition, groups: Groups | None, clients: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        partition.deal(EIGHT, groups, clients, ROOT)


@pytest.mark.parametrize(
    "partition",
    [LabelShards(), QuantitySkew(), Natural(), Dirichlet(alpha=0.1, least=0)],
    ids=lambda p: type(p).__name__,
)
def test_same_address_same_shards(partition: Partition) -> None:
    groups = Groups(tuple(map(str, range(30))), torch.arange(120) % 30)
    first, again, other = (partition.deal(LABELS, groups, 6, root) for root in (ROOT, ROOT, Address.root(8)))
    assert torch.equal(first.order, again.order)
    assert torch.equal(first.offsets, again.offsets)
    assert not torch.equal(first.order, other.order)


# A file


def dataset() -> Dataset:
    samples = Samples(torch.rand(6, 2), torch.arange(6) % 2)
    return Dataset(samples, samples, ("a", "b"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def of_file(path: Path, clients: int = 3) -> list[list[int]]:
    partition = OwnersFile(path=str(path))
    owned = partition.owned(dataset(), clients)
    shards = partition.deal(owned.train.y, owned.groups, clients, ROOT)
    return [shards.indices(client).tolist() for client in range(clients)]


@pytest.mark.parametrize("text", ["sample,client\n4,0\n0,2\n\n1,0\n", "\ufeffsample, client\r\n4,0\r\n0, 2\r\n1,0"])
def test_a_table_says_who_has_what(text: str, tmp_path: Path) -> None:
    path = tmp_path / "owners.csv"
    path.write_bytes(text.encode())
    assert of_file(path) == [[1, 4], [], [0]]


def test_lists_say_who_has_what(tmp_path: Path) -> None:
    path = tmp_path / "owners.json"
    path.write_text(json.dumps([[5, 1], [], [0]]))
    assert of_file(path) == [[1, 5], [], [0]]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("o.csv", "a,b\n", r"o\.csv: line 1: is 'a,b'; sample,client is right"),
        ("o.csv", "", r"o\.csv: line 1: is ''"),
        ("o.csv", "sample,client\n0,1\n6,0\n", r"o\.csv: line 3: there is no sample 6: they are 0 to 5"),
        ("o.csv", "sample,client\n0,3\n", "line 2: there is no client 3: they are 0 to 2; e.g. -o clients=4"),
        ("o.csv", "sample,client\n0,1\n0,2\n", "line 3: sample 0 is client 1's already"),
        ("o.csv", "sample,client\n0,-1\n", "line 2: is '0,-1'; two whole numbers are right"),
        ("o.csv", "sample,client\n0\n", "line 2: is '0'; two whole numbers"),
        ("o.json", "{", r"o\.json: is no JSON"),
        ("o.json", "{}", r"o\.json: it: is no list"),
        ("o.json", "[[0], 3]", "client 1: has 3; a list of the numbers of samples"),
        ("o.json", "[[true]]", "client 0: has"),
        ("o.json", "[[0], [0]]", "client 1: sample 0 is client 0's already"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        of_file(tmp_path / name)


def test_a_file_that_is_not_there_is_named() -> None:
    Path("owner.csv").touch()
    with pytest.raises(DataError, match=r"owners\.csv: there is no such file .*-o partition\.path=owner\.csv"):
        of_file(Path("owners.csv"))
    with pytest.raises(ConfigError, match=r"'owners\.txt' is neither a \.csv nor a \.json file"):
        OwnersFile(path="owners.txt")
    with pytest.raises(ConfigError, match=r"is absolute, which every record would tell; .*--data-dir / -o partition"):
        OwnersFile(path="/owners.csv")


def test_a_file_counts_samples_before_some_are_set_apart(tmp_path: Path) -> None:
    path = tmp_path / "owners.json"
    path.write_text(json.dumps([list(range(client, 1437, 4)) for client in range(4)]))
    partition = {"name": "owners-file", "path": str(path)}
    setting = prepare(small(partition=partition, checks=["accuracy"], validation=100))
    whole = fedlens.data.Digits().load().train
    assert int(setting.shards.sizes.sum()) == 1337
    for client in range(4):
        own = setting.dataset.train.take(setting.shards.indices(client))
        rows = {tuple(row.flatten().tolist()) for row in whole.x[client::4]}
        assert all(tuple(row.flatten().tolist()) in rows for row in own.x)


# Clients without samples


class Lopsided(Partition):
    """Leaves some clients without samples."""

    without: tuple[int, ...] = (1,)

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        having = [client for client in range(clients) if client not in self.without]
        owners = torch.tensor(having)[torch.arange(len(labels)) % len(having)] if having else None
        if owners is None:
            return Shards.of_owners(torch.full((len(labels),), clients), clients)
        return Shards.of_owners(owners, clients)


@pytest.mark.parametrize("engine", ["serial", "vectorised"])
def test_clients_without_samples_are_never_chosen(engine: EngineName) -> None:
    results = list(fedlens.simulate(small(partition=Lopsided(), rounds=2, attack=None), engine=engine))
    assert [result.record.cohort for result in results] == [[0, 2, 3]] * 2


def test_with_few_chosen_only_those_with_samples_are_drawn() -> None:
    experiment = small(partition=Lopsided(without=(0, 2)), clients=6, fraction=0.5, rounds=9, attack=None)
    setting = prepare(experiment)
    chosen = [setting.chosen(round_) for round_ in range(1, 10)]
    assert {client for cohort in chosen for client in cohort} == {1, 3, 4, 5}
    assert {len(cohort) for cohort in chosen} == {3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"partition": Lopsided(without=(3,))},
            r"attackers: client 3 has no sample .*-o 'attackers=\{clients: \[2\]\}'",
        ),
        (
            {"partition": Lopsided(without=(0, 1, 2, 3)), "attack": None},
            "no client has a sample; e.g. -o partition=iid",
        ),
    ],
)
def test_who_has_to_have_samples(change: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        prepare(small(**change))


class OneSample(Partition):
    """A client of one sample, two without class 0, and one with nothing else."""

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        zeros, others = (labels == 0).nonzero()[:, 0], (labels != 0).nonzero()[:, 0]
        order = torch.cat([zeros[:1], others[:80], zeros[1:]])
        return Shards.of_sizes(order, torch.tensor([1, 40, 40, len(zeros) - 1]))


@pytest.mark.parametrize("engine", ["serial", "vectorised"])
def test_a_client_with_one_sample_and_ones_without_a_class_take_part(engine: EngineName) -> None:
    [result] = fedlens.simulate(small(partition=OneSample(), rounds=1), engine=engine)
    assert result.record.cohort == [0, 1, 2, 3]
    assert not result.record.malformed
