"""Playing a sweep: what is done already, what is left, and what came of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fedlens.errors import ConfigError
from fedlens.federation.engines.engine import EngineName, cores
from fedlens.sweeps.grid import Cell, Grid
from fedlens.sweeps.local import Local
from fedlens.sweeps.place import SweepDirectory, rounds_of
from fedlens.sweeps.tasks import Event, Task, Workforce

if TYPE_CHECKING:
    import pandas as pd


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


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been played.

    Attributes:
        place: its directory.
        cells: all of its cells.
        failures: those that failed, with the reason.
    """

    place: SweepDirectory
    cells: list[Cell]
    failures: list[tuple[Cell, str]]

    @property
    def rounds(self) -> "pd.DataFrame":
        """See `fedlens.sweeps.place.rounds_of`."""
        return rounds_of(self.place, self.cells)


@dataclass(frozen=True)
class SweepMeans:
    """By what means a sweep is played; none of it changes a result.

    Attributes:
        jobs: cells played at a time; by default one a core.
        engine: who does the work of a run.
        workers: worker processes of each run; by default as many as leave each job its share of the cores.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
    """

    jobs: int | None = None
    engine: EngineName = "auto"
    workers: int | None = None
    device: str = "cpu"
    data_dir: Path | None = None

    def of_a_run(self, jobs: int) -> dict[str, Any]:
        """The keyword arguments of `fedlens.run` where so many runs go on at a time."""
        workers = self.workers
        if workers is None and self.engine != "serial" and self.device == "cpu":
            workers = max(1, cores() // jobs)
        data_dir = self.data_dir.resolve() if self.data_dir is not None else None
        return {"engine": self.engine, "workers": workers, "device": self.device, "data_dir": data_dir}


def play(
    grid: Grid,
    cells: Sequence[Cell],
    path: Path,
    *,
    means: SweepMeans,
    observer: SweepObserver | None = None,
    hire: Callable[[int, Path], AbstractContextManager[Workforce]] = Local,
) -> Sweep:
    """Play those of the cells that are not done.

    Args:
        grid: what the sweep is called, and kept with it.
        cells: its cells.
        path: the sweep's directory, new or of an earlier start.
        means: how many at a time, and by what means.
        observer: is told what happens.
        hire: a workforce of so many workers, with a file for what they print.

    Returns:
        The sweep; cells that failed are in its `failures`, and are tried again when it is played again.

    Raises:
        ConfigError: there is no way to play it.
        RunError: the directory cannot be used.
    """
    jobs = cores() if means.jobs is None else means.jobs
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least one is needed")
    place, observer = SweepDirectory(path.resolve()), observer or Unobserved()
    with place.begun(grid):
        by_key = {cell.key: cell for cell in cells}
        failures = [(cell, cell.error) for cell in by_key.values() if cell.experiment is None]
        done = [cell for cell in by_key.values() if cell.experiment is not None and place.done(cell)]
        tasks = [
            Task(cell.key, cell.experiment, place.of(cell), means.of_a_run(jobs))
            for cell in by_key.values()
            if cell.experiment is not None and not place.done(cell)
        ]

        def tell(event: Event) -> None:
            if event.kind == "failed":
                failures.append((by_key[event.key], event.content["reason"]))
            observer.event(event)

        observer.begin(list(by_key.values()), done, jobs)
        try:
            if tasks:
                with hire(jobs, place.path / "workers.log") as workforce:
                    workforce.play(tasks, tell)
        finally:
            observer.end()
            place.note_failures(failures)
            place.write_table(cells)
    return Sweep(place, list(cells), failures)
