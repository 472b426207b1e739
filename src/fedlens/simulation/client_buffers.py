"""Buffers that each client keeps to itself, with ``local.buffers: local``.

Andreux, Ogier du Terrail, Beguier and Tramel, *Siloed Federated Learning for Multi-Centric Histopathology Datasets*
(DCL workshop at MICCAI 2020): with SiloBN, the running statistics of batch normalisation stay with the clients, and its
learned parameters are shared. Li, Jiang, Zhang, Kamp and Dou, *FedBN: Federated Learning on Non-IID Features via Local
Batch Normalization* (ICLR 2021), keep the learned parameters of these layers local as well, which is not done here.

A client begins with the initial buffers, then goes on with those that its network ended the last round with in which it
took part. They are neither sent nor received: the entries of its update behind the parameters are zero to everybody. Of
a client whose buffers end as other than finite numbers, those from before are kept.

So nobody has the global model's buffers. The simulator measures it with a stand-in: the mean, weighted by α, of the
buffers that the round's honest clients ended with (counters: their median), whether the server took their updates or
not. Attackers count among these in rounds in which they do what honest clients do, as when they wait, so that such
rounds are those of the benign twin. Without any such client, the stand-in stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fedlens.attacks.attack import Attack
from fedlens.core.layout import Layout
from fedlens.defences.buffers import mean_of_buffers, parameters_of
from fedlens.defences.stage import Server, State, Updates
from fedlens.simulation.engines.context import Job, SharedTensors
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob
from fedlens.simulation.engines.team_job import TeamJob

KEY = "101.client-buffers"
"""What the clients' buffers are called in checkpoints, behind all stages of any server's chain."""
NAME = "buffers"


class ClientBuffers:
    """The own buffers of a round's clients; where clients have none, nothing is done or kept.

    Args:
        own: whether clients keep theirs.
        first: the initial model's, shape ``[b]``.
        layout: what each of these is.
        kept: what was kept of earlier rounds, as a stage's state; ``None`` before the first.
    """

    def __init__(self, own: bool, first: Tensor, layout: Layout, kept: State | None) -> None:
        self._own = own and bool(layout.size)
        self._first = first
        self._layout = layout
        self._before = State() if kept is None else kept
        self._after: dict[int, Mapping[str, Tensor]] = {}

    def of(self, client: int) -> Tensor | None:
        """Return those with which a client begins the round, shape ``[b]``; ``None`` if it gets the global model's."""
        if not self._own:
            return None
        return self._before.clients[client][NAME] if client in self._before.clients else self._first

    @property
    def first(self) -> Tensor | None:
        """The initial ones, at which training on root samples begins; ``None`` if it does at the global model's."""
        return self._first if self._own else None

    def apply(self, ran: Sequence[tuple[Job, dict[str, Any]]], shared: SharedTensors) -> None:
        """Take the clients' buffers out of the updates that these jobs have left.

        Who colludes makes no model of its own: it keeps the buffers of the honest training before that.
        """
        if not self._own:
            return
        for job, _ in ran:
            for part in _clients(job):
                own = shared.updates[part.row, -self._layout.size :]
                if not (isinstance(job, TeamJob) and job.colludes) and bool(own.isfinite().all()):
                    self._after[part.client] = {NAME: own.clone()}
                own.zero_()

    def kept(self) -> dict[str, State]:
        """Return what is kept for the next round, by its name in checkpoints."""
        if not self._own:
            return {}
        return {KEY: replace(self._before, clients={**self._before.clients, **self._after})}

    def sent(self, server: Server, updates: Updates) -> tuple[Server, Updates]:
        """Return what the server has and gets: parameters alone, where clients keep their buffers."""
        if not self._own:
            return server, updates
        count = server.layout.parameters.size
        return parameters_of(server, count), replace(updates, rows=updates.rows[:, :count])

    def added(self, weights: Tensor, update: Tensor, owners: Mapping[int, float]) -> Tensor:
        """Return a model, shape ``[d]``: `weights` plus an `update`.

        Args:
            weights: the global weights, shape ``[d]``.
            update: shape ``[d]``; where clients keep their buffers, ``[p]`` does.
            owners: weights of the clients, by their numbers, whose mean buffers it then gets; without any that have
                buffers of this round, it has those of `weights`.
        """
        if not self._own:
            return weights + update
        count = len(weights) - self._layout.size
        after = weights.clone()
        after[:count] += update[:count]
        if present := {client: alpha for client, alpha in owners.items() if client in self._after}:
            alphas = torch.tensor(list(present.values()), dtype=torch.float64, device=weights.device)
            rows = torch.stack([self._after[client][NAME] for client in present])
            after[count:] = mean_of_buffers(alphas / alphas.sum(), rows, self._layout)
        return after


def is_honest(attack: Attack | None, log: Mapping[str, Any] | None) -> bool:
    """Tell whether a client did what honest clients do, by its `log` of the round's attack; ``None`` if it has none."""
    return log is None or not log["acted"] or (attack is not None and attack.trains_honestly and not attack.poisons)


def _clients(job: Job) -> Iterator[HonestJob | MaliciousJob]:
    """Yield the clients of a job."""
    if isinstance(job, TeamJob):
        yield from job.members
    elif isinstance(job, HonestJob | MaliciousJob):
        yield job
