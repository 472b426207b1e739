"""A detector built on explanations: does this round's global model explain samples otherwise than the last one's?

The server explains samples of its own by the global model after every round. How much the maps have changed since the
round before (1 less their mean similarity) is the round's score; a round in which the attack acted is guilty, every
other one, and every round of the benign twin, innocent. It needs the weights of every round (``run --keep-weights``).
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from fedlens.analysis.detection import performance
from fedlens.analysis.intervals import estimate
from fedlens.explanations.maps import Progress, maps_of
from fedlens.explanations.methods.method import Method
from fedlens.explanations.similarity import measures_for
from fedlens.explanations.study import ALL, columns

if TYPE_CHECKING:
    import pandas as pd


def changes(
    models: Iterable[nn.Module], inputs: Tensor, methods: Mapping[str, Method], progress: Progress
) -> list[dict[tuple[str, str], float]]:
    """How much the maps of the class predicted change from each model to the next, by method and measure.

    Args:
        models: of one round after the other, from inputs to logits; a model may be another's module with new weights,
            as each is done with before the next is taken.
        inputs: the server's samples, ``[n, ...]``.
        methods: by name.
        progress: is told of every few maps, how many they were.

    Raises:
        ExplanationError: as `explain`.
    """
    measures = measures_for(tuple(inputs.shape[1:]))

    def maps() -> Iterator[Mapping[str, Tensor]]:
        for model in models:
            yield maps_of(model, inputs, None, methods, progress).maps

    found = []
    for before, after in pairwise(maps()):
        scores = {
            (method, measure): 1 - function(before[method], after[method]).mean().item()
            for method in methods
            for measure, function in measures.items()
        }
        found.append({**scores, (ALL, ALL): float(np.mean(list(scores.values())))})
    return found


def areas(rounds: "pd.DataFrame") -> "pd.DataFrame":
    """The area under the ROC curve by method and measure: over all rounds, and its median over seeds with an interval.

    Args:
        rounds: a row for each score, with ``seed``, ``method``, ``measure``, ``score`` and ``guilty``.
    """
    import pandas as pd

    rows = []
    for (method, measure), some in rounds.groupby(["method", "measure"], sort=False):
        known = [area for _, part in some.groupby("seed") if (area := _area(part)) is not None]
        row = {"method": method, "measure": measure, "auc": _area(some), "seeds": len(known)}
        rows.append(row | columns("median", estimate(known, range(len(known))) if known else None))
    return pd.DataFrame(rows)


def _area(rounds: "pd.DataFrame") -> float | None:
    scores, guilty = rounds["score"].tolist(), rounds["guilty"].tolist()
    return performance([(scores, [False] * len(scores), guilty)]).roc_auc
