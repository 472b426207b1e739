"""What a claim is tested with: a seed, and a target of it."""

from typing import NamedTuple


class Case(NamedTuple):
    """A seed, and which of its draws of a target."""

    seed: int
    draw: int
