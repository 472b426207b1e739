"""What others' functions returned, and how they are taken: what `elsewhere_ran.py` and its demonstrations share."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Protocol

from numpy.typing import ArrayLike

from fedlens.studies.conformance.case import Rows


@dataclass(frozen=True)
class Shown:
    """What somebody's function returned.

    Attributes:
        what: of what.
        right: what the publication's formula gives.
        stated: what the statement's words foretell.
        theirs: what their function returned.
    """

    what: str
    right: ArrayLike
    stated: ArrayLike
    theirs: ArrayLike


class Take(Protocol):
    """What takes functions out of a file of one repository."""

    def __call__(self, file: str, *names: str, **world: object) -> SimpleNamespace:
        """Return functions of these names; `world` is what they use from outside."""


def flower_results(rows: Rows) -> list[tuple[list[Rows], int]]:
    """Return updates as Flower has them: layers, of which there is one, and a number of samples."""
    return [([row], 1) for row in rows]
