"""The jobs of a round: honest training, the malicious client's update, evaluation."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.estimation import Observation
from fedlens.core.errors import ClientError, named
from fedlens.core.given import is_word
from fedlens.core.origin import at
from fedlens.core.random import seeded
from fedlens.goals.success import TargetSamples
from fedlens.models.evaluation import blocks, draws
from fedlens.models.network import Network
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext, accept, plain
from fedlens.training.local import train
from fedlens.training.stacked import train_stacked

RESERVED = {"acted", "reason", "alpha", "malformed", "estimate_error", "estimate_cosine"}
"""Keys of the simulator in an attack's record, which the attack must not log."""


@dataclass(frozen=True)
class HonestJob:
    """An honest client's local training."""

    round: int
    client: int
    row: int
    cost: float
    reads = GLOBAL

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"client {self.client} in round {self.round}"

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the shared tensors that it fills."""
        return [shared.updates[self.row]]

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Train on the client's shard."""
        update = train(
            context.network,
            context.shared.models[GLOBAL],
            context.dataset.train,
            context.local,
            context.address(self.round, self.client),
            members=context.shards.indices(self.client),
        )
        accept(update, context.shared.updates[self.row], self.name)
        return {}


@dataclass(frozen=True)
class StackedJob:
    """The local training of several honest clients in a stack."""

    parts: tuple[HonestJob, ...]
    reads = GLOBAL

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        clients = ", ".join(str(part.client) for part in self.parts)
        return f"training of clients {clients} in round {self.parts[0].round}"

    @property
    def cost(self) -> float:
        """Duration relative to other jobs."""
        return sum(part.cost for part in self.parts)

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the shared tensors that it fills."""
        return [shared.updates[part.row] for part in self.parts]

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Train all clients, and store their updates."""
        assert context.stack is not None, "no stack to train on"
        weights = context.shared.models[GLOBAL]
        stack = context.stack(context.network, weights, len(self.parts))
        clients = [
            (context.address(part.round, part.client), context.shards.indices(part.client)) for part in self.parts
        ]
        updates = train_stacked(stack, weights, context.dataset.train, context.local, clients)
        for part, update in zip(self.parts, updates, strict=True):
            accept(update, context.shared.updates[part.row], part.name)
        return {}


@dataclass(frozen=True)
class MaliciousJob:
    """The malicious client's training, in attack or honestly."""

    round: int
    client: int
    row: int
    cost: float
    attack: Attack
    alpha: float
    target_samples: TargetSamples
    history: tuple[Observation, ...]

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"malicious client {self.client} in round {self.round}"

    @property
    def reads(self) -> int | None:
        """Index of the only shared model it reads; ``None`` if it reads updates."""
        return None if self.attack.omniscient else GLOBAL

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the shared tensors that it fills."""
        return [shared.updates[self.row]]

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Let the attack craft its update from its view."""
        weights = context.shared.models[GLOBAL].clone()
        network = Network(deepcopy(context.network.module))  # other jobs use the worker's own
        network.load(weights)
        view = View(
            round=self.round,
            weights=weights,
            received=weights.clone(),
            alpha=self.alpha,
            shard=context.shard(self.client),
            auxiliary=deepcopy(self.target_samples),  # so that the attack cannot change what is evaluated
            local=context.local,
            network=network,
            address=context.address(self.round, self.client),
            history=deepcopy(self.history),
        )
        if self.attack.omniscient:
            others = [row for row in range(len(context.shared.updates)) if row != self.row]
            view = replace(view, others=context.shared.updates[others])
        with seeded(view.address.at("global")):
            reason = _reason(self.attack, view, self.name)
            update = view.train() if reason else self.attack.corrected(view)
        try:
            malformed = accept(update, context.shared.updates[self.row], self.name)
            if taken := RESERVED & view.log.keys():
                raise ClientError(f"{self.name} logged {', '.join(sorted(taken))}, which the simulator says; rename it")
            log = {"malformed": malformed} if malformed else {}
            said = {"acted": reason is None, "reason": reason, "alpha": self.alpha}
            return {**said, **log, **plain(view.log, self.name)}
        except ClientError as error:
            raise ClientError(f"{error}{at(self.attack.craft)}") from None


def _reason(attack: Attack, view: View, sender: str) -> str | None:
    """Say why the attack waits, if it does.

    Raises:
        ClientError: a stranger's says something else than a word.
    """
    reason: object = attack.waits(view)
    if reason is None or (is_word(reason) and reason):
        return reason
    said = f"{sender}: waits{at(attack.waits)} returned {named(reason)}"
    raise ClientError(f"{said}; return None where it attacks, else why not, as in 'early'")


@dataclass(frozen=True)
class RootJob:
    """The server's training on its root samples, as a client would train."""

    round: int
    cost: float
    reads = None  # as only the server has the samples

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"training on the root samples in round {self.round}"

    def fills(self, shared: SharedTensors) -> list[Tensor]:  # noqa: ARG002
        """Return views of the shared tensors that it fills: none."""
        return []

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Return the update."""
        assert context.root_samples is not None, "no root samples"
        address = context.root.at("root", self.round)
        return {
            "update": train(
                context.network, context.shared.models[GLOBAL], context.root_samples, context.local, address
            )
        }


@dataclass(frozen=True)
class EvaluationJob:
    """Evaluation of a shared model on blocks of the test set, from sample `start` to `stop`."""

    round: int
    model: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"evaluation of test samples {self.start} to {self.stop} in round {self.round}"

    @property
    def cost(self) -> float:
        """Duration relative to other jobs."""
        return self.stop - self.start

    @property
    def reads(self) -> int | None:
        """Index of the only shared model it reads; ``None`` if it reads updates."""
        return self.model

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the shared tensors that it fills."""
        return [shared.log_probabilities[self.model, self.start : self.stop]]

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Compute the log-probabilities of the blocks."""
        context.network.load(context.shared.models[self.model])
        for block in blocks(self.start, self.stop):
            address = draws(context.root, self.round, self.model, block.start)
            log_probabilities = context.log_probabilities(context.dataset.test.x[block], address)
            context.shared.log_probabilities[self.model, block] = log_probabilities
        return {}
