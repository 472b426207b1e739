"""Records that are kept as soon as a cell is complete, for at the paper's scale the next one takes hours."""

from collections.abc import Sequence
from pathlib import Path

from fedlens.experiment.presets import Scale
from fedlens.studies.paper.records import keep
from fedlens.sweeps.cell import Cell
from fedlens.sweeps.sweep_directory import SweepDirectory
from fedlens.sweeps.sweep_observer import SweepObserver
from fedlens.sweeps.tasks import Event


class Keeping:
    """A `SweepObserver` that keeps the records of every run as it is finished, and tells another observer everything.

    Args:
        observer: the other one.
        folder: the reproduction's directory.
        scale: of the runs.
    """

    def __init__(self, observer: SweepObserver, folder: Path, scale: Scale) -> None:
        self._observer = observer
        self._folder = folder
        self._scale = scale
        self._cells: dict[str, Cell] = {}

    def begin(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        """See `SweepObserver`."""
        self._cells = {cell.key: cell for cell in cells}
        self._observer.begin(cells, done, jobs)

    def event(self, event: Event) -> None:
        """See `SweepObserver`; the tables of updates that are drawn are kept when the page is made."""
        if event.kind == "finished" and (run := SweepDirectory(self._folder).run(self._cells[event.key])) is not None:
            keep(self._folder, self._scale, [run])
        self._observer.event(event)

    def end(self) -> None:
        """See `SweepObserver`."""
        self._observer.end()
