"""A worker's context on its way to another machine: packed once, sent once to each machine."""

from copy import deepcopy
from dataclasses import dataclass

from torch import nn

from fedlens.cluster.packed_data import Arrays, PackedDataset, seen
from fedlens.core.random import Address
from fedlens.data.partition import Shards
from fedlens.models.network import Network
from fedlens.simulation.engines.context import SharedTensors, WorkerContext
from fedlens.training.local import LocalTraining


@dataclass(frozen=True)
class Parcel:
    """What a worker builds its context from.

    Attributes:
        dataset: the data.
        shards: order and offsets of `Shards`.
        module: the network.
        local: how clients train.
        root: where the random draws begin.
        rows: number of clients in a cohort.
        custom: whether the network is of a custom model.
        timeout: seconds that a job may take.
    """

    dataset: PackedDataset
    shards: Arrays
    module: nn.Module
    local: LocalTraining
    root: Address
    rows: int
    custom: bool
    timeout: float | None


def pack(context: WorkerContext) -> Parcel:
    """What of `context` jobs need that read one model and no updates."""
    return Parcel(
        dataset=PackedDataset.of(context.dataset),
        shards=(context.shards.order.numpy(), context.shards.offsets.numpy()),
        module=_light(context.network.module),
        local=context.local,
        root=context.root,
        rows=len(context.shared.updates),
        custom=context.custom,
        timeout=context.timeout,
    )


def unpack(parcel: Parcel) -> WorkerContext:
    """A worker's context; all rows of its updates are one and the same memory, as a job fills one only."""
    dataset, network = parcel.dataset.unpack(), Network(deepcopy(parcel.module))
    size = len(network.vector)
    shared = SharedTensors(
        models=network.vector.new_zeros(2, size),
        updates=network.vector.new_zeros(1, size).expand(parcel.rows, size),
        log_probabilities=network.vector.new_zeros(2, len(dataset.test), len(dataset.classes)),
    )
    shards = Shards(*map(seen, parcel.shards))
    return WorkerContext(
        dataset, shards, network, parcel.local, parcel.root, shared, custom=parcel.custom, timeout=parcel.timeout
    )


def _light(module: nn.Module) -> nn.Module:
    """A copy whose parameters have memory of their own: as views of one vector, each would bring all of it along."""
    copy = deepcopy(module)
    for parameter in copy.parameters():
        parameter.data, parameter.grad = parameter.data.clone(), None
    return copy
