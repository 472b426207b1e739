"""A benign and an attacked model beside each other: what each makes of samples, why, and how alike the reasons are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fedlens.data.dataset import Samples
from fedlens.explanations.maps import Maps, Progress, maps_of
from fedlens.explanations.methods.method import Method
from fedlens.explanations.similarity import measures_for

if TYPE_CHECKING:
    import pandas as pd

PREDICTED, TARGET = "predicted", "target"
MODELS = ("benign", "attacked")


@dataclass(frozen=True)
class Row:
    """One model's reasons for one class, at one sample.

    Attributes:
        model: which of `MODELS`.
        explained: the class.
        predicted: the class that the model predicts.
        probability: that the model gives to the class explained.
        confidence: that it gives to the class predicted.
        maps: by method, of the sample's shape.
    """

    model: str
    explained: int
    predicted: int
    probability: float
    confidence: float
    maps: Mapping[str, Tensor]


@dataclass(frozen=True)
class Pair:
    """Two models' maps of the same samples.

    Attributes:
        indices: of the samples in the test set.
        samples: these samples.
        wanted: the class that the attack wants of each sample, which is explained beside the predicted one.
        found: by model and by whether the predicted or the target class is explained.
        round: after which they are the models; ``None`` after the last.
    """

    indices: list[int]
    samples: Samples
    wanted: list[int]
    found: Mapping[tuple[str, str], Maps]
    round: int | None = None

    def rows(self, place: int) -> list[Row]:
        """What there is to see of the sample at `place`: each model's reasons for both classes, or the one if equal."""
        rows: dict[tuple[str, int], Row] = {}
        for (model, _), maps in self.found.items():
            explained, predicted = int(maps.classes[place]), int(maps.predicted[place])
            probabilities = maps.probabilities[place]
            shown = {method: every[place] for method, every in maps.maps.items()}
            row = Row(
                model, explained, predicted, float(probabilities[explained]), float(probabilities[predicted]), shown
            )
            rows.setdefault((model, explained), row)
        return sorted(rows.values(), key=lambda row: MODELS.index(row.model))

    def likeness(self) -> "pd.DataFrame":
        """How alike the models' maps are: a row for each sample, class explained, method and measure."""
        import pandas as pd

        measures = measures_for(tuple(self.samples.x.shape[1:]))
        tables = []
        for explained in (PREDICTED, TARGET):
            first, second = (self.found[model, explained].maps for model in MODELS)
            for method in first:
                for measure, function in measures.items():
                    values = function(first[method], second[method]).tolist()
                    table = {"sample": self.indices, "explained": explained, "method": method, "measure": measure}
                    tables.append(pd.DataFrame({**table, "value": values}))
        return pd.concat(tables, ignore_index=True)


def compare_pair(
    models: tuple[nn.Module, nn.Module],
    samples: Samples,
    indices: list[int],
    *,
    wanted: list[int],
    methods: Mapping[str, Method],
    progress: Progress,
) -> Pair:
    """Explain `samples` by both models, the benign one first.

    Args:
        models: from inputs to logits.
        samples: ``[n, ...]``.
        indices: where these are in the test set.
        wanted: the class that the attack wants of each sample.
        methods: by name.
        progress: is told of every few maps, how many they were.

    Raises:
        ExplanationError: as `explain`.
    """
    target = torch.tensor(wanted, device=samples.y.device)
    found = {
        (name, explained): maps_of(model, samples.x, classes, methods, progress)
        for name, model in zip(MODELS, models, strict=True)
        for explained, classes in ((PREDICTED, None), (TARGET, target))
    }
    return Pair(indices, samples, wanted, found)
