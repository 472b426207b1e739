"""What a caller may watch while a sweep runs."""

from collections.abc import Sequence
from typing import Protocol

from typing_extensions import override

from fedlens.sweeps.cell import Cell
from fedlens.sweeps.tasks import Event


class SweepObserver(Protocol):
    """An observer of a sweep, for example to print its progress.

    Example:
        >>> import fedlens
        >>> from fedlens.sweeps import SweepObserver
        >>> class Counter(SweepObserver):
        ...     def begin(self, cells, done, jobs):
        ...         print(f"{len(done)} of {len(cells)} cells are done")
        >>> sweep = fedlens.sweep("rules.yaml", "sweeps/rules", observer=Counter())
        2 of 2 cells are done
    """

    def begin(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        """Take note that the sweep begins.

        Args:
            cells: all cells, each experiment once.
            done: those of them that need not be run.
            jobs: how many of the others run at once.
        """

    def event(self, event: Event) -> None:
        """Take note of something that happened to a cell."""

    def end(self) -> None:
        """Take note that all cells have been run, or that something went wrong."""


class Unobserved(SweepObserver):
    """An observer that ignores everything."""

    @override
    def begin(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        pass

    @override
    def event(self, event: Event) -> None:
        pass

    @override
    def end(self) -> None:
        pass
