"""What a worker has at hand, and the jobs that it can be given.

Jobs are small values; the tensors that they read and fill lie in the `Arena`, which every worker sees. An engine knows
only that a job can `run` and what to call it in an error.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from fedlens.attacks.attack import Attack, Auxiliary, View
from fedlens.attacks.estimation import Observation
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.partition import Shards
from fedlens.errors import ClientError
from fedlens.federation.evaluate import BLOCK
from fedlens.federation.local import LocalTraining, train
from fedlens.models.network import Network
from fedlens.random import Address

GLOBAL, MALICIOUS = 0, 1
"""Which of the arena's models a job evaluates."""


@dataclass(frozen=True)
class Arena:
    """The tensors that jobs share.

    Attributes:
        models: the global model and the malicious client's own, shape ``[2, d]``.
        updates: a row for each client of the cohort, shape ``[n, d]``.
        log_probabilities: of both models on the test set, shape ``[2, samples, classes]``.
    """

    models: Tensor
    updates: Tensor
    log_probabilities: Tensor


@dataclass(frozen=True)
class Bench:
    """A worker's place: data, a network of its own, and the arena."""

    dataset: Dataset
    shards: Shards
    network: Network
    local: LocalTraining
    root: Address
    arena: Arena
    validation: Samples | None = None

    def shard(self, client: int) -> Samples:
        """Copies of the samples that `client` holds."""
        return self.dataset.train.take(self.shards.indices(client))

    def address(self, round_: int, client: int) -> Address:
        """Where the draws of `client` in this round begin."""
        return self.root.at("client", round_, client)


class Job(Protocol):
    """A piece of a round's work."""

    @property
    def name(self) -> str:
        """What to call it in an error message."""

    @property
    def cost(self) -> float:
        """How long it takes compared with others; the longest is started first."""

    def run(self, bench: Bench) -> dict[str, Any]:
        """Do the work; the numbers returned go into the round's record."""


def perform(job: Job, bench: Bench) -> dict[str, Any]:
    """Run `job`, and name it where it fails.

    Raises:
        ClientError: the job failed.
    """
    try:
        return job.run(bench)
    except ClientError:
        raise
    except Exception as error:
        raise ClientError(f"{job.name} failed: {type(error).__name__}: {error}") from error


def accept(update: Tensor, row: Tensor, sender: str) -> None:
    """Put an update into its `row` of the arena (both of shape ``[d]``).

    Raises:
        ClientError: the update has another shape or type, or entries that are not finite.
    """
    if update.shape != row.shape or update.dtype != row.dtype:
        found = f"{update.dtype} of shape {tuple(update.shape)}"
        raise ClientError(f"{sender} sent an update of {found}, expected {row.dtype} of shape {tuple(row.shape)}")
    if not bool(torch.isfinite(update).all()):
        remedy = "a lower local.learning_rate or attack.boost may help"
        raise ClientError(f"{sender} sent an update that is not finite; {remedy}")
    row.copy_(update.detach())


def plain(log: dict[str, Any], sender: str) -> dict[str, Any]:
    """`log` with tensors and arrays of one number as that number.

    Raises:
        ClientError: a value is none that a record can hold.
    """
    values = {name: value.item() if hasattr(value, "item") else value for name, value in log.items()}
    for name, value in values.items():
        if not isinstance(value, str | int | float | None):
            raise ClientError(f"{sender} logged {name!r} as {type(value).__name__}; log numbers or words")
    return values


@dataclass(frozen=True)
class HonestJob:
    """An honest client's local training."""

    round: int
    client: int
    row: int
    cost: float

    @property
    def name(self) -> str:
        """See `Job.name`."""
        return f"client {self.client} in round {self.round}"

    def run(self, bench: Bench) -> dict[str, Any]:
        """Train on the client's shard."""
        samples, address = bench.shard(self.client), bench.address(self.round, self.client)
        update = train(bench.network, bench.arena.models[GLOBAL], samples, bench.local, address)
        accept(update, bench.arena.updates[self.row], self.name)
        return {}


@dataclass(frozen=True)
class MaliciousJob:
    """The malicious client's turn, whether it attacks or behaves."""

    round: int
    client: int
    row: int
    cost: float
    attack: Attack
    alpha: float
    auxiliary: Auxiliary
    history: tuple[Observation, ...]

    @property
    def name(self) -> str:
        """See `Job.name`."""
        return f"malicious client {self.client} in round {self.round}"

    def run(self, bench: Bench) -> dict[str, Any]:
        """Let the attack craft its update from what it may see."""
        weights = bench.arena.models[GLOBAL].clone()
        network = Network(deepcopy(bench.network.module))  # the worker's own serves other clients, and evaluation
        network.load(weights)
        view = View(
            round=self.round,
            weights=weights,
            received=weights,
            alpha=self.alpha,
            shard=bench.shard(self.client),
            auxiliary=deepcopy(self.auxiliary),  # what the server evaluates is out of the attack's reach
            local=bench.local,
            network=network,
            address=bench.address(self.round, self.client),
            history=deepcopy(self.history),
        )
        if self.attack.omniscient:
            others = [row for row in range(len(bench.arena.updates)) if row != self.row]
            view = replace(view, others=bench.arena.updates[others])
        reason = self.attack.waits(view)
        update = view.train() if reason else self.attack.corrected(view)
        accept(update, bench.arena.updates[self.row], self.name)
        return {"acted": reason is None, "reason": reason, "alpha": self.alpha, **plain(view.log, self.name)}


@dataclass(frozen=True)
class EvaluationJob:
    """One of the arena's models on a block of the test set."""

    round: int
    model: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """See `Job.name`."""
        return f"evaluation of test samples {self.start} to {self.stop} in round {self.round}"

    @property
    def cost(self) -> float:
        """See `Job.cost`."""
        return self.stop - self.start

    def run(self, bench: Bench) -> dict[str, Any]:
        """Fill in the log-probabilities of the block."""
        bench.network.load(bench.arena.models[self.model])
        block = bench.network.log_probabilities(bench.dataset.test.x[self.start : self.stop])
        bench.arena.log_probabilities[self.model, self.start : self.stop] = block
        return {}


@dataclass(frozen=True)
class ValidationJob:
    """A client's own model, or that of all the others, on the server's validation set."""

    round: int
    row: int
    alpha: tuple[float, ...]
    others: bool
    cost: float = 1

    @property
    def name(self) -> str:
        """See `Job.name`."""
        return f"validation of update {self.row} in round {self.round}"

    def run(self, bench: Bench) -> dict[str, Any]:
        """The accuracy, a fraction."""
        samples = bench.validation
        assert samples is not None, "no validation set"
        updates, update = bench.arena.updates, bench.arena.updates[self.row]
        if self.others:
            alpha = torch.tensor(self.alpha, dtype=torch.float64)
            alpha[self.row] = 0
            update = (alpha / alpha.sum().clamp(min=torch.finfo(alpha.dtype).tiny)).to(updates) @ updates
        bench.network.load(bench.arena.models[GLOBAL] + update)
        right = 0
        for start in range(0, len(samples), BLOCK):
            block = bench.network.log_probabilities(samples.x[start : start + BLOCK])
            right += int((block.argmax(dim=1) == samples.y[start : start + BLOCK]).sum())
        return {"accuracy": right / len(samples)}
