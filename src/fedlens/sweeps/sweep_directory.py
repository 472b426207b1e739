"""A sweep's directory.

=====================  =====================================================================
sweep.yaml             the grid as of the last start, with the whole experiment
start.json             an id that shows whose sweep it is
cells/IDENTITY/        a run directory for each experiment, complete or to be resumed
failures.json          the cells that failed at the last start, each with its values and the reason
unjudged.json          the cells that cannot be judged, likewise, each with what to do
rounds.parquet         every round of every complete cell, a row each
workers.log            what the workers printed
=====================  =====================================================================

A cell's path depends on its experiment alone. So a grid may grow or shrink between two starts, and what both have in
common is not run again.
"""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fedlens.analysis.run_results import Run, read_run, sound_summary
from fedlens.core.code import digest
from fedlens.core.documents import dumps
from fedlens.core.errors import DamagedRunError, RunError, UnjudgedError
from fedlens.core.files import lock, write_atomically, writing
from fedlens.core.numerics import BITS
from fedlens.core.parsing import dump_yaml
from fedlens.core.private_paths import without_folders
from fedlens.core.suggest import another
from fedlens.experiment.cell import Cell
from fedlens.runs.ownership import claim
from fedlens.runs.reading import DIGESTS, read_json
from fedlens.runs.start import START, Start, read_start
from fedlens.runs.unjudged import FILE as UNJUDGED
from fedlens.runs.unjudged import read_unjudged
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.tasks import remedy

if TYPE_CHECKING:
    import pandas as pd

FILE = "sweep.yaml"


class SweepDirectory:
    """A sweep's directory, with the run directories of its cells.

    Args:
        path: the directory, which need not exist.

    Example:
        >>> import fedlens
        >>> sweep = fedlens.sweep("rules.yaml", "sweeps/rules")
        >>> sweep.directory.path.name, sweep.directory.run(sweep.cells[0]).summary.rounds
        ('rules', 2)
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def begun(self, grid: Grid) -> Iterator[None]:
        """Create the directory and lock it for the block; write the grid into it.

        Raises:
            RunError: it cannot be written, or has something else in it.
        """
        with writing(self.path, "choose another --out"):
            names = [entry.name for entry in self.path.iterdir()] if self.path.exists() else []
        if FILE not in names and any(not name.startswith((".lock", f".{FILE}.", START)) for name in names):
            remedy = f"choose another --out, e.g. {another(self.path)}"
            raise RunError(f"{self.path}: something else is there already; {remedy}")
        sweep_lock = lock(self.path, "sweep")
        try:
            self._begin(dump_yaml(grid.whole().model_dump(mode="json")).encode())
            with writing(self.path):
                (self.path / "cells").mkdir(exist_ok=True)
            yield
        finally:
            sweep_lock.release()

    def _begin(self, grid: bytes) -> None:
        """Write the grid, and mark the sweep as this user's."""
        try:
            start = read_start(self.path) or Start()
        except DamagedRunError:
            start = Start()
        write_atomically(self.path / START, dumps(start.content()).encode() + b"\n")
        claim(self.path, grid)
        write_atomically(self.path / FILE, grid)

    def path_of(self, cell: Cell) -> Path:
        """Return the run directory of a cell."""
        return self.path / "cells" / cell.key

    def run(self, cell: Cell) -> Run | None:
        """Load a cell's run; ``None`` if it is not complete.

        Raises:
            DamagedRunError: files have changed since it was completed; the message says what to do.
        """
        path = self.path_of(cell)
        try:
            if cell.experiment is None or (summary := sound_summary(path)) is None:
                return None
            return read_run(path, cell.experiment, summary)
        except DamagedRunError as error:
            raise DamagedRunError(f"{error}; {remedy(path)}") from error

    def unjudged(self, cell: Cell, present: str | None) -> UnjudgedError | None:
        """Return why a cell cannot be judged; ``None`` if no reason was noted, or data or code have changed since.

        Args:
            cell: the cell.
            present: the fingerprint of its data as they are now, if known.
        """
        path, experiment = self.path_of(cell), cell.experiment
        with suppress(DamagedRunError, OSError):
            if experiment is not None and (note := read_unjudged(path)) is not None:
                error, bits = note
                before = read_json(path / DIGESTS)
                code = digest(experiment.code_behind)
                unchanged = before.get("code") == code and present in {None, before.get("data")}
                return error if unchanged and bits == str(BITS) else None
        return None

    def fingerprint(self, cell: Cell) -> str | None:
        """Return the digest of a complete cell's data; ``None`` if it is not complete, or the digest is missing."""
        path = self.path_of(cell)
        with suppress(DamagedRunError, OSError, KeyError):
            return str(read_json(path / DIGESTS)["data"]) if (path / "summary.json").exists() else None
        return None

    def note_failures(self, failures: Sequence[tuple[Cell, str]]) -> None:
        """Write which cells failed, and why."""
        entries = [
            {"cell": cell.key, "values": cell.values, "reason": without_folders(reason)} for cell, reason in failures
        ]
        text = dumps(json.loads(json.dumps(entries, default=str)), indent=2)
        write_atomically(self.path / "failures.json", text.encode() + b"\n")

    def note_unjudged(self, unjudged: Sequence[tuple[Cell, UnjudgedError]]) -> None:
        """Write which cells cannot be judged, why, and what to do."""
        entries = [
            {
                "cell": cell.key,
                "values": {**cell.labels, "seed": cell.experiment.seed} if cell.experiment else cell.labels,
                "reason": without_folders(error.reason),
                "remedies": [without_folders(remedy) for remedy in error.remedies],
            }
            for cell, error in unjudged
        ]
        write_atomically(self.path / UNJUDGED, dumps(entries, indent=2).encode() + b"\n")

    def write_table(self, table: "pd.DataFrame") -> None:
        """Write the rounds of all complete cells."""
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_atomically(self.path / "rounds.parquet", buffer.getvalue())
