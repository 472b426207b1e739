"""A benign and an attacked model compared: their predictions for samples, the explanations, and how alike these are."""

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
    """One model's explanations of one class for one sample.

    Attributes:
        model: which of `MODELS`.
        explained: the explained class.
        predicted: the predicted class.
        probability: the model's probability of the explained class.
        confidence: the model's probability of the predicted class.
        maps: by method, of the sample's shape.
    """

    model: str
    explained: int
    predicted: int
    probability: float
    confidence: float
    maps: Mapping[str, Tensor]


@dataclass(frozen=True)
class ModelPair:
    """Two models' maps of the same samples.

    Attributes:
        indices: of the samples in the test set.
        samples: these samples.
        target_classes: the target class of each sample, which is explained in addition to the predicted one.
        maps: by model, and by whether the predicted or the target class is explained.
        round: the round after which the models were taken; ``None`` for the last.
    """

    indices: list[int]
    samples: Samples
    target_classes: list[int]
    maps: Mapping[tuple[str, str], Maps]
    round: int | None = None

    def rows(self, index: int) -> list[Row]:
        """Return each model's explanations of both classes, or of the one if they are equal, for the sample `index`."""
        rows: dict[tuple[str, int], Row] = {}
        for (model, _), maps in self.maps.items():
            explained, predicted = int(maps.classes[index]), int(maps.predicted[index])
            probabilities = maps.probabilities[index]
            of_sample = {method: of_all[index] for method, of_all in maps.maps.items()}
            row = Row(
                model, explained, predicted, float(probabilities[explained]), float(probabilities[predicted]), of_sample
            )
            rows.setdefault((model, explained), row)
        return sorted(rows.values(), key=lambda row: MODELS.index(row.model))

    def likeness(self) -> "pd.DataFrame":
        """Return the similarity of the models' maps: a row for each sample, class explained, method and measure."""
        import pandas as pd

        measures = measures_for(tuple(self.samples.x.shape[1:]))
        tables = []
        for explained in (PREDICTED, TARGET):
            first, second = (self.maps[model, explained].maps for model in MODELS)
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
    target_classes: list[int],
    methods: Mapping[str, Method],
    progress: Progress,
) -> ModelPair:
    """Explain `samples` by both models, the benign one first.

    Args:
        models: from inputs to logits.
        samples: ``[n, ...]``.
        indices: of these samples in the test set.
        target_classes: the target class of each sample.
        methods: by name.
        progress: called after every few maps, with their number.

    Raises:
        ExplanationError: as `explain`.
    """
    target = torch.tensor(target_classes, device=samples.y.device)
    maps = {
        (name, explained): maps_of(model, samples.x, classes, methods, progress)
        for name, model in zip(MODELS, models, strict=True)
        for explained, classes in ((PREDICTED, None), (TARGET, target))
    }
    return ModelPair(indices, samples, target_classes, maps)
