"""Small grids, and a executor that needs no processes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from small import small

from fedlens.core.config import validate
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.sweep import Sweep, run_cells
from fedlens.sweeps.sweep_runtime import SweepRuntime
from fedlens.sweeps.tasks import Notify, Task, perform


class InProcess:
    """Plays tasks in this process, one after another."""

    jobs: int
    keys: list[str]

    def __init__(self, jobs: int, log: Path) -> None:
        type(self).jobs, type(self).keys = jobs, []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, tasks: Sequence[Task], notify: Notify) -> None:
        for task in tasks:
            self.keys.append(task.key)
            perform(task.plain(), notify)


def grid_of(product: dict[str, Any], **changes: Any) -> Grid:
    """A grid over the small experiment, of two rounds."""
    return validate(Grid, {"experiment": small(**({"rounds": 2} | changes)).describe(), "product": product})


def swept(grid: Grid, make_executor: Any = InProcess, jobs: int | None = 2, **options: Any) -> Sweep:
    """The grid played into the directory ``sweep``."""
    return run_cells(
        grid, grid.cells(), Path("sweep"), runtime=SweepRuntime(jobs=jobs, **options), make_executor=make_executor
    )


def nobody(jobs: int, log: Path) -> Any:
    """A executor that must not be made."""
    raise AssertionError("nothing was left to do")


def twins() -> list[Path]:
    """The benign twins in the cache."""
    return sorted(path for path in Path(os.environ["FEDLENS_CACHE"], "controls").iterdir() if path.is_dir())
