"""An observer of an audit's federations that also writes down when each has ended, so that its time counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import override

from fedlens.experiment.cell import Cell
from fedlens.simulation.callback import Callback, Event


class Noting(Callback):
    """Tells another callback everything that a sweep tells it.

    Args:
        observer: the other one.
        note: is called with the key of each cell that has ended, and how.
    """

    def __init__(self, observer: Callback, note: Callable[[str, str], None]) -> None:
        self._observer, self._note = observer, note

    @override
    def begin_sweep(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        self._observer.begin_sweep(cells, done, jobs)

    @override
    def event(self, event: Event) -> None:
        self._observer.event(event)
        if event.last:
            self._note(event.key, event.kind)

    @override
    def end_sweep(self) -> None:
        self._observer.end_sweep()
