"""Do explanations of attacked models look like those of benign models? What is measured for claim C14.

Of each attacked run: how alike its final model's maps and those of the other seeds' benign models are, over all methods
and measures, less the lower end of the interval of benign models among themselves (`fedlens.explanations.study`). Not
below 0, it is as alike as they are; the control is the same of the run's benign twin. The interval wants three seeds.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedlens.errors import RunError
from fedlens.explanations.contrast import contrast
from fedlens.explanations.gather import gather, others
from fedlens.explanations.maps import parse_methods
from fedlens.explanations.study import ALL, OTHERS, TARGETS, likeness
from fedlens.reproduce.case import Case
from fedlens.reproduce.measures import Measured
from fedlens.runs.load import Run, load_run

SAMPLES = "random:50"
LEAST_SEEDS = 3

Compared = Callable[[Mapping[Case, Run], Path | None], Mapping[Case, Measured]]
"""Measures the runs of a panel together, with data from there."""


def explained_others(runs: Mapping[Case, Run], data_dir: Path | None) -> Mapping[Case, Measured]:
    """Of test samples that are no attacker's."""
    return _explained(runs, data_dir, OTHERS)


def explained_targets(runs: Mapping[Case, Run], data_dir: Path | None) -> Mapping[Case, Measured]:
    """Of the attack's targets."""
    return _explained(runs, data_dir, TARGETS)


COMPARED: Mapping[str, Compared] = {compared.__name__: compared for compared in (explained_others, explained_targets)}


def _explained(runs: Mapping[Case, Run], data_dir: Path | None, question: str) -> dict[Case, Measured]:
    """By case, of each draw for which there are seeds enough."""
    found: dict[Case, Measured] = {}
    for draw in sorted({case.draw for case in runs}):
        cases = [case for case in runs if case.draw == draw]
        if len(cases) < LEAST_SEEDS:
            continue
        try:
            values = _of_draw(tuple(runs[case].path for case in cases), data_dir)[question]
        except RunError as error:  # a benign twin may not be in the cache any more
            logging.getLogger(__name__).warning("explanations are not compared: %s", error)
            continue
        found |= dict(zip(cases, values, strict=True))
    return found


@cache
def _of_draw(paths: tuple[Path, ...], data_dir: Path | None) -> dict[str, list[Measured]]:
    """By question, a number for each of these runs, which are of a seed each."""
    gathered = gather([load_run(path) for path in paths], "cpu", data_dir)
    subjects, beside = [one.subject(None) for one in gathered], others(gathered, [SAMPLES])
    found = likeness(subjects, beside, parse_methods("all"), lambda _: None)
    return {question: _beside_interval(models[ALL, ALL]) for question, models in found.items()}


def _beside_interval(models: NDArray[np.float64]) -> list[Measured]:
    """Mean similarities with the other seeds' benign models, less the lower end of the interval of these."""
    interval = contrast(models).benign
    assert interval is not None
    assert interval.low is not None
    seeds = models.shape[1]
    means = (models[:, :, 0].sum(axis=2) - np.diagonal(models[:, :, 0], axis1=1, axis2=2)) / (seeds - 1)
    below = means - interval.low
    return [Measured(float(attacked), float(benign)) for benign, attacked in below.T]
