"""Measures for claim C14: do explanations of attacked models look like those of benign models?

For each attacked run: the similarity of its final model's maps to those of the other seeds' benign models, over all
methods and measures, less that of the benign model that is least like the others (`fedlens.explanations.study`). At 0
or above, the attacked model is as similar as benign ones are; the control is the same number of the run's benign twin.
At least three seeds are needed. Only runs whose attack succeeded count, since otherwise the model is a benign one.

The similarities are saved next to the page, in ``explanations.json``, since they need the models, which records lack.
Files of earlier versions have them less a constant, which makes no difference here.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fedlens.analysis.run_results import Run
from fedlens.core.errors import DamagedRunError, RunError
from fedlens.core.files import write_atomically
from fedlens.explanations.gather import gather, others
from fedlens.explanations.maps import parse_methods
from fedlens.explanations.permutation_test import by_seed
from fedlens.explanations.study import ALL, OTHERS, TARGETS, likeness
from fedlens.runs.reading import read_json
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.evidence import Evidence
from fedlens.studies.paper.measures import OF_EXPLANATIONS, Measured
from fedlens.studies.paper.measures_of_confidence import SUCCEEDED

FILE = "explanations.json"
SAMPLES = "random:50"
LEAST_SEEDS = 3

Compared = Callable[[Evidence, str], Mapping[Case, Measured]]
"""Measures the runs of a panel together."""


def explained_others(evidence: Evidence, panel: str) -> Mapping[Case, Measured]:
    """Measure a panel's runs on test samples that are no attacker's."""
    return _explained(evidence, panel, OTHERS)


def explained_targets(evidence: Evidence, panel: str) -> Mapping[Case, Measured]:
    """Measure a panel's runs on the target samples."""
    return _explained(evidence, panel, TARGETS)


COMPARED: Mapping[str, Compared] = dict(zip(OF_EXPLANATIONS, (explained_others, explained_targets), strict=True))


def _explained(evidence: Evidence, panel: str, question: str) -> dict[Case, Measured]:
    """Return the measured numbers by case, for each draw that has enough seeds."""
    runs = evidence.runs.get(panel, {})
    measured: dict[Case, Measured] = {}
    _read_saved(evidence.folder / FILE)  # raise outside of the loop, where an error means missing models
    for draw in sorted({case.draw for case in runs}):
        cases = [case for case in runs if case.draw == draw]
        if len(cases) < LEAST_SEEDS:
            continue
        try:
            similarities = _similarities_of_draw(
                [runs[case] for case in cases], evidence.folder / FILE, evidence.data_dir
            )[question]
        except RunError as error:  # a model may be gone
            _warn(f"explanations are not compared: {error}")
            continue
        pairs = zip(cases, _less_least_benign(similarities), strict=True)
        ended = {case: run.records[-1].outcome.mean_confidence for case, run in runs.items()}
        measured |= {case: value for case, value in pairs if ended[case] >= SUCCEEDED}
    return measured


@cache
def _warn(words: str) -> None:
    """Log a warning, once."""
    logging.getLogger(__name__).warning(words)


def _less_least_benign(similarities: Sequence[tuple[float, float]]) -> list[Measured]:
    """Subtract the least benign similarity from those of each run's attacked and benign model."""
    least = min(benign for _, benign in similarities)
    return [Measured(attacked - least, benign - least) for attacked, benign in similarities]


def _similarities_of_draw(
    runs: Sequence[Run], file: Path, data_dir: Path | None
) -> dict[str, list[tuple[float, float]]]:
    """Return, by question, the similarities of these runs, one for each seed; read them from `file` or save them."""
    saved = _read_saved(file)
    key, cells = _key(runs), [run.path.name for run in runs]
    if key not in saved:
        measured = {question: [list(pair) for pair in pairs] for question, pairs in _measure(runs, data_dir).items()}
        still_valid = {old: entry for old, entry in saved.items() if not set(entry["cells"]) <= set(cells)}
        saved = {**still_valid, key: {"cells": cells, **measured}}
        write_atomically(file, json.dumps(saved, indent=1).encode() + b"\n")
    return {
        question: [(attacked, benign) for attacked, benign in saved[key][question]] for question in (OTHERS, TARGETS)
    }


def _read_saved(file: Path) -> dict[str, Any]:
    """Read the similarities that earlier calls have saved.

    Raises:
        DamagedRunError: the file cannot be read.
    """
    try:
        return read_json(file) if file.exists() else {}
    except DamagedRunError as error:
        raise DamagedRunError(f"{error}; put it back, or remove it where the runs' weights are still there") from None


def _key(runs: Sequence[Run]) -> str:
    """Return a digest of what the numbers depend on: these runs with all their rounds, the samples and the methods."""
    sums = [[run.path.name, run.summary.checksums["rounds.jsonl"] if run.summary else ""] for run in runs]
    described = [sums, SAMPLES, list(parse_methods("all"))]
    return hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()


def _measure(runs: Sequence[Run], data_dir: Path | None) -> dict[str, list[tuple[float, float]]]:
    """Return, by question, each run's similarities (attacked, benign) to the other seeds' benign models."""
    gathered = gather(runs, "cpu", data_dir)
    subjects, samples = [run.subject(None) for run in gathered], others(gathered, [SAMPLES])
    by_question = likeness(subjects, samples, parse_methods("all"), lambda _: None)
    similarities = {question: by_seed(models[ALL, ALL][:, :, 0]) for question, models in by_question.items()}
    return {question: list(zip(*means[::-1].tolist(), strict=True)) for question, means in similarities.items()}
