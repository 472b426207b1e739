"""A sweep's directory.

=====================  =====================================================================
sweep.yaml             the grid as of the last start
cells/IDENTITY/        a run's directory for each experiment, complete or to be gone on with
failures.json          the cells that failed at the last start, each with its values and the reason
rounds.parquet         every round of every complete cell, a row each
=====================  =====================================================================

A cell's place depends on its experiment alone. So a grid may grow or shrink between two starts, and what is common to
both is not repeated.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fedlens.errors import RunError
from fedlens.runs.files import lock, write_atomically, writing
from fedlens.runs.load import Run, load_run
from fedlens.sweeps.grid import Cell, Grid

if TYPE_CHECKING:
    import pandas as pd

ALWAYS = ("seed", "target.draw")
"""Options that have a column whether they vary or not, for intervals are taken over them."""


class SweepDirectory:
    """See the module.

    Args:
        path: the directory, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def begun(self, grid: Grid) -> Iterator[None]:
        """Make the directory, keep others from writing into it, and write down the grid.

        Raises:
            RunError: it cannot be written, or holds something else.
        """
        file = self.path / "sweep.yaml"
        with writing(self.path, "choose another --out"):
            if self.path.exists() and not file.exists() and {entry.name for entry in self.path.iterdir()} - {".lock"}:
                raise RunError(f"{self.path}: something else is there already; choose another --out")
        held = lock(self.path, "sweep")
        try:
            self._write_grid(file, grid)
            yield
        finally:
            held.release()

    def _write_grid(self, file: Path, grid: Grid) -> None:
        with writing(self.path):
            (self.path / "cells").mkdir(exist_ok=True)
        text = yaml.safe_dump(grid.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
        write_atomically(file, text.encode())

    def of(self, cell: Cell) -> Path:
        """The directory of a cell's run."""
        return self.path / "cells" / cell.key

    def done(self, cell: Cell) -> bool:
        """Whether a cell's run is complete."""
        return (self.of(cell) / "summary.json").exists()

    def run(self, cell: Cell) -> Run:
        """A cell's run.

        Raises:
            RunError: it has no rounds yet, or its files are damaged.
        """
        return load_run(self.of(cell))

    def note_failures(self, failures: Sequence[tuple[Cell, str]]) -> None:
        """Write down which cells failed, and why."""
        found = [{"cell": cell.key, "values": cell.values, "reason": reason} for cell, reason in failures]
        write_atomically(self.path / "failures.json", json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n")

    def write_table(self, cells: Sequence[Cell]) -> Path:
        """Write the rounds of all complete cells to ``rounds.parquet``; returns its path."""
        import io

        buffer = io.BytesIO()
        rounds_of(self, cells).to_parquet(buffer, index=False)
        path = self.path / "rounds.parquet"
        write_atomically(path, buffer.getvalue())
        return path


def rounds_of(place: SweepDirectory, cells: Sequence[Cell]) -> "pd.DataFrame":
    """A row for each complete cell and round.

    Returns:
        ``cell`` (its identity), a column for each option that varies (dotted name; parts as ``krum(f=1)``; missing
        where a cell does not set it), ``seed``, ``target.draw`` and ``target_index`` in any case, and the columns of
        `fedlens.runs.load.Run.rounds`.
    """
    import pandas as pd

    options = list(dict.fromkeys(option for cell in cells for option in cell.values))
    frames = [
        _described(cell, place.run(cell), [option for option in options if option not in ALWAYS])
        for cell in cells
        if place.done(cell)
    ]
    if not frames:
        return pd.DataFrame(columns=["cell", *options])
    table = pd.concat([frame.dropna(axis=1, how="all") for frame in frames], ignore_index=True)
    for option in options:
        if option in table and len({type(value) for value in table[option].dropna()}) > 1:
            table[option] = table[option].map(str, na_action="ignore")  # a column of a table has one type
    every = list(dict.fromkeys(column for frame in frames for column in frame.columns))
    return table.reindex(columns=every)


def _described(cell: Cell, run: Run, options: Sequence[str]) -> "pd.DataFrame":
    """The run's rounds behind the columns that say which cell they belong to."""
    head: dict[str, Any] = {"cell": cell.key, **{option: cell.labels.get(option) for option in options}}
    head |= {"seed": run.experiment.seed, "target.draw": run.experiment.target.draw}
    head["target_index"] = " ".join(map(str, run.target["index"]))
    rounds = run.rounds.copy()
    for place, (name, value) in enumerate(head.items()):
        rounds.insert(place, name, value)
    return rounds
