"""Momentum of clients, against attacks that hide in the variance of honest updates.

Karimireddy, He and Jaggi, *Learning from History for Byzantine Robust Optimization* (ICML 2021), Algorithm 2: a client
sends, in place of its update δ_t, m_t = (1 − β) δ_t + β m_{t−1}. The first time it sends m_1 = δ_1. Where clients are
sampled, t counts the rounds in which the client took part, as nobody else knows its m. Deviation: δ is the update of E
epochs, not a gradient.

Attackers whose software is honest do the same: those that wait, that only poison their samples, or that train as honest
clients. What others craft is sent as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from fedlens.defences.stage import State
from fedlens.simulation.engines.context import Job, SharedTensors
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob
from fedlens.simulation.engines.team_job import TeamJob

KEY = "100.client-momentum"
"""What the clients' momenta are called in checkpoints, behind all stages of any server's chain."""
NAME = "momentum"


class ClientMomentum:
    """The momenta of a round's clients.

    Args:
        beta: β; with 0 nothing is done or kept.
        kept: what was kept of earlier rounds, as a stage's state; ``None`` before the first.
        parameters: their number p; buffers that training changes, behind them, are sent as they are.
    """

    def __init__(self, beta: float, kept: State | None, parameters: int) -> None:
        self._beta = beta
        self._parameters = parameters
        self._before = State() if kept is None else kept
        self._after: dict[int, Mapping[str, Tensor]] = {}

    def apply(self, ran: Sequence[tuple[Job, dict[str, Any]]], shared: SharedTensors) -> None:
        """Put momenta in the place of the honest updates that these jobs have left."""
        if not self._beta:
            return
        for job, result in ran:
            if isinstance(job, HonestJob) or (isinstance(job, MaliciousJob) and _honest(job, result)):
                self._send(job.client, shared.updates[job.row])
            elif isinstance(job, TeamJob):
                for member, log in zip(job.members, result["members"], strict=True):
                    if _honest(member, log):
                        self._send(member.client, shared.updates[member.row])

    def kept(self) -> dict[str, State]:
        """Return what is kept for the next round, by its name in checkpoints."""
        if not self._beta:
            return {}
        return {KEY: replace(self._before, clients={**self._before.clients, **self._after})}

    def _send(self, client: int, row: Tensor) -> None:
        """Replace a client's update by its momentum; of one that is not finite, nothing is kept."""
        row = row[: self._parameters]
        if (before := self._before.clients.get(client)) is not None:
            row.mul_(1 - self._beta).add_(before[NAME].to(row), alpha=self._beta)
        if bool(row.isfinite().all()):
            self._after[client] = {NAME: row.clone()}


def _honest(job: MaliciousJob, log: Mapping[str, Any]) -> bool:
    """Tell whether a malicious client's update is what its honest software makes of its samples."""
    return not log["acted"] or job.attack.trains_honestly
