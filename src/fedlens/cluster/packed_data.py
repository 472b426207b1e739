"""A data set on its way to another machine.

Samples travel as NumPy arrays, which Ray's workers read in place, all on a machine from the same memory. PyTorch's
tensors would be copied into each worker.
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedlens.data.dataset import Dataset, Samples

Arrays = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class PackedDataset:
    """A data set that travels.

    Attributes:
        rest: the data set without its samples.
        train: inputs and classes of the samples to train on.
        test: the same of those to evaluate on.
    """

    rest: Dataset
    train: Arrays
    test: Arrays

    @classmethod
    def of(cls, dataset: Dataset) -> "PackedDataset":
        """A data set packed, without copying its samples."""
        train, test, nothing = dataset.train, dataset.test, Samples(torch.empty(0), torch.empty(0))
        rest = replace(dataset, train=nothing, test=nothing)
        return cls(rest, (train.x.numpy(), train.y.numpy()), (test.x.numpy(), test.y.numpy()))

    def unpack(self) -> Dataset:
        """The data set.

        The training inputs, which are most of it, stay where they are, in memory that cannot be written: they are only
        read, by index. A network may work on its input in place, and a partition on the classes, so the rest is copied.
        """
        (train_x, train_y), (test_x, test_y) = (tuple(map(seen, part)) for part in (self.train, self.test))
        return replace(self.rest, train=Samples(train_x, train_y.clone()), test=Samples(test_x.clone(), test_y.clone()))


def seen(array: NDArray[Any]) -> Tensor:
    """The array as a tensor, without a copy; to be written only where the array can be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(array))
