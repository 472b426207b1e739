"""A study of whether explanations betray an attack: attacked models of several seeds, each with its benign twin.

A difference between a benign and an attacked model means little by itself, since two benign models of different seeds
differ, too. They are the control that the paper (section 6) lacks; `fedlens.explanations.permutation_test` compares
the two differences.

A defender can look at any samples but does not know the attack's. So there are three questions:

- `OTHERS`: for samples that are no attacker's, each model explains the class that it predicts;
- `TARGETS`: for the target samples of an attacked model, it and the other model do so (the paper's pictures);
- `WANTED`: for these, both explain the target class, which the benign model does not predict.

Similarities by several methods and measures are also averaged into one, named ``all``, so that each question gets a
single test, not one for each method. Measures are averaged into ``all`` for each method, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedlens.analysis.intervals import Interval
from fedlens.explanations.maps import Progress, maps_of
from fedlens.explanations.methods.method import Method
from fedlens.explanations.permutation_test import permutation_test
from fedlens.explanations.similarity import Measure, measures_for

if TYPE_CHECKING:
    import pandas as pd

OTHERS, TARGETS, WANTED, ALL = "others", "targets", "wanted", "all"
_Models = tuple[int, int, int, int]
Likeness = dict[tuple[str, str], NDArray[np.float64]]
"""By method and measure: the mean similarity of every two models, as `permutation_test` takes it."""


@dataclass(frozen=True)
class Subject:
    """An attacked model and its benign twin.

    Attributes:
        models: the benign and the attacked one, from inputs to logits.
        inputs: the target samples, ``[r, ...]``.
        target_classes: of these samples, ``[r]``.
    """

    models: tuple[nn.Module, nn.Module]
    inputs: Tensor
    target_classes: Tensor


def study(
    subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method], progress: Progress
) -> "pd.DataFrame":
    """Return a row for each question, method and measure: similarities over seeds (`columns`), p and the verdict.

    Args:
        subjects: one for each seed.
        others: samples that are no attacker's, ``[n, ...]``.
        methods: by name.
        progress: called after every few maps, with their number, and after every comparison, with 1; `work` in all.

    Raises:
        ExplanationError: as `explain`.
    """
    import pandas as pd

    rows = []
    for question, by_method in likeness(subjects, others, methods, progress).items():
        for (method, measure), models in by_method.items():
            test = permutation_test(models)
            row: dict[str, Any] = {"question": question, "method": method, "measure": measure}
            for name in ("benign", "poisoned", "same_seed", "difference"):
                row |= columns(name, getattr(test, name))
            rows.append(row | {"p": test.p, "seeds": test.seeds, "verdict": test.verdict})
    return pd.DataFrame(rows)


def likeness(
    subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method], progress: Progress
) -> dict[str, Likeness]:
    """Return, by question, the similarity of every two models' maps; arguments and errors as `study`."""
    by_question = {
        OTHERS: _of_others(subjects, others, methods, progress),
        TARGETS: _of_targets(subjects, methods, progress, target_class=False),
        WANTED: _of_targets(subjects, methods, progress, target_class=True),
    }
    return {question: _with_means(by_method) for question, by_method in by_question.items()}


def work(subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method]) -> int:
    """Return the number of maps that a study makes and of its comparisons of two models' maps by a method, added up."""
    targets, models = sum(len(subject.inputs) for subject in subjects), 2 * len(subjects)
    maps, pairs = models * (len(others) + 2 * targets), models * (models - 1)
    return len(methods) * (maps + pairs // 2 + 2 * pairs)


def _with_means(by_method: Likeness) -> Likeness:
    """Return the similarities with their means over measures, and over methods and measures."""
    methods = dict.fromkeys(method for method, _ in by_method)
    of_methods = {
        (method, ALL): np.mean([models for (name, _), models in by_method.items() if name == method], axis=0)
        for method in methods
    }
    return {**by_method, **of_methods, (ALL, ALL): np.mean(list(by_method.values()), axis=0)}


def columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    """Return an interval as columns of a table: its value, its ends, and the range of the seeds."""
    names = (name, *(f"{name}_{end}" for end in ("low", "high", "range_low", "range_high")))
    if interval is None:
        return dict.fromkeys(names)
    return dict(zip(names, (interval.value, interval.low, interval.high, *interval.range), strict=True))


def _maps(
    subjects: Sequence[Subject],
    inputs: Tensor,
    classes: Tensor | None,
    methods: Mapping[str, Method],
    progress: Progress,
) -> dict[tuple[int, int], Mapping[str, Tensor]]:
    """Return the maps of every model, by its kind (0 for the benign one) and seed; arguments as `maps_of`."""
    return {
        (kind, seed): maps_of(model, inputs, classes, methods, progress).maps
        for seed, subject in enumerate(subjects)
        for kind, model in enumerate(subject.models)
    }


def _of_others(
    subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method], progress: Progress
) -> Likeness:
    """Return similarities on samples that are no attacker's, of explanations of the predicted class."""
    maps = _maps(subjects, others, None, methods, progress)

    def maps_of_both(models: _Models, method: str) -> tuple[Tensor, Tensor]:
        return maps[models[:2]][method], maps[models[2:]][method]

    return _likeness(
        len(subjects), methods, measures_for(tuple(others.shape[1:])), maps_of_both, progress, symmetric=True
    )


def _of_targets(
    subjects: Sequence[Subject], methods: Mapping[str, Method], progress: Progress, *, target_class: bool
) -> Likeness:
    """Return similarities on the target samples of the first model's seed, for the target or the predicted class."""
    inputs = torch.cat([subject.inputs for subject in subjects])
    classes = torch.cat([subject.target_classes for subject in subjects]) if target_class else None
    bounds = np.cumsum([0, *(len(subject.inputs) for subject in subjects)])
    maps = _maps(subjects, inputs, classes, methods, progress)

    def maps_of_both(models: _Models, method: str) -> tuple[Tensor, Tensor]:
        of_seed = slice(bounds[models[1]], bounds[models[1] + 1])
        return maps[models[:2]][method][of_seed], maps[models[2:]][method][of_seed]

    return _likeness(
        len(subjects), methods, measures_for(tuple(inputs.shape[1:])), maps_of_both, progress, symmetric=False
    )


def _likeness(
    seeds: int,
    methods: Mapping[str, Method],
    measures: Mapping[str, Measure],
    maps_of_both: Callable[[_Models, str], tuple[Tensor, Tensor]],
    progress: Progress,
    *,
    symmetric: bool,
) -> Likeness:
    """Return the mean similarities of every two models by every method and measure.

    Args:
        seeds: number of seeds.
        methods: by name.
        measures: by name.
        maps_of_both: returns two models' maps by a method.
        progress: called after every comparison, with 1.
        symmetric: whether it returns maps of the same samples in either order.
    """
    similarities = {key: np.ones((2, seeds, 2, seeds)) for key in product(methods, measures)}
    for models in product((0, 1), range(seeds), (0, 1), range(seeds)):
        first, second = models[:2], models[2:]
        if first == second or (symmetric and first > second):
            continue
        for method in methods:
            maps = maps_of_both(models, method)
            for measure, function in measures.items():
                similarities[method, measure][models] = likeness = function(*maps).mean().item()
                if symmetric:
                    similarities[method, measure][second + first] = likeness
            progress(1)
    return similarities
