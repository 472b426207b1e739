"""Checks that all cells of a sweep ran on the same data, so that others are not averaged with the rest.

A user's file may change between two starts of a sweep, and a user's class may draw other samples each time. The
fingerprint of the data that a cell ran on is in its run's directory.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from fedlens.core.custom import is_custom
from fedlens.core.registry import describe
from fedlens.experiment.cell import Cell
from fedlens.experiment.experiment import Experiment
from fedlens.runs.unjudged import FILE as UNJUDGED
from fedlens.sweeps.sweep_directory import SweepDirectory
from fedlens.sweeps.tasks import remedy


def present_data(directory: SweepDirectory, cells: Iterable[Cell], data_dir: Path | None) -> dict[str, str]:
    """Return fingerprints of custom data as they are now, where some cells on them are complete and others are not.

    A cell that could not be judged counts as both, since other data may change that.

    Returns:
        The fingerprints by the data's description; data that cannot be loaded are left out, as those cells will fail.
    """
    unfinished: dict[str, Experiment] = {}
    complete: set[str] = set()
    for cell in cells:
        if cell.experiment is not None and is_custom(cell.experiment.data):
            if (directory.path_of(cell) / UNJUDGED).exists():
                complete.add(data_of(cell.experiment))
                unfinished.setdefault(data_of(cell.experiment), cell.experiment)
            elif directory.fingerprint(cell) is None:
                unfinished.setdefault(data_of(cell.experiment), cell.experiment)
            else:
                complete.add(data_of(cell.experiment))
    fingerprints: dict[str, str] = {}
    if not unfinished.keys() & complete:
        return fingerprints
    from fedlens.data.loading import load  # which takes seconds

    for name in unfinished.keys() & complete:
        with suppress(Exception):  # of the user's class
            fingerprints[name] = load(unfinished[name].data, data_dir).fingerprint()
    return fingerprints


def on_other_data(directory: SweepDirectory, cells: Iterable[Cell], present: Mapping[str, str]) -> dict[str, str]:
    """Find the complete cells whose data differ from the `present` ones, or from those of most other cells.

    Returns:
        By the cell's key, what is wrong and what to do.
    """
    by_data: dict[str, dict[str, tuple[str, Path]]] = {}
    for cell in cells:
        if cell.experiment is not None and (fingerprint := directory.fingerprint(cell)) is not None:
            by_data.setdefault(data_of(cell.experiment), {})[cell.key] = fingerprint, directory.path_of(cell)
    reasons = {}
    for name, cells_on_it in by_data.items():
        usual, _ = Counter(fingerprint for fingerprint, _ in cells_on_it.values()).most_common(1)[0]
        right, which = (present[name], "there are now") if name in present else (usual, "most other cells have")
        for key, (fingerprint, path) in cells_on_it.items():
            if fingerprint != right:
                why = "a file has changed, or they are drawn anew each time"
                reasons[key] = f"its data are not those that {which}: {why}; {remedy(path)}"
    return reasons


def data_of(experiment: Experiment) -> str:
    """Return the description of an experiment's data, as JSON: a key for their fingerprint."""
    return json.dumps(describe("data", experiment.data), sort_keys=True)
