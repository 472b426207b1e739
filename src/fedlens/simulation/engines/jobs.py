"""The jobs of a round: honest training, a malicious client's update, evaluation."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.estimation import Observation
from fedlens.attacks.team import Member
from fedlens.core.errors import ClientError, named
from fedlens.core.given import is_word
from fedlens.core.origin import at
from fedlens.core.random import Address, seeded
from fedlens.data.dataset import Samples
from fedlens.goals.malicious_samples import malicious_samples
from fedlens.goals.success import TargetSamples
from fedlens.models.evaluation import blocks, draws
from fedlens.models.network import Network
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext, accept, plain
from fedlens.simulation.engines.own_buffers import leave_own, with_own
from fedlens.training.local import train
from fedlens.training.stacked import StackedClient, train_stacked

RESERVED = {"acted", "reason", "alpha", "malformed", "estimate_error", "estimate_cosine"}
"""Keys of the simulator in an attack's record, which the attack must not log."""


Prepared = tuple[StackedClient, Callable[[Tensor], dict[str, Any]]]
"""A client that trains in a stack, and what stores its update, and returns what it logs."""


@dataclass(frozen=True)
class HonestJob:
    """An honest client's local training.

    Attributes:
        work: the part of its batches that it trains on.
        buffers: the client's own, shape ``[b]``, if it keeps them; else ``None``.
    """

    round: int
    client: int
    row: int
    cost: float
    work: float = 1.0
    buffers: Tensor | None = None
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
            with_own(context.shared.models[GLOBAL], self.buffers),
            context.dataset.train,
            context.plan(self.round).shortened(self.work),
            context.address(self.round, self.client),
            members=context.shards.indices(self.client),
        )
        accept(update, context.shared.updates[self.row], self.name)
        if self.buffers is not None:
            leave_own(context.network, context.shared.updates[self.row])
        return {}

    def prepared(self, context: WorkerContext) -> Prepared:
        """Return the client as one that trains in a stack, and what to do with its update."""

        def finish(update: Tensor) -> dict[str, Any]:
            accept(update, context.shared.updates[self.row], self.name)
            return {}

        address, members = context.address(self.round, self.client), context.shards.indices(self.client)
        return StackedClient(address, members, context.dataset.train, self.work), finish


