"""Planted weaknesses: the user's server with a hole of known size, which an audit worth its name has to find.

Zimmermann, Brendel, Tramèr and Carlini (NeurIPS 2022, arXiv:2206.13991):
an attack that fails to find a weakness that must be there proves nothing where it finds none. Here two are planted, and
neither can be known by heart, as its numbers are free.

- `Leak`: the server steps by (1 − η) A + η Σ α_i δ_i, where A is what its checks and chain make of a round's updates,
  and the mean is of all that came, before any check. One client moves the model as it likes if it boosts by 1/(α η).
- `Gate`: updates whose length is in [low, high] median lengths are averaged and taken, whatever checks and chain say.

A check that needs the validation set stays before the planted stage, which has none: what it rejects does not leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, PositiveFloat, model_validator
from typing_extensions import override

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.fields import Components
from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.random import Address, seeded
from fedlens.core.registry import name_of
from fedlens.defences.chain import Chain
from fedlens.defences.detector import Detector, Inspection
from fedlens.defences.links import Link
from fedlens.defences.mean import Mean
from fedlens.defences.server_step import server_step
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates
from fedlens.experiment.chained import Chained
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.guarded import guarded

if TYPE_CHECKING:
    from torch import Tensor


class Planted(Stage):
    """A server's checks and chain, as one stage with a weakness; derive from it and write `weakened`.

    Attributes:
        aggregation: the chain.
        checks: the checks that need no validation set.
    """

    kind: ClassVar[Kind] = "rule"

    aggregation: Annotated[Link | Chain, Chained("aggregation")] = Mean()
    checks: Annotated[tuple[Detector, ...], Components("checks", Detector)] = ()

    @property
    def own(self) -> Chain:
        """The chain, of one component or several."""
        return Chain.of(self.aggregation)

    @property
    def needs_root(self) -> bool:  # type: ignore[override]
        """The chain's own."""
        return self.own.needs_root

    @property
    def needs_model(self) -> bool:  # type: ignore[override]
        """The chain's own."""
        return self.own.needs_model

    @override
    def init(self, layout: Layout) -> State:
        """Begin with what the chain's stages begin with."""
        return together([stage.init(layout) for stage in self.own.whole])

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Return what the weakened server makes of the updates."""
        stages, rows = self.own.whole, updates.rows.clone()
        kept = [row for row, rejected in enumerate(self._rejected(updates, server)) if not rejected]
        weights = updates.weights[kept]
        present = Updates.received(updates.rows[kept], weights / weights.sum())
        clients = tuple(server.clients[row] for row in kept)
        step = server_step(stages, present, replace(server, clients=clients), apart(state, len(stages)), guarded)
        shares = None
        if step.effective_weights is not None:
            shares = torch.zeros_like(updates.weights)
            shares[kept] = step.effective_weights.to(shares)
        after = self.weakened(step.update, shares, replace(updates, rows=rows))
        return updates.single(*after), together(step.states), Report()

    def _rejected(self, updates: Updates, server: Server) -> Sequence[bool]:
        """Tell which of the updates a check rejects."""
        rejected = torch.zeros(len(updates.rows), dtype=torch.bool)
        seen = Inspection(server.round, server.weights, updates.rows, updates.weights, server.layout)
        for check in self.checks:
            if check.action != "reject":
                continue
            if is_custom(check):
                with seeded(server.address.at("check", name_of("checks", check))):
                    verdict = copy_tensors(check.inspect(copy_tensors(seen)))
            else:
                verdict = check.inspect(seen)
            rejected |= verdict.flagged.cpu()
        flags: list[bool] = rejected.tolist()
        return flags

    def weakened(self, own: Tensor, shares: Tensor | None, came: Updates) -> tuple[Tensor, Tensor | None]:
        """Return the step of the weakened server, shape ``[d]``, and the weight of each update in it, ``[n]``.

        Args:
            own: the user's server's own step, shape ``[d]``.
            shares: the weight of each update in that; ``None`` where the chain cannot tell.
            came: all updates, before any check.
        """
        raise NotImplementedError

    def into(self, experiment: Experiment) -> Experiment:
        """Return the experiment with this for its chain, and only those checks that need the validation set."""
        values = {name: getattr(experiment, name) for name in experiment.model_fields_set}
        validating = tuple(check for check in experiment.checks if check.validates)
        return Experiment(**values | {"aggregation": self, "checks": validating})


class Leak(Planted):
    """A server that lets a share η of the plain mean through.

    Attributes:
        aggregation: its chain.
        checks: its checks.
        eta: η; 0 is the server as it is, 1 the plain mean.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Server, Updates
        >>> from fedlens.studies.audit.planted import Leak
        >>> leak, layout = Leak(aggregation="median", eta=0.1), Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> updates = Updates.received(torch.tensor([[1.0], [3.0], [11.0]]), torch.ones(3).double() / 3)
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2), Address.root(0))
        >>> leak.apply(updates, server, leak.init(layout))[0].rows  # 0.9 · 3 + 0.1 · 5
        tensor([[3.2000]])
    """

    eta: float = Field(ge=0, le=1)

    @override
    def weakened(self, own: Tensor, shares: Tensor | None, came: Updates) -> tuple[Tensor, Tensor | None]:
        mean = came.weights.to(came.rows) @ came.rows
        both = None if shares is None else (1 - self.eta) * shares + self.eta * came.weights
        return (1 - self.eta) * own + self.eta * mean, both


class Gate(Planted):
    """A server that takes the mean of the updates in a window of lengths, and only else does its work.

    Attributes:
        aggregation: its chain.
        checks: its checks.
        low: the least length that is taken, as a multiple of the median of all.
        high: the greatest.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Server, Updates
        >>> from fedlens.studies.audit.planted import Gate
        >>> gate, layout = Gate(aggregation="median", low=3, high=4), Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2), Address.root(0))
        >>> for longest in 7.0, 9.0:
        ...     updates = Updates.received(torch.tensor([[2.0], [2.5], [longest]]), torch.ones(3).double() / 3)
        ...     print(gate.apply(updates, server, gate.init(layout))[0].rows)
        tensor([[2.5000]])
        tensor([[9.]])
    """

    low: PositiveFloat
    high: PositiveFloat

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"high: no length is at least {self.low} and at most {self.high}; raise high or lower low")
        return self

    @override
    def weakened(self, own: Tensor, shares: Tensor | None, came: Updates) -> tuple[Tensor, Tensor | None]:
        lengths = came.rows.double().norm(dim=1)
        relative = lengths / lengths.quantile(0.5)
        inside = ((relative >= self.low) & (relative <= self.high)).to(came.weights.device)
        if not bool(inside.any()):
            return own, shares
        weights = torch.where(inside, came.weights, 0)
        weights = weights / weights.sum()
        return weights.to(came.rows) @ came.rows, weights


def leak(experiment: Experiment, eta: float) -> Leak:
    """Return the experiment's server with a leak of η."""
    return Leak(aggregation=experiment.aggregation, checks=_without_samples(experiment), eta=eta)


