"""A bench on its way to another machine: packed once, sent to each machine once, unpacked once by each worker.

Samples travel as NumPy arrays, which Ray's workers read in place, all on a machine from the same memory. PyTorch's
tensors would be copied into each worker.
"""

import warnings
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedlens.data.dataset import Dataset, Samples
from fedlens.data.partition import Shards
from fedlens.federation.bench import Arena, Bench
from fedlens.federation.local import LocalTraining
from fedlens.models.network import Network
from fedlens.random import Address

Arrays = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Parcel:
    """What a worker builds its bench from.

    Attributes:
        dataset: the data set without its samples.
        train: inputs and classes of the samples to train on.
        test: the same of those to evaluate on.
        shards: order and offsets of `Shards`.
        module: the network.
        local: how clients train.
        root: where the random draws begin.
        rows: number of clients in a cohort.
    """

    dataset: Dataset
    train: Arrays
    test: Arrays
    shards: Arrays
    module: nn.Module
    local: LocalTraining
    root: Address
    rows: int


def pack(bench: Bench) -> Parcel:
    """What of `bench` jobs need that read one model and no updates."""
    dataset, shards, nothing = bench.dataset, bench.shards, Samples(torch.empty(0), torch.empty(0))
    return Parcel(
        dataset=replace(dataset, train=nothing, test=nothing),
        train=(dataset.train.x.numpy(), dataset.train.y.numpy()),
        test=(dataset.test.x.numpy(), dataset.test.y.numpy()),
        shards=(shards.order.numpy(), shards.offsets.numpy()),
        module=_light(bench.network.module),
        local=bench.local,
        root=bench.root,
        rows=len(bench.arena.updates),
    )


def unpack(parcel: Parcel) -> Bench:
    """A worker's bench.

    Training samples stay where they are, in memory that cannot be written: they are only read, by index. A network may
    work on its input in place, so the test samples are copied. All rows of the arena's updates are one and the same
    memory, as a job fills one only.
    """
    train, test = Samples(*map(seen, parcel.train)), Samples(*map(seen, parcel.test))
    test = Samples(test.x.clone(), test.y.clone())
    dataset = replace(parcel.dataset, train=train, test=test)
    network = Network(deepcopy(parcel.module))
    size = len(network.vector)
    arena = Arena(
        models=network.vector.new_zeros(2, size),
        updates=network.vector.new_zeros(1, size).expand(parcel.rows, size),
        log_probabilities=network.vector.new_zeros(2, len(test), len(dataset.classes)),
    )
    return Bench(dataset, Shards(*map(seen, parcel.shards)), network, parcel.local, parcel.root, arena)


def _light(module: nn.Module) -> nn.Module:
    """A copy whose parameters have memory of their own: as views of one vector, each would bring all of it along."""
    copy = deepcopy(module)
    for parameter in copy.parameters():
        parameter.data, parameter.grad = parameter.data.clone(), None
    return copy


def seen(array: NDArray[Any]) -> Tensor:
    """The array as a tensor, without a copy; to be written only where the array can be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(array))
