"""The benign twin that a run without attack is.

Checks that observe change nothing, and no client knows of the target. So a run without attack has been through the same
rounds as its twin, bit for bit, and where it has kept its predictions it has all that a twin has.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fedlens.analysis.summary import summarise
from fedlens.experiment.experiment import Experiment
from fedlens.runs.directory import described, indented, line
from fedlens.runs.folder import files_of
from fedlens.runs.reading import read_rounds

REPLACED = {"experiment.yaml", "rounds.jsonl", "summary.json"}
LEFT_OUT = {"start.json", "digests.json", "target.json", "checks"}


def leaves_twin(experiment: Experiment) -> bool:
    """Whether a run of it goes through all the rounds of its benign twin, and it is not told to do without."""
    return experiment.attack is None and experiment.stop_at is None and experiment.control


def twin_files(run: Path, twin: Experiment, paper_stop: float | None, classes: Sequence[str]) -> dict[str, bytes]:
    """The files of the twin's directory, by their paths in it.

    Args:
        run: the directory of a complete run without attack that has kept its predictions, with or without its weights.
        twin: its experiment's twin.
        paper_stop: of the data set, as in `summarise`.
        classes: likewise.

    Raises:
        DamagedRunError: its records cannot be read.
    """
    records = [_of_twin(record, twin) for record in read_rounds(run)]
    every = files_of(run).items()
    files = {name: content for name, content in every if not {name, name.partition("/")[0]} & (REPLACED | LEFT_OUT)}
    files |= {"experiment.yaml": described(twin), "rounds.jsonl": b"".join(map(line, records))}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    summary = {**summarise(twin, records, paper_stop, classes), "checksums": sums}
    return files | {"summary.json": indented(summary)}


def _of_twin(record: dict[str, Any], twin: Experiment) -> dict[str, Any]:
    """The twin's record of the round of which a run without attack has this one."""
    return {**record, "checks": {name: record["checks"][name] for name in twin.detectors}, "target": None}
