"""The yardstick: federated averaging as one would write it by hand for one experiment, without a framework.

Plain PyTorch modules with PyTorch's own dropout, a fused Adam per client and round, shards held in memory, a shuffled
copy of the shard for every epoch, cut into batches. The cohort is split by hand over processes of one thread each that
live as long as the run; weights travel through shared memory. The processes share the evaluation of the test set, too.
Convolutions compute in PyTorch's channels-last layout, which is the faster one on CPUs.

It does what a round needs and nothing else: no addressed randomness, no checks of updates, no records, no checkpoints.
What fedlens takes longer than this is what these cost.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedlens.federation.setting import Setting
from fedlens.models.dropout import Dropout
from fedlens.models.network import build

TEST_BLOCK = 500

Pairs = Sequence[tuple[Tensor, Tensor]]
"""Inputs and classes: of each client, or of each block of the test set."""


@dataclass(frozen=True)
class Task:
    """All that a process works with; `weights` (``[d]``) and `trained` (``[n, d]``) are shared by all of them."""

    model: nn.Module
    shards: Pairs
    test: Pairs
    weights: Tensor
    trained: Tensor
    epochs: int
    batch_size: int
    learning_rate: float


def plain(module: nn.Module) -> nn.Module:
    """`module` with PyTorch's dropout in the place of fedlens'."""
    for name, layer in module.named_children():
        setattr(module, name, nn.Dropout(layer.p) if isinstance(layer, Dropout) else plain(layer))
    return module


def make_task(setting: Setting) -> Task:
    """The same data, shards, architecture, initial weights and hyper-parameters as fedlens gets."""
    experiment, data = setting.experiment, setting.dataset
    model = plain(build(experiment.model, data.shape, len(data.classes), setting.root.at("model")))
    weights = flatten(model)
    indices = [setting.shards.indices(client) for client in range(experiment.clients)]
    assert experiment.local.epochs is not None
    return Task(
        model=model.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        shards=[(data.train.x[index], data.train.y[index]) for index in indices],
        test=list(cut(data.test.x, data.test.y, TEST_BLOCK)),
        weights=shared(weights),
        trained=shared(torch.empty(experiment.cohort_size, len(weights))),
        epochs=int(experiment.local.epochs),
        batch_size=experiment.local.batch_size,
        learning_rate=experiment.local.learning_rate,
    )


def cut(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Samples in blocks of `size`; the last may be shorter."""
    for start in range(0, len(y), size):
        yield x[start : start + size], y[start : start + size]


def shared(tensor: Tensor) -> Tensor:
    """`tensor`, moved to where forked processes see each other's changes."""
    return tensor.share_memory_()  # type: ignore[no-any-return, no-untyped-call]


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


def train(task: Task, x: Tensor, y: Tensor) -> None:
    """Local training on one client's shard."""
    model = task.model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=task.learning_rate, fused=True)
    for _ in range(task.epochs):
        order = torch.randperm(len(y))
        for xs, ys in cut(x[order], y[order], task.batch_size):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(xs), ys).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def count_right(model: nn.Module, test: Pairs) -> int:
    """Number of test samples predicted right."""
    model.eval()
    with torch.inference_mode():
        return sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in test)


def work(task: Task, test: Pairs, seed: int, connection: Connection) -> None:
    """A process' life: train its clients, wait for the average, evaluate its part of the test set; and again."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    while (clients := connection.recv()) is not None:
        for row, client in clients:
            load(task.model, task.weights)
            train(task, *task.shards[client])
            task.trained[row] = flatten(task.model)
        connection.send("trained")
        connection.recv()
        load(task.model, task.weights)
        connection.send(count_right(task.model, test))


def play(task: Task, connections: Sequence[Connection]) -> Iterator[float]:
    """Play rounds without end; the test accuracy after each."""
    count, generator = len(connections), torch.Generator().manual_seed(0)
    samples = sum(len(y) for _, y in task.test)
    while True:
        cohort = torch.randperm(len(task.shards), generator=generator)[: len(task.trained)].tolist()
        for number, connection in enumerate(connections):
            connection.send(list(enumerate(cohort))[number::count])
        for connection in connections:
            connection.recv()
        sizes = torch.tensor([float(len(task.shards[client][1])) for client in cohort])
        task.weights.copy_(sizes / sizes.sum() @ task.trained)
        for connection in connections:
            connection.send("averaged")
        yield sum(connection.recv() for connection in connections) / samples


@contextlib.contextmanager
def bare(setting: Setting, workers: int) -> Iterator[Iterator[float]]:
    """The loop on this many processes, which end with the block; it yields the test accuracy after each round."""
    context = multiprocessing.get_context("fork")
    task = make_task(setting)
    connections, processes = [], []
    for number in range(workers):
        ours, theirs = context.Pipe()
        arguments = (task, task.test[number::workers], number, theirs)
        process = context.Process(target=work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        connections.append(ours)
        processes.append(process)
    try:
        yield play(task, connections)
    finally:
        for connection in connections:
            with contextlib.suppress(BrokenPipeError):
                connection.send(None)
        for process in processes:
            process.join(timeout=10)
