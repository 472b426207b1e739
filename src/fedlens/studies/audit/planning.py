"""What an audit would do, and about how long it would take, measured by playing one benign twin."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from fedlens.analysis.counted import counted
from fedlens.core.threads import cores
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.arms import VERSION, arms_for
from fedlens.studies.audit.forks import forked_rounds, forks_of
from fedlens.studies.audit.power import LEAKS
from fedlens.studies.audit.schedule import BATCH, SCHEDULES, Schedule
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.verdict import Effort, check_limits
from fedlens.sweeps.sweep_runtime import SweepRuntime

START_UP = 1.5
"""Seconds that a federation takes besides its rounds."""


def plan_of(
    experiment: Experiment, effort: Effort, accuracy_cost: float, rate: float, runtime: SweepRuntime
) -> Iterator[str]:
    """Yield in a few lines what an audit would do, and for how long.

    Raises:
        FedlensError: the experiment cannot be audited.
    """
    check_limits(rate, accuracy_cost)
    subject, schedule = Subject.of(experiment, accuracy_cost), SCHEDULES[effort]
    arms, unfit = arms_for(subject.experiment)
    tried = arms[: schedule.arms]
    yield f"{VERSION}: {len(arms)} attacks suit the experiment, {len(unfit)} do not; {len(tried)} will be tried"
    rounds = forked_rounds(subject.experiment.rounds)
    began = perf_counter()
    alone = Runtime(runtime.engine, None, runtime.device, runtime.data_dir)
    memory = max((arm.made(subject.experiment).memory for arm in tried), default=0)
    with forks_of(subject.with_seed("search", 0), alone, memory=max(memory, 1)) as forks:
        twin = perf_counter() - began
        sample = tried[:: max(len(tried) // 5, 1)]
        each = [forks.attack(arm.made(forks.experiment), forks.rounds[0]).seconds for arm in sample]
    pace = sum(each) / len(each)
    forked = pace * _forked(schedule, len(tried), len(rounds))
    jobs = runtime.jobs or cores()
    cell = twin + subject.experiment.rounds * pace + START_UP
    search = cell * schedule.federations * schedule.trials / jobs
    verdict = cell * schedule.finalists * schedule.verdict / jobs
    minutes = (forked + search + verdict) / 60
    yield (
        f"single rounds: about {forked / 60:.0f} min; search in whole federations: {search / 60:.0f} min; verdict: at "
        f"most {verdict / 60:.0f} min for {schedule.verdict} seeds"
    )
    most = max(schedule.minutes, (forked + search) / 60)
    why = f", for after {schedule.minutes:g} min no seed is begun but the first {BATCH}" if minutes > most else ""
    yield f"in all at most {min(minutes, most):.0f} min with {counted(jobs, 'job')}{why}"


def _forked(schedule: Schedule, arms: int, rounds: int) -> int:
    """Return how many forked rounds are attacked at most: in the search, and for the leak test."""
    leaks = len(LEAKS) * schedule.seeds * rounds * 3
    return arms + schedule.kept * rounds * schedule.seeds + leaks
