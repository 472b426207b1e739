"""The context of a worker, and jobs.

Jobs are small values; the tensors that they read and fill are the `SharedTensors`, which every worker sees.
An engine only knows that a job can `run`, and its name for errors.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from fedlens.core.deadline import within
from fedlens.core.errors import ClientError, shortened
from fedlens.core.given import is_dense, is_number, is_word, oddity
from fedlens.core.origin import told
from fedlens.core.random import Address, seeded
from fedlens.core.staying import staying
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.partition import Shards
from fedlens.defences.detector import Detector
from fedlens.goals.goal import Goal
from fedlens.models.network import Network
from fedlens.models.stacking import MakeStack
from fedlens.training.local import LocalTraining

GLOBAL, MALICIOUS = 0, 1
"""Indices of the shared models."""


@dataclass(frozen=True)
class SharedTensors:
    """Tensors in memory that all workers share.

    Attributes:
        models: the global model and the malicious client's own, shape ``[2, d]``.
        updates: a row for each client of the cohort, shape ``[n, d]``; if clients are absent, the last rows
            are unused.
        log_probabilities: of both models on the test set, shape ``[2, samples, classes]``; of a regression the
            quantities predicted, standardised, ``[2, samples, 1]``.
        answers: of the global model to changed test samples, shape ``[variants, 2, samples]``, if the goal asks any
            (`fedlens.goals.answers`).
    """

    models: Tensor
    updates: Tensor
    log_probabilities: Tensor
    answers: Tensor | None = None


@dataclass(frozen=True)
class WorkerContext:
    """Everything that a worker process has: data, a network of its own, and the shared tensors.

    Attributes:
        detectors: the server's checks by name.
        custom: whether the model is custom, and may draw from the global generators.
        stack: function that stacks copies of the network, if clients train in stacks.
        timeout: seconds that a job may take (`fedlens.core.deadline`).
        root_samples: what the server trains on, if it does.
        goal: what attackers want, fitted to the data; ``None`` for target samples.
    """

    dataset: Dataset
    shards: Shards
    network: Network
    local: LocalTraining
    root: Address
    shared: SharedTensors
    validation: Samples | None = None
    detectors: Mapping[str, Detector] = field(default_factory=dict)
    custom: bool = False
    stack: MakeStack | None = None
    timeout: float | None = None
    root_samples: Samples | None = None
    goal: Goal | None = None

    def shard(self, client: int) -> Samples:
        """Copy the samples that `client` holds."""
        return self.dataset.train.take(self.shards.indices(client))

    def address(self, round_: int, client: int) -> Address:
        """Return the address of the draws of `client` in this round."""
        return self.root.at("client", round_, client)

    def plan(self, round_: int) -> LocalTraining:
        """Return how clients train in this round."""
        return self.local.in_round(round_)

    def predictions(self, x: Tensor, address: Address) -> Tensor:
        """Compute the network's log-probabilities ``[n, classes]``, or quantities ``[n, 1]``, at `x` (``[n, ...]``).

        A custom model draws at `address`.
        """
        with seeded(address) if self.custom else nullcontext():
            return self.network.predictions(x)


class Job(Protocol):
    """A piece of a round's work."""

    @property
    def name(self) -> str:
        """The job's name for error messages."""

    @property
    def cost(self) -> float:
        """Duration relative to other jobs; the longest starts first."""

    @property
    def reads(self) -> int | None:
        """Index of the only shared model it reads; ``None`` if it reads updates."""

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the parts of the shared tensors that it fills."""

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Do the job; return numbers for the round's record."""


def perform(job: Job, context: WorkerContext) -> dict[str, Any]:
    """Run `job`; errors name it.

    Raises:
        ClientError: the job failed, or took too long.
    """
    try:
        with staying(job.name), within(context.timeout, job.name):
            return job.run(context)
    except ClientError:
        raise
    except Exception as error:
        raise ClientError(f"{job.name} failed: {told(error)}") from error


def accept(update: Tensor, row: Tensor, sender: str) -> str:
    """Check an update and copy it to its `row` of the shared tensors (both of shape ``[d]``).

    Returns:
        What is wrong with its shape or type, for which the row has nothing but NaN; empty if nothing is. It need not be
        finite.

    Raises:
        ClientError: the update is not a plain tensor.
    """
    if type(update) not in {Tensor, nn.Parameter}:  # a subclass would get the row, and with it all shared memory
        raise ClientError(
            f"{sender} sent a {type(update).__name__}, expected a plain torch.Tensor; return one, e.g. view.train()"
        )
    if odd := oddity(update):
        raise ClientError(f"{sender} sent an update that is {odd}; a dense one is right, as view.train() gives")
    if update.shape != row.shape or update.dtype != row.dtype:
        row.fill_(torch.nan)
        sent = f"{update.dtype} of shape {tuple(update.shape)}"
        return f"{sent}, expected {row.dtype} of shape {tuple(row.shape)}, as view.train() has"
    row.copy_(update.detach())
    return ""


def plain(log: dict[str, Any], sender: str) -> dict[str, Any]:
    """Convert tensors and arrays of one number in `log` to numbers.

    Raises:
        ClientError: a record cannot hold a value.
    """
    values = {name: value.item() if _is_scalar(value) else value for name, value in log.items()}
    for name, value in values.items():
        if not is_word(name):
            raise ClientError(f"{sender} logged something as {shortened(name)}; log it by a name that is a word")
        if isinstance(value, int) and not is_number(value):
            raise ClientError(f"{sender} logged {name!r} as an integer of more than 64 bits; log float(...)")
        if not (value is None or isinstance(value, str) or is_number(value)):
            raise ClientError(f"{sender} logged {name!r} as {type(value).__name__}; log numbers or words")
    return values


def _is_scalar(value: object) -> bool:
    """Tell whether a value is a tensor or an array of one number."""
    if isinstance(value, Tensor):
        return is_dense(value) and value.numel() == 1
    return isinstance(value, np.ndarray | np.generic) and value.size == 1
