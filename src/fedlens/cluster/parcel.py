"""A bench on its way to another machine: packed once, sent to each machine once, unpacked once by each worker."""

from copy import deepcopy
from dataclasses import dataclass

from torch import nn

from fedlens.cluster.packed_data import Arrays, PackedDataset, seen
from fedlens.core.random import Address
from fedlens.data.partition import Shards
from fedlens.models.network import Network
from fedlens.simulation.engines.context import Arena, Bench
from fedlens.training.local import LocalTraining


@dataclass(frozen=True)
class Parcel:
    """What a worker builds its bench from.

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


def pack(bench: Bench) -> Parcel:
    """What of `bench` jobs need that read one model and no updates."""
    return Parcel(
        dataset=PackedDataset.of(bench.dataset),
        shards=(bench.shards.order.numpy(), bench.shards.offsets.numpy()),
        module=_light(bench.network.module),
        local=bench.local,
        root=bench.root,
        rows=len(bench.arena.updates),
        custom=bench.custom,
        timeout=bench.timeout,
    )


def unpack(parcel: Parcel) -> Bench:
    """A worker's bench; all rows of its arena's updates are one and the same memory, as a job fills one only."""
    dataset, network = parcel.dataset.unpack(), Network(deepcopy(parcel.module))
    size = len(network.vector)
    arena = Arena(
        models=network.vector.new_zeros(2, size),
        updates=network.vector.new_zeros(1, size).expand(parcel.rows, size),
        log_probabilities=network.vector.new_zeros(2, len(dataset.test), len(dataset.classes)),
    )
    shards = Shards(*map(seen, parcel.shards))
    return Bench(
        dataset, shards, network, parcel.local, parcel.root, arena, custom=parcel.custom, timeout=parcel.timeout
    )


def _light(module: nn.Module) -> nn.Module:
    """A copy whose parameters have memory of their own: as views of one vector, each would bring all of it along."""
    copy = deepcopy(module)
    for parameter in copy.parameters():
        parameter.data, parameter.grad = parameter.data.clone(), None
    return copy