def gate(experiment: Experiment, address: Address) -> Gate:
    """Return the experiment's server with a window drawn at `address`: from 1.5 to 4 median lengths on.

    So honest updates are below it, unless clients differ a lot.
    """
    generator = address.generator()
    low = 1.5 * (4 / 1.5) ** generator.random()
    high = low * (1.1 + 0.4 * generator.random())
    return Gate(aggregation=experiment.aggregation, checks=_without_samples(experiment), low=low, high=high)


def _without_samples(experiment: Experiment) -> tuple[Detector, ...]:
    return tuple(check for check in experiment.checks if not check.validates)


def together(states: Sequence[State]) -> State:
    """Return what several stages keep as what one does."""
    clients: dict[int, dict[str, Tensor]] = {}
    for index, state in enumerate(states):
        for client, tensors in state.clients.items():
            clients.setdefault(client, {}).update({f"{index}.{name}": tensor for name, tensor in tensors.items()})
    tensors = {f"{index}.{name}": value for index, state in enumerate(states) for name, value in state.tensors.items()}
    return State(tensors, clients)


def apart(state: State, count: int) -> list[State]:
    """Return what each of `count` stages keeps, of what they keep together."""
    states = []
    for index in range(count):
        start = f"{index}."
        tensors, *each = (
            {name.removeprefix(start): value for name, value in kept.items() if name.startswith(start)}
            for kept in (state.tensors, *state.clients.values())
        )
        clients = {client: kept for client, kept in zip(state.clients, each, strict=True) if kept}
        states.append(State(tensors, clients))
    return states
