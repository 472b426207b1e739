"""A benign experiment as plain PyTorch: what every loop but fedlens' own works with, and how it trains.

Nothing of fedlens is imported here, so that a process which only trains need not load it either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Pairs = Sequence[tuple[Tensor, Tensor]]
"""Inputs and classes: of each client, or of each block of the test set."""


@dataclass(frozen=True)
class Task:
    """Data, network and hyper-parameters.

    Attributes:
        model: the network with its initial weights.
        shards: inputs and classes of each client.
        test: the test set in blocks.
        classes: number of classes.
        cohort_size: clients chosen in a round.
        rounds: how many rounds there are.
        epochs: passes over the shard in a round (E).
        batch_size: samples in a batch (B).
        learning_rate: of Adam.
    """

    model: nn.Module
    shards: Pairs
    test: Pairs
    classes: int
    cohort_size: int
    rounds: int
    epochs: int
    batch_size: int
    learning_rate: float

    def save(self, path: Path) -> None:
        """Write the task where other processes can `load` it."""
        torch.save(vars(self), path)

    @classmethod
    def load(cls, path: Path) -> "Task":
        """Read a task; its samples stay in the file until they are used, and processes share them."""
        return cls(**torch.load(path, mmap=True, weights_only=False))


def cut(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Samples in blocks of `size`; the last may be shorter."""
    for start in range(0, len(y), size):
        yield x[start : start + size], y[start : start + size]


def train(task: Task, x: Tensor, y: Tensor) -> None:
    """Local training of the task's network on one client's shard."""
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


def accuracy(model: nn.Module, test: Pairs) -> float:
    """Share of test samples predicted right."""
    return count_right(model, test) / sum(len(y) for _, y in test)


def choose_threads(task: Task) -> None:
    """Leave PyTorch its default number of threads where inputs are images; with small vectors one thread is fastest."""
    if task.test[0][0].dim() != 4:
        torch.set_num_threads(1)
