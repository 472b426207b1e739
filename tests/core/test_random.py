import hashlib
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlens.core.random import Address, global_states, seeded

names = st.one_of(st.text(max_size=5), st.integers(-(2**40), 2**40))
paths = st.lists(names, max_size=4)
seeds = st.integers(0, 2**63)


def draws(address: Address) -> list[int]:
    return address.generator().integers(0, 2**62, size=4).tolist()


def test_streams_are_the_same_in_every_version() -> None:
    address = Address.root(0).at("client", 3, 7)
    assert Address.root(0).key.hex() == "9c27b16e963fdd1eb1c592fb3350e117"
    assert address.key.hex() == "02952eee09cc87cb518a93d9687db4a3"
    assert address.generator().bit_generator.random_raw(3).tolist() == [
        2384378726556018559,
        11582189272484429306,
        528630645597701692,
    ]
    assert address.integer() == 14665915054578111746


def test_the_key_is_a_keyed_digest_of_the_name() -> None:
    root = Address.root(5)
    assert root.key == hashlib.blake2b(b"5", digest_size=16, person=b"fedlens").digest()
    assert root.at("shuffle").key == hashlib.blake2b(b"'shuffle'", digest_size=16, key=root.key).digest()
    assert root.at(12).key == hashlib.blake2b(b"12", digest_size=16, key=root.key).digest()
    assert root.integer() == int.from_bytes(root.key[:8], "little")


@given(seeds, paths)
def test_same_path_same_stream(seed: int, path: list[str | int]) -> None:
    assert draws(Address.root(seed).at(*path)) == draws(Address.root(seed).at(*path))


def test_a_generator_is_at_its_beginning_every_time() -> None:
    address = Address.root(1)
    used = address.generator()
    first = used.random()
    used.random(1_000)
    assert address.generator().random() == first


@given(seeds, paths, names, names)
def test_siblings_differ(seed: int, path: list[str | int], one: str | int, other: str | int) -> None:
    parent = Address.root(seed).at(*path)
    assert (parent.at(one) == parent.at(other)) == (one == other)
    assert (draws(parent.at(one)) == draws(parent.at(other))) == (one == other)


@given(seeds, seeds)
def test_seeds_differ(one: int, other: int) -> None:
    assert (Address.root(one) == Address.root(other)) == (one == other)


def test_a_number_and_its_text_are_different_names() -> None:
    root = Address.root(0)
    assert root.at(1) != root.at("1")
    assert draws(root.at(1)) != draws(root.at("1"))


def test_names_do_not_run_together() -> None:
    root = Address.root(0)
    addresses = [root.at("ab"), root.at("a", "b"), root.at("b", "a"), root.at(11), root.at(1, 1), root.at("a', 'b")]
    assert len({address.key for address in addresses}) == len(addresses)


@given(seeds, paths, paths)
def test_paths_compose(seed: int, first: list[str | int], second: list[str | int]) -> None:
    root = Address.root(seed)
    assert root.at(*first, *second) == root.at(*first).at(*second)


def test_an_empty_path_stays_where_it_is() -> None:
    assert Address.root(3).at() == Address.root(3)


@given(seeds, paths, names)
def test_a_child_does_not_give_its_parent_away(seed: int, path: list[str | int], name: str | int) -> None:
    parent = Address.root(seed).at(*path)
    child = parent.at(name)
    assert vars(child) == {"key": child.key}
    assert len(child.key) == len(parent.key) == 16
    assert child.key != parent.key
    assert not any(parent.key[start : start + 4] in child.key for start in range(13))


def test_draws_of_siblings_are_uncorrelated() -> None:
    root = Address.root(2)
    normal = np.stack([root.at("client", client).generator().standard_normal(10_000) for client in range(20)])
    correlations = np.corrcoef(normal)[np.triu_indices(20, 1)]
    assert np.abs(correlations).max() < 0.05  # five standard deviations of 1/√10,000


def test_numpys_integers_are_integers() -> None:
    assert Address.root(1).at(np.int64(3)) == Address.root(1).at(3)


def drawn() -> list[float]:
    """A number from each global generator."""
    return [torch.rand(()).item(), np.random.rand(), random.random()]  # noqa: NPY002


def test_seeded_draws_by_its_address_and_gives_all_generators_back() -> None:
    before = global_states()
    with seeded(Address.root(4)):
        first = drawn()
        assert global_states() != before
    assert global_states() == before
    with seeded(Address.root(4)):
        assert drawn() == first
    with seeded(Address.root(4).at("other")):
        assert not set(drawn()) & set(first)
    with pytest.raises(ZeroDivisionError), seeded(Address.root(4)):  # noqa: PT012
        drawn()
        raise ZeroDivisionError
    assert global_states() == before


def test_where_there_are_devices_their_generators_are_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    for available in (False, True):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda available=available: available)
        with seeded(Address.root(4)):
            assert seeds == [Address.root(4).integer()] * available


def test_what_is_drawn_is_the_same_in_every_version_of_fedlens() -> None:
    with seeded(Address.root(0)):
        assert drawn() == pytest.approx([0.006285309791564941, 0.030251881804864933, 0.9096744701818096])


def test_new_generators_without_a_seed_are_seeded_until_the_block_is_left() -> None:
    makers = (np.random.default_rng, np.random.RandomState, random.Random, lambda: random.Random(None))
    before = global_states(), random.Random.seed

    def first() -> list[float]:
        return [float(make().random()) for make in (*makers, *makers)]

    with seeded(Address.root(1)):
        drawn = first()
        seeds = [np.random.default_rng(5).random(), random.Random(5).random(), random.Random("a").random()]
    with seeded(Address.root(1)):
        assert first() == drawn
    with seeded(Address.root(2)):
        assert not set(first()) & set(drawn)
    assert len(set(drawn)) == 8, "each has a seed of its own"
    assert seeds == [np.random.default_rng(5).random(), random.Random(5).random(), random.Random("a").random()]
    assert (global_states(), random.Random.seed) == before
    assert not set(first()) & set(first()), "outside, the operating system gives them"


@pytest.mark.parametrize("draw", [lambda: torch.randn(()), np.random.rand, random.random])
def test_a_draw_is_seen_in_the_states(draw: Callable[[], object]) -> None:
    before = global_states()
    assert global_states() == before
    draw()
    assert global_states() != before