@dataclass(frozen=True)
class MaliciousJob:
    """A malicious client's training, in attack or honestly.

    Attributes:
        mates_alpha: sum of the weights of its team's other members in the cohort.
        place: its place in the whole team.
        alone: whether it is the whole team.
        assumed: what it assumes of the server, if its attack needs that.
        work: the part of its batches that it trains on where it does as honest clients do.
        cohort: number of clients in the round, of which it sees the updates if its attack sees all.
        buffers: the client's own, shape ``[b]``, if it keeps them; else ``None``.
    """

    round: int
    client: int
    row: int
    cost: float
    attack: Attack
    alpha: float
    target_samples: TargetSamples | None
    history: tuple[Observation, ...]
    mates_alpha: float = 0.0
    place: int = 0
    alone: bool = True
    assumed: Assumption | None = None
    work: float = 1.0
    cohort: int | None = None
    buffers: Tensor | None = None

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"malicious client {self.client} in round {self.round}"

    @property
    def reads(self) -> int | None:
        """Index of the only shared model it reads; ``None`` if it reads updates."""
        return GLOBAL if self.attack.sight == "own" else None

    @property
    def stackable(self) -> bool:
        """Whether it trains as honest clients do, on other samples; one attacker alone always trained by itself."""
        return self.attack.poisons and self.attack.sight == "own" and not self.alone

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the shared tensors that it fills."""
        return [shared.updates[self.row]]

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Let the attack craft its update from its view."""
        others = None
        if self.attack.sight != "own":
            count = len(context.shared.updates) if self.cohort is None else self.cohort
            seen = range(count) if self.attack.sight == "all" else []
            others = context.shared.updates[[row for row in seen if row != self.row]]
        return self.send(context, *self.crafted(context, others))

    def crafted(self, context: WorkerContext, others: Tensor | None = None) -> tuple[Tensor, View, str | None]:
        """Return what the attack crafts if it sees the updates of `others`, its view, and why it waited if it did."""
        view = replace(self.view(context), others=others)
        with seeded(view.address.at("global")):
            reason = self.waits(view)
            if reason:
                return view.train(), view, reason
            view = self.poisoned(self.calibrated(view))
            return self.attack.corrected(view), view, None

    def calibrated(self, view: View) -> View:
        """Return the view with the own buffers that honest training leaves, where it crafts at such; else as it is.

        Otherwise an attack that trains on nothing but its targets would forever aim at the initial ones.
        """
        if self.buffers is None or self.attack.trains_honestly or self.attack.colludes:
            return view
        view.train()
        return _holding(view, view.network.state()[-len(self.buffers) :])

    def prepared(self, context: WorkerContext) -> Prepared:
        """Return the client, if `stackable`, as one that trains in a stack, and what to do with its update."""
        clean = self.view(context)
        with seeded(clean.address.at("global")):
            reason = self.waits(clean)
            view = clean if reason else self.poisoned(clean)

        def finish(update: Tensor) -> dict[str, Any]:
            return self.send(context, update if reason else self.attack.boosted(update, view), view, reason)

        return StackedClient(view.address, None, view.shard, self.work), finish

    def view(self, context: WorkerContext) -> View:
        """Return what the client sees; its tensors are copies."""
        weights = with_own(context.shared.models[GLOBAL].clone(), self.buffers)
        network = Network(deepcopy(context.network.module))  # other jobs use the worker's own
        network.load(weights)
        shard, address = context.shard(self.client), context.address(self.round, self.client)
        view = View(
            round=self.round,
            weights=weights,
            received=weights.clone(),
            alpha=self.alpha,
            shard=shard,
            auxiliary=self._samples(context, shard, address.at("goal")),
            local=context.plan(self.round).shortened(self.work),
            network=network,
            address=address,
            history=deepcopy(self.history),
            goal=deepcopy(context.goal),
            mates_alpha=self.mates_alpha,
            place=self.place,
            server=None
            if self.assumed is None
            else self.assumed.server(self.round, weights, network.layout, {self.row: self.alpha}, address),
            classes=len(context.dataset.classes),
        )
        return view if self.buffers is None else _holding(view, self.buffers)

    def _samples(self, context: WorkerContext, shard: Samples, address: Address) -> TargetSamples:
        """Return a copy of the target samples, so that the attack cannot change what is evaluated, or the goal's.

        Of a trigger in parts, every attacker of a team stamps one.
        """
        if self.target_samples is not None:
            return deepcopy(self.target_samples)
        assert context.goal is not None, "an attack needs target samples or another goal"
        part = None if self.alone or context.goal.parts == 1 else self.place % context.goal.parts
        return malicious_samples(context.goal, shard, len(context.dataset.classes), address, part)

    def poisoned(self, view: View) -> View:
        """Return the view with the samples on which the client trains.

        Raises:
            ClientError: a stranger's attack returned something else.
        """
        if type(self.attack).poison is Attack.poison:
            return view
        samples: object = self.attack.poison(view.shard, member_of(view), view.auxiliary)
        if not isinstance(samples, Samples) or not len(samples) or samples.x.shape[1:] != view.shard.x.shape[1:]:
            where = f"{self.name}: poison{at(self.attack.poison)} returned {named(samples)}"
            raise ClientError(f"{where}; return Samples(x, y) like those that it was given, at least one")
        return replace(view, shard=samples)

    def waits(self, view: View) -> str | None:
        """Say why the attack waits, if it does.

        Raises:
            ClientError: a stranger's says something else than a word.
        """
        if view.goal is not None and view.goal.asks and not len(view.auxiliary.index):
            return "no samples"
        reason: object = self.attack.waits(view)
        if reason is None or (is_word(reason) and reason):
            return reason
        said = f"{self.name}: waits{at(self.attack.waits)} returned {named(reason)}"
        raise ClientError(f"{said}; return None where it attacks, else why not, as in 'early'")

    def send(self, context: WorkerContext, update: Tensor, view: View, reason: str | None) -> dict[str, Any]:
        """Store the update; return the attack's log of the round.

        Raises:
            ClientError: either is not what it should be.
        """
        try:
            malformed = accept(update, context.shared.updates[self.row], self.name)
            if self.buffers is not None:
                leave_own(view.network, context.shared.updates[self.row])
            if taken := RESERVED & view.log.keys():
                raise ClientError(f"{self.name} logged {', '.join(sorted(taken))}, which the simulator says; rename it")
            said = {"acted": reason is None, "reason": reason, "alpha": self.alpha}
            return {**said, **({"malformed": malformed} if malformed else {}), **plain(view.log, self.name)}
        except ClientError as error:
            raise ClientError(f"{error}{at(self.attack.craft)}") from None


def member_of(view: View) -> Member:
    """Return the client that has this view as a member of its team."""
    return Member(view.place, view.alpha, view.shard, view.address, view.history, view.goal, view.log, view.classes)


def _holding(view: View, buffers: Tensor) -> View:
    """Return the view of a client with these own buffers (``[b]``), which are in all weights that it knows.

    As updates have none, there is nothing to estimate of them.
    """
    weights = with_own(view.weights, buffers)
    history = tuple(replace(past, weights=with_own(past.weights, buffers)) for past in view.history)
    view.network.load(weights)
    return replace(view, weights=weights, received=weights.clone(), history=history)


@dataclass(frozen=True)
class StackedJob:
    """The local training of several clients in a stack: of honest ones, and of those that only poison their samples."""

    parts: tuple[HonestJob | MaliciousJob, ...]
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
        """Train all clients, and store their updates; return what each logs, in the order of the parts."""
        assert context.stack is not None, "no stack to train on"
        weights = context.shared.models[GLOBAL]
        stack = context.stack(context.network, weights, len(self.parts))
        ready = [part.prepared(context) for part in self.parts]
        plan = context.plan(self.parts[0].round)
        updates = train_stacked(stack, weights, plan, [client for client, _ in ready])
        return {"parts": [finish(update) for (_, finish), update in zip(ready, updates, strict=True)]}


@dataclass(frozen=True)
class RootJob:
    """The server's training on its root samples, as a client would train.

    Attributes:
        buffers: those with which it begins, shape ``[b]``; ``None`` for the global model's.
    """

    round: int
    cost: float
    buffers: Tensor | None = None
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
        plan, address = context.plan(self.round), context.root.at("root", self.round)
        weights = with_own(context.shared.models[GLOBAL], self.buffers)
        return {"update": train(context.network, weights, context.root_samples, plan, address)}


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
        """Compute the predictions for the blocks."""
        context.network.load(context.shared.models[self.model])
        for block in blocks(self.start, self.stop):
            address = draws(context.root, self.round, self.model, block.start)
            predictions = context.predictions(context.dataset.test.x[block], address)
            context.shared.log_probabilities[self.model, block] = predictions
        return {}
