"""A case in which a claim is tested: a seed and one of its targets."""

from typing import NamedTuple


class Case(NamedTuple):
    """A seed, and the number of a draw of targets from it."""

    seed: int
    draw: int
