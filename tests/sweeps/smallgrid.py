"""Small grids, and a workforce that needs no processes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from small import small

from fedlens.core.config import validate
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.playing import Sweep, play
from fedlens.sweeps.runtime import SweepMeans
from fedlens.sweeps.tasks import Task, Tell, perform


class Here:
    """Plays tasks in this process, one after another."""

    jobs: int
    played: list[str]

    def __init__(self, jobs: int, log: Path) -> None:
        type(self).jobs, type(self).played = jobs, []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def play(self, tasks: Sequence[Task], tell: Tell) -> None:
        for task in tasks:
            self.played.append(task.key)
            perform(task.plain(), tell)


def grid_of(product: dict[str, Any], **changes: Any) -> Grid:
    """A grid over the small experiment, of two rounds."""
    return validate(Grid, {"experiment": small(**({"rounds": 2} | changes)).describe(), "product": product})


def swept(grid: Grid, hire: Any = Here, jobs: int | None = 2, **means: Any) -> Sweep:
    """The grid played into the directory ``sweep``."""
    return play(grid, grid.cells(), Path("sweep"), means=SweepMeans(jobs=jobs, **means), hire=hire)


def nobody(jobs: int, log: Path) -> Any:
    """A workforce that must not be hired."""
    raise AssertionError("nothing was left to do")


def twins() -> list[Path]:
    """The benign twins in the cache."""
    return sorted(path for path in Path(os.environ["FEDLENS_CACHE"], "controls").iterdir() if path.is_dir())
