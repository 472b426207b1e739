"""Playing a sweep: what is done already, what is left, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlens.analysis.run_results import Run
from fedlens.core.config import validate
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import DamagedRunError, UnjudgedError
from fedlens.core.files import in_a_sweep
from fedlens.sweeps.alike import data_of, on_other_data, present_data
from fedlens.sweeps.cell import Cell
from fedlens.sweeps.grid import Grid, load_grid
from fedlens.sweeps.place import SweepDirectory
from fedlens.sweeps.runtime import Hire, On, SweepMeans
from fedlens.sweeps.table import rounds_of
from fedlens.sweeps.tasks import Event, Task
from fedlens.sweeps.watching import SweepObserver, Unobserved

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been played.

    Attributes:
        place: its directory.
        cells: all of its cells.
        failures: those that failed, with the reason.
        unjudged: those that cannot be judged, with the reason and what to do.
        present: the fingerprints of data as they are now, where that is known.
    """

    place: SweepDirectory
    cells: list[Cell]
    failures: list[tuple[Cell, str]]
    unjudged: list[tuple[Cell, UnjudgedError]] = field(default_factory=list)
    present: Mapping[str, str] = field(default_factory=dict)

    def look(self) -> tuple[list[tuple[Cell, Run]], list[tuple[Cell, str]]]:
        """The complete cells with their runs, and those whose runs are damaged or on other data, with what to do."""
        complete, damaged = [], []
        unlike = on_other_data(self.place, self.cells, self.present)
        for cell in self.cells:
            try:
                if cell.key in unlike:
                    damaged.append((cell, unlike[cell.key]))
                elif (run := self.place.run(cell)) is not None:
                    complete.append((cell, run))
            except DamagedRunError as error:
                damaged.append((cell, str(error)))
        return complete, damaged

    @property
    def rounds(self) -> "pd.DataFrame":
        """See `fedlens.sweeps.table.rounds_of`."""
        return rounds_of(self.look()[0])


@in_a_sweep()
def play(
    grid: Grid,
    cells: Sequence[Cell],
    path: Path,
    *,
    means: SweepMeans,
    observer: SweepObserver | None = None,
    hire: Hire | None = None,
    tabulate: "Callable[[Sweep], pd.DataFrame]" = lambda sweep: sweep.rounds,
) -> Sweep:
    """Play those of the cells that are not done.

    Args:
        grid: what the sweep is called, and kept with it.
        cells: its cells; two of the same experiment are played once.
        path: the sweep's directory, new or of an earlier start.
        means: how many at a time, and by what means.
        observer: is told what happens.
        hire: what hires a workforce in place of the one of these means.
        tabulate: makes the table of rounds in the directory; by default those of `cells`.

    Returns:
        The sweep; cells that failed are in its `failures`, and are tried again when it is played again. Those in
        `unjudged` are tried again if the data or the code have changed.

    Raises:
        ConfigError: there is no way to play it.
        RunError: the directory cannot be used.
    """
    means.require_possible()
    sweep, observer = Sweep(SweepDirectory(path.resolve()), list(cells), []), observer or Unobserved()
    with sweep.place.begun(grid):
        by_key = {cell.key: cell for cell in cells}
        once = list(by_key.values())
        sweep = replace(sweep, present=present_data(sweep.place, once, means.data_dir))
        complete, damaged = replace(sweep, cells=once).look()
        for cell in once:
            found = sweep.present.get(data_of(cell.experiment)) if cell.experiment is not None else None
            if (error := sweep.place.unjudged(cell, found)) is not None:
                sweep.unjudged.append((cell, error))
        done = [cell for cell, _ in [*complete, *sweep.unjudged]]
        known = {cell.key for cell in [*done, *(cell for cell, _ in damaged)]}
        left = [(cell, cell.experiment) for cell in once if cell.experiment is not None and cell.key not in known]
        sweep.failures.extend((cell, cell.error) for cell in once if cell.experiment is None)

        def tell(event: Event) -> None:
            if event.kind == "failed":
                sweep.failures.append((by_key[event.key], event.content["reason"]))
            elif event.kind == "unjudged":
                sweep.unjudged.append((by_key[event.key], UnjudgedError(**event.content)))
            observer.event(event)

        with means.crew([experiment for _, experiment in left]) as (most, hire_crew):
            jobs = max(1, min(most, len(left)))
            tasks = [Task(cell.key, found, sweep.place.of(cell), means.of_a_run(jobs)) for cell, found in left]
            observer.begin(once, done, jobs)
            try:
                for cell, reason in damaged:
                    tell(Event(cell.key, "failed", {"reason": reason}))
                if tasks:
                    with (hire or hire_crew)(jobs, sweep.place.path / "workers.log") as workforce:
                        workforce.play(tasks, tell)
                    told = {cell.key for cell, _ in damaged}
                    for key, reason in on_other_data(sweep.place, once, sweep.present).items():
                        if key not in told:
                            tell(Event(key, "failed", {"reason": reason}))
            finally:
                observer.end()
                sweep.place.note_failures(sweep.failures)
                sweep.place.note_unjudged(sweep.unjudged)
                sweep.place.write_table(tabulate(sweep))
    return sweep


def sweep(
    grid: Grid | Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    engine: EngineName = "auto",
    device: str = "cpu",
    data_dir: Path | None = None,
    on: On = "local",
    address: str | None = None,
    mixed_cpus: bool = False,
    client_timeout: float | None = None,
    observer: SweepObserver | None = None,
) -> Sweep:
    """Run every cell of a grid that has not been run yet.

    Args:
        grid: a YAML file, or what would stand in it.
        out: the sweep's directory, new or of an earlier start; by default ``sweeps/NAME``.
        jobs: cells played at a time, each by a process of its own; by default one a core.
        engine: who does the work of a run.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
        on: ``local`` for this machine, ``ray`` for the machines of a Ray cluster.
        address: of that cluster; see `fedlens.cluster.connection.connected`.
        mixed_cpus: whether its processors may differ.
        client_timeout: seconds that a client, a check, the rule or other custom code may take before its cell fails.
        observer: is told what happens.

    Returns:
        The sweep, with all rounds as one table; cells that failed are in its `failures`, with the reason, and those
        that cannot be judged in `unjudged`.

    Raises:
        FedlensError: there is no such grid, it is none, or the directory cannot be used.
    """
    if isinstance(grid, str | Path):
        grid = load_grid(grid)
    elif not isinstance(grid, Grid):
        grid = validate(Grid, dict(grid))
    means = SweepMeans(jobs, engine, device, data_dir, on, address, mixed_cpus, client_timeout)
    path = Path("sweeps") / grid.name if out is None else Path(out)
    return play(grid, grid.cells(), path, means=means, observer=observer)
