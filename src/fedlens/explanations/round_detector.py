"""A detector of attacked rounds: does this round's global model explain samples differently from the last round's?

After every round the server explains samples of its own by the global model. The change of the maps since the round
before (1 less their mean similarity) is the round's score. Rounds in which the attack acted should be flagged; all
others, and every round of the benign twin, should not. It needs the weights of every round (``run --keep-weights``).
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
    """Return how much the maps of the predicted class change from each model to the next, by method and measure.

    Args:
        models: of one round after the other, from inputs to logits; they may share a module whose weights change, as
            each is used up before the next is taken.
        inputs: the server's samples, ``[n, ...]``.
        methods: by name.
        progress: called after every few maps, with their number.

    Raises:
        ExplanationError: as `explain`.
    """
    measures = measures_for(tuple(inputs.shape[1:]))

    def maps() -> Iterator[Mapping[str, Tensor]]:
        for model in models:
            yield maps_of(model, inputs, None, methods, progress).maps

    scores_of_rounds = []
    for before, after in pairwise(maps()):
        scores = {
            (method, measure): 1 - function(before[method], after[method]).mean().item()
            for method in methods
            for measure, function in measures.items()
        }
        scores_of_rounds.append({**scores, (ALL, ALL): float(np.mean(list(scores.values())))})
    return scores_of_rounds


def areas(rounds: "pd.DataFrame") -> "pd.DataFrame":
    """Return the area under the ROC curve by method and measure: over all rounds, and the median over seeds.

    Args:
        rounds: a row for each score, with ``seed``, ``method``, ``measure``, ``score`` and ``guilty`` (whether the
            attack acted).

    Returns:
        A row for each method and measure, with ``auc``, ``seeds``, and the columns of the median with its interval.
    """
    import pandas as pd

    rows = []
    for (method, measure), scores in rounds.groupby(["method", "measure"], sort=False):
        by_seed = [area for _, of_seed in scores.groupby("seed") if (area := _area(of_seed)) is not None]
        row = {"method": method, "measure": measure, "auc": _area(scores), "seeds": len(by_seed)}
        rows.append(row | columns("median", estimate(by_seed, range(len(by_seed))) if by_seed else None))
    return pd.DataFrame(rows)


def _area(rounds: "pd.DataFrame") -> float | None:
    """Return the area under the ROC curve; ``None`` where there is none."""
    scores, attacked = rounds["score"].tolist(), rounds["guilty"].tolist()
    return performance([(scores, [False] * len(scores), attacked)]).roc_auc
