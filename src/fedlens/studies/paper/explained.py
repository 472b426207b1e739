"""Do explanations of attacked models look like those of benign models? What is measured for claim C14.

Of each attacked run: how alike its final model's maps and those of the other seeds' benign models are, over all methods
and measures, less the same of that benign model which is least like the others (`fedlens.explanations.study`). Not
below 0, it is as alike as they are; the control is the same of the run's benign twin. It takes three seeds.
Only runs whose attack succeeded count: that a model looks like a benign one says nothing where it is one.

The similarities are kept beside the page, in ``explanations.json``, for they take the models, which records are
without. Files of earlier versions have them less a constant, which makes no difference here.
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
from fedlens.runs.record_values import confidence
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
    """Of test samples that are no attacker's."""
    return _explained(evidence, panel, OTHERS)


def explained_targets(evidence: Evidence, panel: str) -> Mapping[Case, Measured]:
    """Of the attack's targets."""
    return _explained(evidence, panel, TARGETS)


COMPARED: Mapping[str, Compared] = dict(zip(OF_EXPLANATIONS, (explained_others, explained_targets), strict=True))


def _explained(evidence: Evidence, panel: str, question: str) -> dict[Case, Measured]:
    """By case, of each draw for which there are seeds enough."""
    runs = evidence.runs.get(panel, {})
    found: dict[Case, Measured] = {}
    _remembered(evidence.folder / FILE)  # if it is damaged, that is not to be taken for models that are missing
    for draw in sorted({case.draw for case in runs}):
        cases = [case for case in runs if case.draw == draw]
        if len(cases) < LEAST_SEEDS:
            continue
        try:
            values = _of_draw([runs[case] for case in cases], evidence.folder / FILE, evidence.data_dir)[question]
        except RunError as error:  # a model may not be there any more
            _warn(f"explanations are not compared: {error}")
            continue
        pairs = zip(cases, _beside_least(values), strict=True)
        found |= {case: value for case, value in pairs if confidence(runs[case].records[-1]["target"]) >= SUCCEEDED}
    return found


@cache
def _warn(words: str) -> None:
    """Log a warning, once."""
    logging.getLogger(__name__).warning(words)


def _beside_least(similarities: Sequence[tuple[float, float]]) -> list[Measured]:
    """Less that of the least alike benign model; of each run there are the attacked model's and the benign one's."""
    least = min(benign for _, benign in similarities)
    return [Measured(attacked - least, benign - least) for attacked, benign in similarities]


def _of_draw(runs: Sequence[Run], file: Path, data_dir: Path | None) -> dict[str, list[tuple[float, float]]]:
    """By question, the similarities of each of these runs, which are of a seed each; remembered in `file`."""
    known = _remembered(file)
    key, cells = _key(runs), [run.path.name for run in runs]
    if key not in known:
        measured = {question: [list(one) for one in values] for question, values in _measure(runs, data_dir).items()}
        kept = {old: entry for old, entry in known.items() if not set(entry["cells"]) <= set(cells)}
        known = {**kept, key: {"cells": cells, **measured}}
        write_atomically(file, json.dumps(known, indent=1).encode() + b"\n")
    return {question: [(one[0], one[1]) for one in known[key][question]] for question in (OTHERS, TARGETS)}


def _remembered(file: Path) -> dict[str, Any]:
    """What is known of earlier calls.

    Raises:
        DamagedRunError: it cannot be read.
    """
    try:
        return read_json(file) if file.exists() else {}
    except DamagedRunError as error:
        raise DamagedRunError(f"{error}; put it back, or remove it where the runs' weights are still there") from None


def _key(runs: Sequence[Run]) -> str:
    """What the numbers depend on: these runs with all their rounds, the samples and the methods."""
    sums = [[run.path.name, (run.summary or {})["checksums"]["rounds.jsonl"]] for run in runs]
    described = [sums, SAMPLES, list(parse_methods("all"))]
    return hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()


def _measure(runs: Sequence[Run], data_dir: Path | None) -> dict[str, list[tuple[float, float]]]:
    """By question, how alike the attacked model and the benign one of each run are to the other seeds' benign ones."""
    gathered = gather(runs, "cpu", data_dir)
    subjects, beside = [one.subject(None) for one in gathered], others(gathered, [SAMPLES])
    found = likeness(subjects, beside, parse_methods("all"), lambda _: None)
    similarities = {question: by_seed(models[ALL, ALL][:, :, 0]) for question, models in found.items()}
    return {question: list(zip(*means[::-1].tolist(), strict=True)) for question, means in similarities.items()}
