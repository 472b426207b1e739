"""Runs without attack as benign twins.

Checks that observe change nothing, and no client knows the target. So a run without attack has the same rounds as its
twin, bit for bit, and if it has its predictions, it can serve as the twin.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

from fedlens.analysis.summary import summarise
from fedlens.experiment.experiment import Experiment
from fedlens.models.evaluation import ERRORS
from fedlens.runs.directory import described, indented, line
from fedlens.runs.folder import files_of
from fedlens.runs.reading import read_rounds
from fedlens.runs.record import RoundRecord
from fedlens.runs.state import read_checkpoint, with_other_sums
from fedlens.runs.vouched import RECORDS

CHECKPOINT = "checkpoint.safetensors"
REPLACED = {"experiment.yaml", RECORDS, "summary.json"}
LEFT_OUT = {"start.json", "digests.json", "target.json", "checks"}


def twin_files(run: Path, twin: Experiment, paper_stop: float | None, classes: Sequence[str]) -> dict[str, bytes]:
    """Return the files of the twin's directory, by their paths in it.

    Args:
        run: directory of a complete run without attack, with its predictions, with or without weights.
        twin: the experiment of its twin.
        paper_stop: the data set's, as in `summarise`.
        classes: the data set's class names.

    Raises:
        DamagedRunError: its records cannot be read.
    """
    records = [_of_twin(record, twin) for record in read_rounds(run)]
    every = files_of(run).items()
    files = {name: content for name, content in every if not {name, name.partition("/")[0]} & (REPLACED | LEFT_OUT)}
    files |= {"experiment.yaml": described(twin), RECORDS: b"".join(line(record.plain()) for record in records)}
    if CHECKPOINT in files:
        relied_on = {
            name: value for name, value in read_checkpoint(str(run / CHECKPOINT)).sums.items() if name in files
        }
        if relied_on:
            files[CHECKPOINT] = with_other_sums(run / CHECKPOINT, {**relied_on, RECORDS: crc32(files[RECORDS])})
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    summary = summarise(twin, records, paper_stop, classes).with_checksums(sums)
    return files | {"summary.json": indented(summary.plain())}


def _of_twin(record: RoundRecord, twin: Experiment) -> RoundRecord:
    """Turn a round's record of a run without attack into the twin's."""
    kept = {*twin.detectors, *twin.server.names}
    clients = [
        replace(
            client,
            checks={name: check for name, check in client.checks.items() if name in kept},
            measured={},
        )
        for client in record.clients
    ]
    errors = {name: value for name, value in record.quality.metrics.items() if name in ERRORS}
    quality = replace(record.quality, metrics=errors)
    return replace(record, clients=clients, quality=quality, target=None, backdoor=None, goal_met=None)
