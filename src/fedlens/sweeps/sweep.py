"""Running a sweep: which cells are done, which are left, and their results."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlens.analysis.run_results import Run
from fedlens.core.config import validate
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import DamagedRunError, UnjudgedError
from fedlens.core.files import in_a_sweep
from fedlens.experiment.cell import Cell
from fedlens.simulation.callback import Callback, Event, callback_of
from fedlens.sweeps.data_consistency import data_of, on_other_data, present_data
from fedlens.sweeps.grid import Grid, load_grid
from fedlens.sweeps.rounds_table import rounds_of
from fedlens.sweeps.sweep_directory import SweepDirectory
from fedlens.sweeps.sweep_runtime import MakeExecutor, On, SweepRuntime
from fedlens.sweeps.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

OF_0_1 = {"begin_sweep": "begin", "end_sweep": "end"}
"""Methods of a sweep's observer in version 0.1, by their names in `Callback`."""


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been run.

    Attributes:
        directory: where it is.
        cells: all of its cells.
        failures: those that failed, with the reason.
        unjudged: those that cannot be judged, with the reason and what to do.
        present: the fingerprints of data as they are now, where known.

    Example:
        >>> import fedlens
        >>> sweep = fedlens.sweep("rules.yaml", "sweeps/rules")
        >>> [str(cell) for cell in sweep.cells], sweep.failures
        (['aggregation=mean, attack.boost=2', 'aggregation=median, attack.boost=2'], [])
    """

    directory: SweepDirectory
    cells: list[Cell]
    failures: list[tuple[Cell, str]]
    unjudged: list[tuple[Cell, UnjudgedError]] = field(default_factory=list)
    present: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> SweepDirectory:
        """Return `directory` by its name of version 0.1."""
        warnings.warn("Sweep.place is now Sweep.directory; the old name will be removed", DeprecationWarning, 2)
        return self.directory

    def look(self) -> tuple[list[tuple[Cell, Run]], list[tuple[Cell, str]]]:
        """Return complete cells with their runs, and cells whose runs are damaged or on other data, with advice."""
        complete, damaged = [], []
        on_others = on_other_data(self.directory, self.cells, self.present)
        for cell in self.cells:
            try:
                if cell.key in on_others:
                    damaged.append((cell, on_others[cell.key]))
                elif (run := self.directory.run(cell)) is not None:
                    complete.append((cell, run))
            except DamagedRunError as error:
                damaged.append((cell, str(error)))
        return complete, damaged

    @property
    def rounds(self) -> "pd.DataFrame":
        """Return all rounds of all complete cells; see `fedlens.sweeps.rounds_table.rounds_of`."""
        return rounds_of(self.look()[0])


@in_a_sweep()
def run_cells(
    grid: Grid,
    cells: Sequence[Cell],
    path: Path,
    *,
    runtime: SweepRuntime,
    observer: Callback | None = None,
    make_executor: MakeExecutor | None = None,
    tabulate: "Callable[[Sweep], pd.DataFrame]" = lambda sweep: sweep.rounds,
) -> Sweep:
    """Run those of the cells that are not done.

    Args:
        grid: is written into the sweep's directory.
        cells: its cells; an experiment that two of them share is run once.
        path: the sweep's directory, new or of an earlier start.
        runtime: where and how the sweep runs.
        observer: called as the sweep goes on.
        make_executor: makes an executor to use instead of the runtime's.
        tabulate: makes the table of rounds that is written into the directory; by default those of `cells`.

    Returns:
        The sweep; cells that failed are in its `failures`, and are tried again at the next start. Those in `unjudged`
        are tried again if the data or the code have changed.

    Raises:
        ConfigError: options of `runtime` contradict each other or cannot be fulfilled.
        RunError: the directory cannot be used.
    """
    runtime.require_possible()
    sweep = Sweep(SweepDirectory(path.resolve()), list(cells), [])
    callback = callback_of(observer, OF_0_1)
    with sweep.directory.begun(grid):
        by_key = {cell.key: cell for cell in cells}
        once = list(by_key.values())
        sweep = replace(sweep, present=present_data(sweep.directory, once, runtime.data_dir))
        complete, damaged = replace(sweep, cells=once).look()
        for cell in once:
            fingerprint = sweep.present.get(data_of(cell.experiment)) if cell.experiment is not None else None
            if (error := sweep.directory.unjudged(cell, fingerprint)) is not None:
                sweep.unjudged.append((cell, error))
        done = [cell for cell, _ in [*complete, *sweep.unjudged]]
        settled = {cell.key for cell in [*done, *(cell for cell, _ in damaged)]}
        left = [(cell, cell.experiment) for cell in once if cell.experiment is not None and cell.key not in settled]
        sweep.failures.extend((cell, cell.error) for cell in once if cell.experiment is None)

        def notify(event: Event) -> None:
            if event.kind == "failed":
                sweep.failures.append((by_key[event.key], event.content["reason"]))
            elif event.kind == "unjudged":
                sweep.unjudged.append((by_key[event.key], UnjudgedError(**event.content)))
            callback.event(event)

        with runtime.executor_for([experiment for _, experiment in left]) as (most, make_default):
            jobs = max(1, min(most, len(left)))
            options = runtime.run_options(jobs)
            tasks = [Task(cell.key, experiment, sweep.directory.path_of(cell), options) for cell, experiment in left]
            callback.begin_sweep(once, done, jobs)
            try:
                for cell, reason in damaged:
                    notify(Event(cell.key, "failed", {"reason": reason}))
                if tasks:
                    with (make_executor or make_default)(jobs, sweep.directory.path / "workers.log") as executor:
                        executor.run(tasks, notify)
                    reported = {cell.key for cell, _ in damaged}
                    for key, reason in on_other_data(sweep.directory, once, sweep.present).items():
                        if key not in reported:
                            notify(Event(key, "failed", {"reason": reason}))
            finally:
                callback.end_sweep()
                sweep.directory.note_failures(sweep.failures)
                sweep.directory.note_unjudged(sweep.unjudged)
                sweep.directory.write_table(tabulate(sweep))
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
    observer: Callback | None = None,
) -> Sweep:
    """Run every cell of a grid that has not been run yet.

    Args:
        grid: a YAML file, or its content.
        out: the sweep's directory, new or of an earlier start; by default ``sweeps/NAME``.
        jobs: cells run at once, each by a process of its own; by default one a core.
        engine: the engine of each run.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
        on: ``local`` for this machine, ``ray`` for the machines of a Ray cluster.
        address: of that cluster; see `fedlens.cluster.connection.connected`.
        mixed_cpus: whether its processors may differ.
        client_timeout: seconds that a client, a check, the rule or other custom code may take before its cell fails.
        observer: called as the sweep goes on.

    Returns:
        The sweep, with all rounds as one table; cells that failed are in its `failures`, with the reason, and those
        that cannot be judged in `unjudged`.

    Raises:
        FedlensError: there is no such grid, it is none, or the directory cannot be used.

    Example:
        >>> import fedlens
        >>> grid = {"experiment": "runs/digits", "product": {"aggregation": ["mean", "median"], "attack.boost": [2]}}
        >>> sweep = fedlens.sweep(grid, "sweeps/rules")
        >>> sweep.rounds[["aggregation", "round", "attacker"]]
          aggregation  round  attacker
        0        mean      1      True
        1        mean      2      True
        2      median      1      True
        3      median      2      True
    """
    if isinstance(grid, str | Path):
        grid = load_grid(grid)
    elif not isinstance(grid, Grid):
        grid = validate(Grid, dict(grid))
    runtime = SweepRuntime(jobs, engine, device, data_dir, on, address, mixed_cpus, client_timeout)
    path = Path("sweeps") / grid.name if out is None else Path(out)
    return run_cells(grid, grid.cells(), path, runtime=runtime, observer=observer)
