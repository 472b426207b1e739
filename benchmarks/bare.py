"""The yardstick: federated averaging as one would write it by hand for one experiment, without a framework.

Plain PyTorch modules with PyTorch's own dropout, a fused Adam per client and round, shards held in memory, a shuffled
copy of the shard for every epoch, cut into batches. The cohort is split by hand over processes of one thread each that
live as long as the run; weights travel through shared memory. The processes share the evaluation of the test set, too.
Convolutions compute in PyTorch's channels-last layout, which is the faster one on CPUs, unless the default one, which
most people would leave as it is, is asked for.

It does what a round needs and nothing else: no addressed randomness, no checks of updates, no records, no checkpoints.
What fedlens takes longer than this is what these cost.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal

import torch
from plain import in_layout, make_task
from task import Pairs, Task, count_right, train
from torch import Tensor, nn

from fedlens.experiment.setting import Setting

Layout = Literal["channels-last", "default"]


@dataclass(frozen=True)
class Shared:
    """What all processes see: the global model (``[d]``) and a row for each client of the cohort (``[n, d]``)."""

    weights: Tensor
    trained: Tensor


def share(task: Task) -> Shared:
    """Memory for the weights, the initial ones in it, where forked processes see each other's changes."""
    weights = flatten(task.model)
    tensors = weights, torch.empty(task.cohort_size, len(weights))
    return Shared(*(tensor.share_memory_() for tensor in tensors))  # type: ignore[no-untyped-call]


def flatten(model: nn.Module) -> Tensor:
    """A copy of the parameters, one after the other, ``[d]``."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])


def load(model: nn.Module, weights: Tensor) -> None:
    """Copy `weights` (``[d]``) into the parameters."""
    start = 0
    with torch.no_grad():
        for parameter in model.parameters():
            stop = start + parameter.numel()
            parameter.copy_(weights[start:stop].view_as(parameter))
            start = stop


def work(task: Task, shared: Shared, test: Pairs, seed: int, connection: Connection) -> None:
    """A process' life: train its clients, wait for the average, evaluate its part of the test set; and again."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    while (clients := connection.recv()) is not None:
        for row, client in clients:
            load(task.model, shared.weights)
            train(task, *task.shards[client])
            shared.trained[row] = flatten(task.model)
        connection.send("trained")
        connection.recv()
        load(task.model, shared.weights)
        connection.send(count_right(task.model, test))


def play(task: Task, shared: Shared, connections: Sequence[Connection]) -> Iterator[float]:
    """Play rounds without end; the test accuracy after each."""
    count, generator = len(connections), torch.Generator().manual_seed(0)
    samples = sum(len(y) for _, y in task.test)
    while True:
        cohort = torch.randperm(len(task.shards), generator=generator)[: task.cohort_size].tolist()
        for number, connection in enumerate(connections):
            connection.send(list(enumerate(cohort))[number::count])
        for connection in connections:
            connection.recv()
        sizes = torch.tensor([float(len(task.shards[client][1])) for client in cohort])
        shared.weights.copy_(sizes / sizes.sum() @ shared.trained)
        for connection in connections:
            connection.send("averaged")
        yield sum(connection.recv() for connection in connections) / samples


@contextlib.contextmanager
def bare(setting: Setting, workers: int, layout: Layout = "channels-last") -> Iterator[Iterator[float]]:
    """The loop on this many processes, which end with the block; it yields the test accuracy after each round."""
    context = multiprocessing.get_context("fork")
    task = make_task(setting)
    if layout == "channels-last":
        in_layout(task.model, torch.channels_last)
    shared = share(task)
    torch.optim.Adam([torch.zeros(1)])  # the first optimizer imports much: once here, not in every process
    connections, processes = [], []
    for number in range(workers):
        ours, theirs = context.Pipe()
        arguments = (task, shared, task.test[number::workers], number, theirs)
        process = context.Process(target=work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        connections.append(ours)
        processes.append(process)
    try:
        yield play(task, shared, connections)
    finally:
        for connection in connections:
            with contextlib.suppress(BrokenPipeError):
                connection.send(None)
        for process in processes:
            process.join(timeout=10)
