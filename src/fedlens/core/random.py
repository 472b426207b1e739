"""Addressed randomness: every draw has a place of its own in a tree that the seed spans.

A generator is derived from where it is used (``root.at("client", 3, 7)``), never taken from a sequence. What
client 7 draws in round 3 therefore does not depend on the engine, the number of workers, the order of the work,
or an interruption. Deriving goes one way: who holds an address can reach what lies below it, and nothing beside it.

Custom code may draw from the global generators of PyTorch, NumPy and Python, or make some of its own; it is called with
all of them `seeded`.
"""

import hashlib
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.random import bit_generator


@dataclass(frozen=True)
class Address:
    """A place in the tree of random streams.

    Example:
        >>> from fedlens import Address
        >>> address = Address.root(0).at("client", 3)
        >>> address.generator().integers(100, size=3), address.generator().integers(100, size=3)
        (array([29, 51, 48]), array([29, 51, 48]))
    """

    key: bytes

    @classmethod
    def root(cls, seed: int) -> "Address":
        """Return the top of the tree that belongs to `seed`."""
        return cls(hashlib.blake2b(str(seed).encode(), digest_size=16, person=b"fedlens").digest())

    def at(self, *path: str | int) -> "Address":
        """Return the address below this one that `path` names; 1 and "1" are different names."""
        key = self.key
        for part in path:
            name = part if isinstance(part, str) else int(part)
            key = hashlib.blake2b(repr(name).encode(), digest_size=16, key=key).digest()
        return Address(key)

    def generator(self) -> np.random.Generator:
        """Return a fresh generator (Philox with this address as its 128-bit key), at its beginning every time."""
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self.key, "little")))

    def integer(self) -> int:
        """Return the address as a 64-bit number, for a library that wants a seed."""
        return int.from_bytes(self.key[:8], "little")


@contextmanager
def seeded(address: Address) -> Iterator[None]:
    """Seed the global generators of PyTorch, NumPy and Python from `address`; their states come back afterwards.

    Generators that are made meanwhile without a seed, by ``numpy.random.default_rng()`` or ``random.Random()``, draw
    one from Python's global generator. What asks the operating system itself (``secrets``) is not seeded.
    """
    import torch

    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002 - which is what others use
    with torch.random.fork_rng():
        if torch.accelerator.is_available():
            torch.manual_seed(address.integer())
        else:  # which takes a hundredth of the time, for it formats no traceback for each device that is not here
            torch.default_generator.manual_seed(address.integer())
        np.random.seed(np.frombuffer(address.key, dtype="<u4"))  # noqa: NPY002
        random.seed(address.key)
        try:
            with _seeding_new():
                yield
        finally:
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)


@contextmanager
def _seeding_new() -> Iterator[None]:
    """Draw the seeds of new generators from Python's global one, and not from the operating system."""
    numpys, pythons = cast("Any", bit_generator), cast("Any", random.Random)
    randbits, reseed = numpys.randbits, pythons.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        reseed(self, random.getrandbits(128) if a is None else a, version)

    numpys.randbits, pythons.seed = random.getrandbits, seed
    try:
        yield
    finally:
        numpys.randbits, pythons.seed = randbits, reseed


def global_states() -> bytes:
    """Digest the states of these generators; if two are equal, nothing was drawn in between."""
    import torch

    states = (torch.get_rng_state().numpy().tobytes(), np.random.get_state(), random.getstate())  # noqa: NPY002
    return hashlib.blake2b(pickle.dumps(states), digest_size=16).digest()
