"""What an audit would do, and about how long it would take, measured by playing one benign twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from fedlens.analysis.counted import counted
from fedlens.core.errors import UnjudgedError
from fedlens.core.threads import cores
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.arms import VERSION, Arm, arms_for
from fedlens.studies.audit.budget import planned
from fedlens.studies.audit.forked_tasks import HELD, PACE, measure
from fedlens.studies.audit.pace import Pace, sample
from fedlens.studies.audit.schedule import SCHEDULES
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.verdict import RATE, Effort, check_limits
from fedlens.sweeps.sweep_runtime import SweepRuntime

SEEDS = 3
"""Of the search, that are tried until there is something to attack."""


def plan_of(
    experiment: Experiment,
    effort: Effort,
    accuracy_cost: float,
    runtime: SweepRuntime,
    *,
    rate: float = RATE,
    minutes: float | None = None,
    share: float | None = None,
) -> Iterator[str]:
    """Yield in a few lines what an audit would do, and for how long.

    Raises:
        FedlensError: the experiment cannot be audited.
    """
    check_limits(rate, accuracy_cost)
    runtime.require_possible()
    subject, schedule = Subject.of(experiment, accuracy_cost), SCHEDULES[effort]
    allowed = 60 * (schedule.minutes if minutes is None else minutes)
    fitting, unfit = arms_for(subject.experiment)
    arms, jobs = [arm for arm in fitting if arm.window == "every round"], runtime.jobs or cores()
    pace = _pace(subject, arms, runtime)
    plan, found = planned(pace, schedule, subject.experiment, arms, jobs=jobs, seconds=allowed / 2, share=share)
    yield (
        f"{VERSION}: {len(arms)} attacks suit the experiment, {len(unfit)} do not; {plan.schedule.arms} will be tried, "
        f"{100 * plan.share:g} % of a {effort} search"
    )
    yield (
        f"single rounds: about {_minutes(found.inspection + found.forked)}; search in whole federations: "
        f"{_minutes(found.federations)}; verdict: at most {_minutes(found.verdict)} for {plan.schedule.verdict} seeds; "
        f"planted leaks: {_minutes(found.leaks)}"
    )
    whole, most = found.search + found.verdict + found.leaks, max(allowed, found.search + found.leaks)
    why = ", for in time no seed is begun that could not be completed" if whole > most else ""
    yield f"in all at most {_minutes(min(whole, most))} with {counted(jobs, 'job')}{why}"


def _pace(subject: Subject, arms: Sequence[Arm], runtime: SweepRuntime) -> Pace:
    """Measure the pace in this process."""
    chosen = sample(arms)
    memory = max(arm.made(subject.experiment).memory for arm in arms)
    engine = Runtime(runtime.engine, 1, runtime.device, runtime.data_dir, None, False, runtime.client_timeout)
    for number in range(SEEDS):
        try:
            given = [asdict(arm) for arm in chosen]
            measured = measure(subject.with_seed("search", number), engine, max(memory, 1), given)
        except UnjudgedError:
            if number == SEEDS - 1:
                raise
        else:
            return PACE.validate_python(measured)
        finally:
            HELD.release()
    raise AssertionError("unreachable")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 600 else f"{seconds / 60:.0f} min"
