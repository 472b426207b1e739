"""Two models' explanations, made up."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fedlens.data.dataset import Samples
from fedlens.explanations.maps import Maps
from fedlens.explanations.model_pair import ModelPair

KEYS = [("benign", "predicted"), ("benign", "target"), ("attacked", "predicted"), ("attacked", "target")]
CLASSES = ("sandal", "coat", "$5 to $10")


def pair_of(
    x: Tensor,
    maps: Mapping[str, Sequence[Tensor]],
    probabilities: Sequence[Sequence[float]] = ((0.75, 0.05, 0.2), (0.1, 0.3, 0.6)),
) -> ModelPair:
    """Of one sample, number 7, of class 0 and wanted as 2.

    Args:
        x: the sample.
        maps: by method; a map for each of `KEYS`, or for as many.
        probabilities: of the classes, by the benign and by the attacked model.
    """
    found = {}
    for place, (model, explained) in enumerate(KEYS):
        shares = torch.tensor([probabilities[model == "attacked"]])
        predicted = shares.argmax(1)
        classes = predicted if explained == "predicted" else torch.tensor([2])
        some = {method: every[place % len(every)][None] for method, every in maps.items()}
        found[model, explained] = Maps(classes, predicted, shares, some)
    return ModelPair([7], Samples(x[None], torch.tensor([0])), [2], found)
