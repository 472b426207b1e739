"""Saving records as soon as a cell is complete, since at the paper's scale the next one takes hours."""

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from fedlens.experiment.cell import Cell
from fedlens.experiment.presets import Scale
from fedlens.simulation.callback import Callback, Event
from fedlens.studies.paper.records import keep
from fedlens.sweeps.sweep_directory import SweepDirectory


class RecordKeeper(Callback):
    """A callback that saves the records of every run as it finishes, and passes everything on to another one.

    Args:
        callback: the other callback.
        folder: the reproduction's directory.
        scale: of the runs.
    """

    def __init__(self, callback: Callback, folder: Path, scale: Scale) -> None:
        self._callback = callback
        self._folder = folder
        self._scale = scale
        self._cells: dict[str, Cell] = {}

    @override
    def begin_sweep(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        self._cells = {cell.key: cell for cell in cells}
        self._callback.begin_sweep(cells, done, jobs)

    @override
    def event(self, event: Event) -> None:
        # the tables of updates that are drawn are saved when the page is made
        if event.kind == "finished" and (run := SweepDirectory(self._folder).run(self._cells[event.key])) is not None:
            keep(self._folder, self._scale, [run])
        self._callback.event(event)

    @override
    def end_sweep(self) -> None:
        self._callback.end_sweep()
