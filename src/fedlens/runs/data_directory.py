"""The data directories with which this user's runs were begun, for resuming.

They are in the user's state, not in the run's directory, which may be passed on: their names say who works where.
"""

import json
from pathlib import Path

from fedlens.core.paths import append_state, read_state
from fedlens.runs.start import read_start

FILE = "data-directories"


def remember(run: Path, directory: Path) -> None:
    """Remember the data directory of the run in the directory `run`, which has its id."""
    start = read_start(run)
    if start is not None and remembered(run) != directory.resolve():
        append_state(FILE, json.dumps([start.id, str(directory.resolve())]))


def remembered(run: Path) -> Path | None:
    """Return the data directory that was last remembered of a run; ``None`` if there is none.

    Runs of version 0.1 have it in ``start.json``.

    Raises:
        DamagedRunError: ``start.json`` is damaged.
    """
    if (start := read_start(run)) is None:
        return None
    prefix = f"[{json.dumps(start.id)}, "
    lines = [line for line in read_state(FILE) if line.startswith(prefix)]
    directory = json.loads(lines[-1])[1] if lines else start.data_dir
    return None if directory is None else Path(directory)
