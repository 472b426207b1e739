"""The server's chain, and its checks, as attackers assume them, which they can try in their jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

from fedlens.core.custom import copy_tensors
from fedlens.core.layout import Layout
from fedlens.core.random import Address, seeded
from fedlens.defences.buffers import parameters_of
from fedlens.defences.chain import Chain
from fedlens.defences.detector import Detector, Inspection
from fedlens.defences.links import Link
from fedlens.defences.server_step import Step, server_step
from fedlens.defences.stage import Server, State, Updates
from fedlens.simulation.engines.inspection import verdict_of


@dataclass(frozen=True)
class Assumption:
    """What attackers assume of the server in a round.

    Attributes:
        chain: the server's chain, or the one that they guess.
        checks: the rejecting checks that they know, by their names.
        cohort: number of clients n in the round.
        kept: what each stage keeps, or ``None`` of one that has kept nothing yet; ``None`` if they do not know.
        clients: the cohort, by row, if they know what is kept.
        parameters_alone: whether updates have nothing else for the server, as clients keep their buffers.
    """

    chain: Chain
    cohort: int
    kept: tuple[State | None, ...] | None = None
    clients: tuple[int, ...] | None = None
    parameters_alone: bool = False
    checks: Mapping[str, Detector] = field(default_factory=dict)

    def server(
        self, round_: int, weights: Tensor, layout: Layout, alphas: Mapping[int, float], address: Address
    ) -> AssumedChain:
        """Return the server that they imagine, which shares no memory with anything else.

        Args:
            round_: the number of the round.
            weights: global weights w_G^t, shape ``[d]``.
            layout: the parameter that each of the d entries belongs to.
            alphas: the weights of those who imagine it, by row.
            address: where the random draws begin.
        """
        rows = [*(row for row in range(self.cohort) if row not in alphas), *alphas]
        others = self.cohort - len(alphas)
        rest = max(1 - sum(alphas.values()), 0) / max(others, 1)
        clients = tuple(range(self.cohort)) if self.clients is None else tuple(self.clients[row] for row in rows)
        stages = self.chain.whole
        kept = self.kept or (None,) * len(stages)
        states = [
            stage.init(layout.parameters) if state is None else state for stage, state in zip(stages, kept, strict=True)
        ]
        server = Server(round_, weights.clone(), layout, clients, address)
        return AssumedChain(
            components=deepcopy(self.chain.stages),
            checks=deepcopy(dict(self.checks)),
            server=parameters_of(server, layout.parameters.size) if self.parameters_alone else server,
            alpha=(*(rest for _ in range(others)), *alphas.values()),
            states=copy_tensors(states),
        )


@dataclass(frozen=True)
class AssumedChain:
    """An `AssumedServer`.

    Attributes:
        components: the components of the chain.
        checks: the rejecting checks before it, by their names.
        server: what it has in the round; its address is the attackers'.
        alpha: the weights of the updates, the others' first.
        states: what each stage keeps.
    """

    components: tuple[Link, ...]
    server: Server
    alpha: tuple[float, ...]
    states: Sequence[State]
    checks: Mapping[str, Detector] = field(default_factory=dict)

    @property
    def cohort(self) -> int:
        """See `AssumedServer.cohort`."""
        return len(self.alpha)

    def step(self, updates: Tensor) -> Tensor:
        """See `AssumedServer.step`.

        Raises:
            ValueError: there is not a row for each client.
        """
        step = self._tried(updates).update
        return functional.pad(step, (0, updates.shape[1] - len(step)))

    def weights(self, updates: Tensor) -> Tensor | None:
        """See `AssumedServer.weights`.

        Raises:
            ValueError: there is not a row for each client.
        """
        return self._tried(updates).effective_weights

    def _tried(self, updates: Tensor) -> Step:
        if len(updates) != len(self.alpha):
            raise ValueError(f"step: {len(updates)} updates; {len(self.alpha)} are right, a row for each client")
        address = self.server.address.at("rule")
        alpha = torch.tensor(self.alpha, dtype=torch.float64, device=updates.device)
        rows = updates.detach()[:, : len(self.server.weights)]
        with seeded(address.at("global")):
            kept = self._passed(rows, alpha / alpha.sum())
            step = self._combined(rows[kept].clone(), alpha[kept], kept, address)
        if step.effective_weights is None or len(kept) == len(rows):
            return step
        weights = torch.zeros(len(rows), dtype=torch.float64, device=updates.device)
        weights[kept] = step.effective_weights
        return replace(step, effective_weights=weights)

    def _passed(self, rows: Tensor, alpha: Tensor) -> list[int]:
        """Return which updates are finite, and pass all checks."""
        finite = [number for number, row in enumerate(rows) if bool(row.isfinite().all())]
        passed = set(range(len(finite)))
        if not finite:
            return finite
        received, weights = rows[finite], alpha[finite] / alpha[finite].sum()
        for name, check in self.checks.items():
            layout = self.server.layout if check.sees_buffers else self.server.layout.parameters
            seen = Inspection(
                self.server.round, self.server.weights[: layout.size].clone(), received[:, : layout.size].clone(),
                weights.clone(), layout,
            )  # fmt: skip
            flagged = verdict_of(name, check, seen).flagged.tolist()
            passed -= {place for place, rejected in enumerate(flagged) if rejected}
        return [finite[place] for place in sorted(passed)]

    def _combined(self, rows: Tensor, alpha: Tensor, kept: list[int], address: Address) -> Step:
        """Return what the chain makes of the `rows` that are left, whose numbers are those `kept`."""
        if not kept:
            return Step(torch.zeros_like(self.server.weights), alpha, (), (), "no update is left")
        clients = tuple(self.server.clients[row] for row in kept)
        server = replace(self.server, weights=self.server.weights.clone(), clients=clients, address=address)
        received = Updates.received(rows, alpha / alpha.sum())
        return server_step(Chain(stages=self.components).whole, received, server, copy_tensors(self.states))
