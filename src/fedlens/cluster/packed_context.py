"""Worker contexts packed for other machines: packed once, sent to each machine once, unpacked once by each worker."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from torch import nn

from fedlens.cluster.packed_data import Arrays, PackedDataset, as_tensor
from fedlens.core.random import Address
from fedlens.data.partition import Shards
from fedlens.models.network import Network
from fedlens.simulation.engines.context import SharedTensors, WorkerContext
from fedlens.training.local import LocalTraining


@dataclass(frozen=True)
class PackedContext:
    """A worker context without its shared tensors.

    Attributes:
        dataset: the data.
        shards: order and offsets of `Shards`.
        module: the network.
        local: how clients train.
        root: the random stream that all draws derive from.
        rows: number of clients in a cohort.
        custom: whether the network is that of a custom model.
        timeout: seconds that a job may take.
        goal: what attackers want, as the context has it.
        answers: shape of the answers to it; ``None`` if it asks nothing.
    """

    dataset: PackedDataset
    shards: Arrays
    module: nn.Module
    local: LocalTraining
    root: Address
    rows: int
    custom: bool
    timeout: float | None
    goal: Any
    answers: tuple[int, ...] | None


def pack(context: WorkerContext) -> PackedContext:
    """Pack what jobs need that read one model and no updates."""
    return PackedContext(
        dataset=PackedDataset.of(context.dataset),
        shards=(context.shards.order.numpy(), context.shards.offsets.numpy()),
        module=_without_shared_memory(context.network.module),
        local=context.local,
        root=context.root,
        rows=len(context.shared.updates),
        custom=context.custom,
        timeout=context.timeout,
        goal=context.goal,
        answers=None if context.shared.answers is None else tuple(context.shared.answers.shape),
    )


def unpack(packed: PackedContext) -> WorkerContext:
    """Return a worker's context; all rows of its updates share their memory, as a job fills only one."""
    dataset, network = packed.dataset.unpack(), Network(deepcopy(packed.module))
    size = network.layout.size
    tensors = SharedTensors(
        models=network.vector.new_zeros(2, size),
        updates=network.vector.new_zeros(1, size).expand(packed.rows, size),
        log_probabilities=network.vector.new_zeros(2, len(dataset.test), dataset.outputs),
        answers=None if packed.answers is None else network.vector.new_zeros(packed.answers),
    )
    shards = Shards(*map(as_tensor, packed.shards))
    return WorkerContext(
        dataset, shards, network, packed.local, packed.root, tensors,
        custom=packed.custom, timeout=packed.timeout, goal=packed.goal,
    )  # fmt: skip


def _without_shared_memory(module: nn.Module) -> nn.Module:
    """Return a copy whose parameters have memory of their own; views of one vector would each carry all of it along."""
    copy = deepcopy(module)
    for parameter in copy.parameters():
        parameter.data, parameter.grad = parameter.data.clone(), None
    return copy
