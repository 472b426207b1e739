"""An audit in the terminal: its stages, with a line that changes for single rounds and a table of the federations."""

from collections.abc import Callable, Sequence
from time import perf_counter

from rich.console import Console
from rich.status import Status
from typing_extensions import override

from fedlens.experiment.cell import Cell
from fedlens.report.terminal.sweep_progress import SweepTerminal

EVERY = 30.0
"""Seconds between two lines about single rounds where nothing can be drawn over."""


class AuditTerminal(SweepTerminal):
    """The callback of ``fedlens audit``, which is told of the rest, too.

    Args:
        console: where to.
        clock: in seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = perf_counter) -> None:
        super().__init__(console, "Whole federations")
        self._clock = clock
        self._began = self._last = clock()
        self._status: Status | None = None

    def stage(self, words: str) -> None:
        """Say what is being done from now on."""
        self.close()
        self._print(words)

    def step(self, words: str) -> None:
        """Say what has just been done."""
        if not self._console.is_terminal:
            if self._clock() - self._last >= EVERY:
                self._print(f"  {words}")
        elif self._status is None:
            self._status = self._console.status(words)
            self._status.start()
        else:
            self._status.update(words)

    def close(self) -> None:
        """Take away the line that changes."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    @override
    def begin_sweep(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        self.close()
        if len(done) < len(cells):
            super().begin_sweep(cells, done, jobs)

    def _print(self, words: str) -> None:
        self._last = self._clock()
        minutes, seconds = divmod(int(self._last - self._began), 60)
        self._console.print(f"{minutes}:{seconds:02} {words}", style="dim", markup=False, soft_wrap=True)
