"""Cells on the same data: those that were made on other ones are found, and not averaged with the rest.

A file of the user's may change between two starts of a sweep, and a class of the user's may draw other samples each
time. What every cell had is in its run's directory.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from fedlens.core.custom import is_custom
from fedlens.core.registry import describe
from fedlens.data.loading import load
from fedlens.experiment.experiment import Experiment
from fedlens.runs.unjudged import FILE as UNJUDGED
from fedlens.sweeps.cell import Cell
from fedlens.sweeps.place import SweepDirectory
from fedlens.sweeps.tasks import remedy


def present_data(place: SweepDirectory, cells: Iterable[Cell], data_dir: Path | None) -> dict[str, str]:
    """Fingerprint custom data as they are now, where some cells on them are complete and others are not.

    A cell that could not be judged is both, for other data may change that.

    Returns:
        The fingerprints by the data's description; none of data that cannot be loaded, which those cells will tell.
    """
    waiting: dict[str, Experiment] = {}
    complete: set[str] = set()
    for cell in cells:
        if cell.experiment is not None and is_custom(cell.experiment.data):
            if (place.of(cell) / UNJUDGED).exists():
                complete.add(data_of(cell.experiment))
                waiting.setdefault(data_of(cell.experiment), cell.experiment)
            elif place.fingerprint(cell) is None:
                waiting.setdefault(data_of(cell.experiment), cell.experiment)
            else:
                complete.add(data_of(cell.experiment))
    found = {}
    for name in waiting.keys() & complete:
        with suppress(Exception):  # of the user's class
            found[name] = load(waiting[name].data, data_dir).fingerprint()
    return found


def on_other_data(place: SweepDirectory, cells: Iterable[Cell], present: Mapping[str, str]) -> dict[str, str]:
    """Find the complete cells whose data were others than the `present` ones, or than those of most other cells.

    Returns:
        By the cell's key, what is wrong and what to do.
    """
    found: dict[str, dict[str, tuple[str, Path]]] = {}
    for cell in cells:
        if cell.experiment is not None and (fingerprint := place.fingerprint(cell)) is not None:
            found.setdefault(data_of(cell.experiment), {})[cell.key] = fingerprint, place.of(cell)
    reasons = {}
    for name, made in found.items():
        usual, _ = Counter(fingerprint for fingerprint, _ in made.values()).most_common(1)[0]
        right, which = (present[name], "there are now") if name in present else (usual, "most other cells have")
        for key, (fingerprint, path) in made.items():
            if fingerprint != right:
                why = "a file has changed, or they are drawn anew each time"
                reasons[key] = f"its data are not those that {which}: {why}; {remedy(path)}"
    return reasons


def data_of(experiment: Experiment) -> str:
    """The description of its data, by which fingerprints are told apart."""
    return json.dumps(describe("data", experiment.data), sort_keys=True)
