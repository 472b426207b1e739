"""Whether explanations betray an attack: attacked models of several seeds, each beside its benign twin.

What differs between a benign and an attacked model means little by itself, for two benign models of different seeds
differ too. They are the control that the paper (section 6) lacks: `fedlens.explanations.contrast` compares the two.

A defender can look at any samples but does not know the attack's. So there are three questions:

- `OTHERS`: of samples that are no attacker's, each model explains the class that it predicts;
- `TARGETS`: of an attacked model's own target samples, it and the other model do so (the paper's pictures);
- `WANTED`: of these, both explain the class that the attack wants, which the benign model does not predict.

Similarities by several methods and measures are also averaged into one, named ``all``, so that there is one test of
each question and not as many as there are methods. Measures are averaged into ``all`` for each method, too.
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
from fedlens.explanations.contrast import contrast
from fedlens.explanations.maps import Progress, maps_of
from fedlens.explanations.methods.method import Method
from fedlens.explanations.similarity import Measure, measures_for

if TYPE_CHECKING:
    import pandas as pd

OTHERS, TARGETS, WANTED, ALL = "others", "targets", "wanted", "all"
_Models = tuple[int, int, int, int]
Likeness = dict[tuple[str, str], NDArray[np.float64]]
"""By method and measure: the mean similarity of every two models, as `contrast` takes it."""


@dataclass(frozen=True)
class Subject:
    """An attacked model and its benign twin.

    Attributes:
        models: the benign and the attacked one, from inputs to logits.
        inputs: the attacker's samples, ``[r, ...]``.
        wanted: the classes that the attack wants them to have, ``[r]``.
    """

    models: tuple[nn.Module, nn.Module]
    inputs: Tensor
    wanted: Tensor


def study(
    subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method], progress: Progress
) -> "pd.DataFrame":
    """A row for each question, method and measure: similarities over seeds (`columns`), p and the verdict.

    Args:
        subjects: of one seed each.
        others: samples beside the attackers', ``[n, ...]``.
        methods: by name.
        progress: is told of every few maps, how many they were, and of every comparison; of `work` altogether.

    Raises:
        ExplanationError: as `explain`.
    """
    import pandas as pd

    rows = []
    for question, by_method in likeness(subjects, others, methods, progress).items():
        for (method, measure), models in by_method.items():
            found = contrast(models)
            row: dict[str, Any] = {"question": question, "method": method, "measure": measure}
            for name in ("benign", "poisoned", "same_seed", "difference"):
                row |= columns(name, getattr(found, name))
            rows.append(row | {"p": found.p, "seeds": found.seeds, "verdict": found.verdict})
    return pd.DataFrame(rows)


def likeness(
    subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method], progress: Progress
) -> dict[str, Likeness]:
    """By question, how alike every two models' maps are; arguments and errors as `study`."""
    found = {
        OTHERS: _of_others(subjects, others, methods, progress),
        TARGETS: _of_targets(subjects, methods, progress, wanted=False),
        WANTED: _of_targets(subjects, methods, progress, wanted=True),
    }
    return {question: _with_means(by_method) for question, by_method in found.items()}


def work(subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method]) -> int:
    """How many maps a study makes, and how often it compares two models' maps by a method."""
    targets, models = sum(len(subject.inputs) for subject in subjects), 2 * len(subjects)
    maps, pairs = models * (len(others) + 2 * targets), models * (models - 1)
    return len(methods) * (maps + pairs // 2 + 2 * pairs)


def _with_means(by_method: Likeness) -> Likeness:
    """The same, and the means over measures, and over all."""
    methods = dict.fromkeys(method for method, _ in by_method)
    of_methods = {
        (method, ALL): np.mean([models for (name, _), models in by_method.items() if name == method], axis=0)
        for method in methods
    }
    return {**by_method, **of_methods, (ALL, ALL): np.mean(list(by_method.values()), axis=0)}


def columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    """An interval as columns of a table: its value, where it begins and ends, and the range of the seeds."""
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
    """The maps of every model, by its kind (0 for the benign one) and seed; arguments as `maps_of`."""
    return {
        (kind, seed): maps_of(model, inputs, classes, methods, progress).maps
        for seed, subject in enumerate(subjects)
        for kind, model in enumerate(subject.models)
    }


def _of_others(
    subjects: Sequence[Subject], others: Tensor, methods: Mapping[str, Method], progress: Progress
) -> Likeness:
    """Similarities on samples that no attacker chose, of the reasons for what each model predicts."""
    maps = _maps(subjects, others, None, methods, progress)

    def both(models: _Models, method: str) -> tuple[Tensor, Tensor]:
        return maps[models[:2]][method], maps[models[2:]][method]

    return _likeness(len(subjects), methods, measures_for(tuple(others.shape[1:])), both, progress, symmetric=True)


def _of_targets(
    subjects: Sequence[Subject], methods: Mapping[str, Method], progress: Progress, *, wanted: bool
) -> Likeness:
    """Similarities on the attackers' samples, those of the first model's seed, for the class wanted or predicted."""
    inputs = torch.cat([subject.inputs for subject in subjects])
    classes = torch.cat([subject.wanted for subject in subjects]) if wanted else None
    bounds = np.cumsum([0, *(len(subject.inputs) for subject in subjects)])
    maps = _maps(subjects, inputs, classes, methods, progress)

    def both(models: _Models, method: str) -> tuple[Tensor, Tensor]:
        own = slice(bounds[models[1]], bounds[models[1] + 1])
        return maps[models[:2]][method][own], maps[models[2:]][method][own]

    return _likeness(len(subjects), methods, measures_for(tuple(inputs.shape[1:])), both, progress, symmetric=False)


def _likeness(
    seeds: int,
    methods: Mapping[str, Method],
    measures: Mapping[str, Measure],
    both: Callable[[_Models, str], tuple[Tensor, Tensor]],
    progress: Progress,
    *,
    symmetric: bool,
) -> Likeness:
    """Mean similarities of every two models by every method and measure.

    Args:
        seeds: how many there are.
        methods: by name.
        measures: by name.
        both: gives two models' maps by a method.
        progress: is told of every comparison.
        symmetric: whether these are of the same samples in either order.
    """
    found = {key: np.ones((2, seeds, 2, seeds)) for key in product(methods, measures)}
    for models in product((0, 1), range(seeds), (0, 1), range(seeds)):
        first, second = models[:2], models[2:]
        if first == second or (symmetric and first > second):
            continue
        for method in methods:
            maps = both(models, method)
            for measure, function in measures.items():
                found[method, measure][models] = likeness = function(*maps).mean().item()
                if symmetric:
                    found[method, measure][second + first] = likeness
            progress(1)
    return found
