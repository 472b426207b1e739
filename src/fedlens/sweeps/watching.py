"""What a caller may watch while a sweep is played."""

from collections.abc import Sequence
from typing import Protocol

from fedlens.sweeps.cell import Cell
from fedlens.sweeps.tasks import Event


class SweepObserver(Protocol):
    """Is told how a sweep goes."""

    def begin(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        """Of these cells some are done already; of the others so many are played at a time."""

    def event(self, event: Event) -> None:
        """Something happened to a cell."""

    def end(self) -> None:
        """All have been played, or something went wrong."""


class Unobserved:
    """Watches nothing."""

    def begin(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        """See `SweepObserver`."""

    def event(self, event: Event) -> None:
        """See `SweepObserver`."""

    def end(self) -> None:
        """See `SweepObserver`."""
