"""The attackers' part of a round: who does what and when, what they remember, and the model that they would make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import torch
from torch import Tensor

from fedlens.attacks.attack import Attack
from fedlens.attacks.estimation import EstimateError, Observation, previous_step
from fedlens.experiment.assumed import assumed_checks
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting
from fedlens.runs.record import AttackRecord
from fedlens.runs.state import FederationState
from fedlens.simulation.client_buffers import ClientBuffers
from fedlens.simulation.combining import names_of
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.simulation.engines.context import Job
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob, RootJob
from fedlens.simulation.engines.team_job import TeamJob

History = Mapping[int, tuple[Observation, ...]]
Results = Sequence[tuple[Job, dict[str, Any]]]


@dataclass(frozen=True)
class Attacked:
    """What the attackers did in a round.

    Attributes:
        logs: what each of them logged, by its row in the cohort.
        state: what the team keeps for the next round.
    """

    logs: dict[int, dict[str, Any]] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)


def training_stages(
    setting: Setting,
    round_: int,
    cohort: Sequence[int],
    alpha: Tensor,
    state: FederationState,
    *,
    buffers: ClientBuffers,
) -> list[list[Job]]:
    """Return the jobs of a round's training, one stage after the other.

    Attackers that see only their own train while the others do. A team that sees more goes last, when all clients, its
    own included, have trained honestly; an attacker alone that crafts its update by itself needs no honest one of its
    own.
    """
    honest = [_honest_job(setting, round_, client, row, buffers.of(client)) for row, client in enumerate(cohort)]
    samples, local = setting.root_samples if setting.experiment.server.needs_root else None, setting.experiment.local
    root = [] if samples is None else [RootJob(round_, local.steps_for(len(samples)), buffers.first)]
    attack, jobs = setting.experiment.attack, _malicious_jobs(setting, round_, cohort, alpha, state, buffers=buffers)
    if attack is None or not jobs:
        return [[*honest, *root]]
    malicious = {job.row for job in jobs}
    others = [job for job in honest if job.row not in malicious]
    if attack.sight == "own":
        return [[*jobs, *others, *root]]
    if len(setting.experiment.team) == 1 and not attack.colludes:
        return [[*others, *root], [*jobs]]
    return [[*honest, *root], [TeamJob(tuple(jobs), len(cohort), state.team, tuple(cohort))]]


def _honest_job(setting: Setting, round_: int, client: int, row: int, buffers: Tensor | None) -> HonestJob:
    """Return the job of an honest client."""
    work = setting.work(client, round_)
    steps = setting.experiment.local.shortened(work).steps_for(int(setting.shards.sizes[client]))
    return HonestJob(round_, client, row, steps, work, buffers)


def _malicious_jobs(
    setting: Setting,
    round_: int,
    cohort: Sequence[int],
    alpha: Tensor,
    state: FederationState,
    *,
    buffers: ClientBuffers,
) -> list[MaliciousJob]:
    """Return a job for each attacker in the cohort."""
    attack, team = setting.experiment.attack, setting.experiment.team
    assumed = _assumption(setting.experiment, cohort, state)
    weights = {row: float(alpha[row]) for row, client in enumerate(cohort) if client in team}
    if attack is None or not weights:
        return []
    return [
        MaliciousJob(
            round_, cohort[row], row, inf, attack, weight, setting.auxiliary, state.history.get(cohort[row], ()),
            mates_alpha=sum(other for mate, other in weights.items() if mate != row),
            place=team.index(cohort[row]),
            alone=len(team) == 1,
            assumed=assumed,
            work=setting.work(cohort[row], round_),
            cohort=len(cohort),
            buffers=buffers.of(cohort[row]),
        )
        for row, weight in weights.items()
    ]  # fmt: skip


def _assumption(experiment: Experiment, cohort: Sequence[int], state: FederationState) -> Assumption | None:
    """Return what attackers assume of the server, if their attack needs that."""
    if (chain := experiment.assumed) is None:
        return None
    alone = experiment.local.buffers == "local"
    checks = assumed_checks(experiment.attack, experiment.attackers, experiment.detectors)
    if experiment.attackers is None or experiment.attackers.server_state == "unknown":
        return Assumption(chain, len(cohort), parameters_alone=alone, checks=checks)
    kept = tuple(state.stages.get(name) for name in names_of(chain.whole))
    return Assumption(chain, len(cohort), kept, tuple(cohort), alone, checks)


def counts(job: Job) -> bool:
    """Tell whether a job's end is that of a client's training; a team's members have trained before its own job."""
    return not isinstance(job, TeamJob | RootJob)


def attacked(results: Results, state: FederationState) -> Attacked:
    """Return what the attackers did, by the `results` of the training's jobs; without any, the team's state stays."""
    for job, result in results:
        if isinstance(job, TeamJob):
            logs = {member.row: log for member, log in zip(job.members, result["members"], strict=True)}
            return Attacked(logs, result["state"])
    return Attacked({job.row: log for job, log in results if isinstance(job, MaliciousJob)}, state.team)


def remembered(attack: Attack | None, history: History, observed: Mapping[int, Observation]) -> History:
    """Return what attackers remember after a round that some of them `observed`, cut to what their attack does."""
    length = attack.memory if attack is not None else 0
    if not length:
        return {}
    return {**history, **{client: (*history.get(client, ()), now)[-length:] for client, now in observed.items()}}


def malicious_update(updates: Tensor, alpha: Tensor, rows: Sequence[int]) -> Tensor:
    """Return the weighted mean of these rows of `updates`, Σ α_i δ_i / Σ α_i, shape ``[d]``; of one row, itself."""
    if len(rows) == 1:
        return updates[rows[0]].clone()
    weights = alpha[list(rows)] / alpha[list(rows)].sum()
    return weights.to(updates) @ updates[list(rows)]


def estimate_error(last: Observation, honest_step: Tensor, state: FederationState) -> dict[str, float | None]:
    """Measure the error of an attacker's estimate of Σ α_j δ_j over the honest clients, before checks and rule.

    Args:
        last: the attacker's last round.
        honest_step: what they really sent, shape ``[p]``: its parameters.
        state: the state before the round.
    """
    estimate = previous_step(last, state.weights, state.round + 1)
    error = EstimateError.of(estimate[: len(honest_step)], honest_step)
    return {"estimate_error": error.relative, "estimate_cosine": error.cosine}


def attack_record(log: dict[str, Any]) -> AttackRecord:
    """Return the log of a malicious client's job as a record."""
    rest = {name: value for name, value in log.items() if name not in {"acted", "reason", "alpha"}}
    return AttackRecord(log["acted"], log["reason"], log["alpha"], rest)


def weighted_step(updates: Tensor, alpha: Tensor, rows: Sequence[bool]) -> Tensor:
    """Return Σ α_j δ_j over the chosen rows of `updates` (``[m, d]``), shape ``[d]``."""
    weighted = torch.where(torch.tensor(rows, device=alpha.device), alpha, 0)
    return weighted.to(updates) @ updates
