"""What a worker has at hand, and what a job is.

Jobs are small values; the tensors that they read and fill are the `SharedTensors`, which every worker sees.
An engine knows only that a job can `run` and what to call it in an error.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
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
from fedlens.models.network import Network
from fedlens.models.stacking import MakeStack
from fedlens.training.local import LocalTraining

GLOBAL, MALICIOUS = 0, 1
"""Which of the shared models a job evaluates."""


@dataclass(frozen=True)
class SharedTensors:
    """The tensors that jobs share.

    Attributes:
        models: the global model and the malicious client's own, shape ``[2, d]``.
        updates: a row for each client of the cohort, shape ``[n, d]``; where clients are absent, the last ones are
            of nobody.
        log_probabilities: of both models on the test set, shape ``[2, samples, classes]``.
    """

    models: Tensor
    updates: Tensor
    log_probabilities: Tensor


@dataclass(frozen=True)
class WorkerContext:
    """A worker's place: data, a network of its own, and the shared tensors.

    Attributes:
        detectors: the server's checks by their names.
        custom: whether the network is of a custom model, which may draw from the global generators.
        stack: stacks copies of the network, where clients train side by side.
        timeout: seconds that a job may take (`fedlens.core.deadline`).
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

    def shard(self, client: int) -> Samples:
        """Copies of the samples that `client` holds."""
        return self.dataset.train.take(self.shards.indices(client))

    def address(self, round_: int, client: int) -> Address:
        """Where the draws of `client` in this round begin."""
        return self.root.at("client", round_, client)

    def log_probabilities(self, x: Tensor, address: Address) -> Tensor:
        """The network's log-probabilities ``[n, classes]`` at `x` (``[n, ...]``).

        What a custom model draws meanwhile, it draws at `address`.
        """
        with seeded(address) if self.custom else nullcontext():
            return self.network.log_probabilities(x)


class Job(Protocol):
    """A piece of a round's work."""

    @property
    def name(self) -> str:
        """What to call it in an error message."""

    @property
    def cost(self) -> float:
        """How long it takes compared with others; the longest is started first."""

    @property
    def reads(self) -> int | None:
        """The one of the shared models that is all it reads there; ``None`` where it reads updates."""

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Those parts of the shared tensors that it fills, as views."""

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Do the work; the numbers returned go into the round's record."""


def perform(job: Job, context: WorkerContext) -> dict[str, Any]:
    """Run `job`, and name it where it fails.

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


def accept(update: Tensor, row: Tensor, sender: str) -> None:
    """Put an update into its `row` of the shared tensors (both of shape ``[d]``).

    Raises:
        ClientError: the update is no plain tensor, or has another shape or type. Whether it is finite, the server sees.
    """
    if type(update) not in {Tensor, nn.Parameter}:  # a subclass would be handed the row, and with it all shared memory
        raise ClientError(
            f"{sender} sent a {type(update).__name__}, expected a plain torch.Tensor; return one, e.g. view.train()"
        )
    if odd := oddity(update):
        raise ClientError(f"{sender} sent an update that is {odd}; a dense one is right, as view.train() gives")
    if update.shape != row.shape or update.dtype != row.dtype:
        found = f"{update.dtype} of shape {tuple(update.shape)}"
        raise ClientError(
            f"{sender} sent an update of {found}, expected {row.dtype} of shape {tuple(row.shape)}, as view.train() has"
        )
    row.copy_(update.detach())


def plain(log: dict[str, Any], sender: str) -> dict[str, Any]:
    """`log` with tensors and arrays of one number as that number.

    Raises:
        ClientError: a value is none that a record can hold.
    """
    values = {name: value.item() if _is_one(value) else value for name, value in log.items()}
    for name, value in values.items():
        if not is_word(name):
            raise ClientError(f"{sender} logged something as {shortened(name)}; log it by a name that is a word")
        if isinstance(value, int) and not is_number(value):
            raise ClientError(f"{sender} logged {name!r} as an integer of more than 64 bits; log float(...)")
        if not (value is None or isinstance(value, str) or is_number(value)):
            raise ClientError(f"{sender} logged {name!r} as {type(value).__name__}; log numbers or words")
    return values


def _is_one(value: object) -> bool:
    """Whether a value is a tensor or an array of one number."""
    if isinstance(value, Tensor):
        return is_dense(value) and value.numel() == 1
    return isinstance(value, np.ndarray | np.generic) and value.size == 1
