"""Data sets packed for another machine.

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
    """A data set with its samples as NumPy arrays.

    Attributes:
        rest: the data set without its samples.
        train: inputs and classes of the training samples.
        test: inputs and classes of the test samples.
    """

    rest: Dataset
    train: Arrays
    test: Arrays

    @classmethod
    def of(cls, dataset: Dataset) -> "PackedDataset":
        """Pack a data set without copying its samples."""
        train, test, no_samples = dataset.train, dataset.test, Samples(torch.empty(0), torch.empty(0))
        rest = replace(dataset, train=no_samples, test=no_samples)
        return cls(rest, (train.x.numpy(), train.y.numpy()), (test.x.numpy(), test.y.numpy()))

    def unpack(self) -> Dataset:
        """Return the data set.

        The training inputs, the bulk of it, stay in memory that cannot be written, since they are only read, by index.
        The rest is copied, since a network may work on its input in place, and a partition on the classes.
        """
        (train_x, train_y), (test_x, test_y) = (tuple(map(as_tensor, arrays)) for arrays in (self.train, self.test))
        return replace(self.rest, train=Samples(train_x, train_y.clone()), test=Samples(test_x.clone(), test_y.clone()))


def as_tensor(array: NDArray[Any]) -> Tensor:
    """Return the array as a tensor, without a copy; write into it only if the array is writable."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(array))
