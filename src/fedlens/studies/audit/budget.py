"""How long the stages of an audit take, by the pace of one worker, and how much of a search fits into its minutes.

The search gets half of them. What is left is for the verdict's seeds, less the leak test, which comes last. The count
is of the longest course: no arm is out early, no verdict is reached early, and every leak is found by the first arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from fedlens.experiment.experiment import Experiment
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.forks import forked_rounds
from fedlens.studies.audit.inspection import OTHERS, PROBES
from fedlens.studies.audit.pace import Pace
from fedlens.studies.audit.power import LEAKS
from fedlens.studies.audit.schedule import BATCH, SHARES, Schedule, scaled

START_UP = 3.0
"""CPU seconds until a worker process begins."""
CELL = 0.3
"""CPU seconds that a whole federation or a control takes besides its rounds."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of each stage.

    Attributes:
        inspection: the server without attack.
        forked: single rounds.
        federations: the search in whole ones.
        verdict: all seeds of the verdict.
        leaks: the leak test, and sight of all updates.
    """

    inspection: float
    forked: float
    federations: float
    verdict: float
    leaks: float

    @property
    def search(self) -> float:
        """All that comes before the verdict."""
        return self.inspection + self.forked + self.federations


@dataclass(frozen=True)
class Plan:
    """How much an audit does, which is decided once.

    Attributes:
        schedule: as much of the effort's as fits.
        share: how much of the effort's search that is, as a fraction.
        leaks: seconds that are kept for the leak test.
    """

    schedule: Schedule
    share: float
    leaks: float


def planned(
    pace: Pace,
    schedule: Schedule,
    experiment: Experiment,
    arms: Sequence[Arm],
    *,
    jobs: int,
    seconds: float,
    share: float | None = None,
) -> tuple[Plan, Estimate]:
    """Return the largest share of the search that takes no more than this, and how long its stages take.

    Args:
        pace: of one worker.
        schedule: of the effort.
        experiment: that is audited.
        arms: those that suit it, in their order.
        jobs: how many workers there are.
        seconds: what the search may take; the least share may take more.
        share: that is taken whatever it takes; ``None`` for what fits.
    """
    whole = replace(schedule, arms=min(schedule.arms, len(arms)))
    for taken in SHARES if share is None else (share,):
        part = scaled(whole, taken)
        found = estimated(pace, part, experiment, arms[: part.arms], jobs=jobs)
        if found.search <= seconds:
            break
    return Plan(part, taken, found.leaks), found


def estimated(pace: Pace, schedule: Schedule, experiment: Experiment, arms: Sequence[Arm], *, jobs: int) -> Estimate:
    """Return how long each stage takes."""
    forked, seeds, start = len(forked_rounds(experiment.rounds)), schedule.seeds, START_UP * pace.slowness
    adaptive = sum(arm.adaptive for arm in arms)
    kept = min(schedule.kept, len(arms))
    bold = min(adaptive, kept, 3)
    again = forked * seeds - 1  # rounds of those that go on, after the one of all
    attacks = (adaptive + bold * again) * pace.adaptive + (len(arms) - adaptive + (kept - bold) * again) * pace.fixed
    noting = ceil((max(schedule.trials, seeds) - 1) / jobs) + (seeds - 1)
    return Estimate(
        inspection=start + 2 * pace.twin + forked * (len(PROBES) + len(OTHERS)) * pace.probe,
        forked=start + (noting + 1) * pace.twin + 2 * forked * seeds * pace.probe + attacks / jobs,
        federations=sum(_batch(pace, experiment, going, 1, jobs=jobs) for going in going_on(schedule)),
        verdict=sum(
            _batch(pace, experiment, _kinds(schedule.finalists), min(BATCH, schedule.verdict - first), jobs=jobs)
            for first in range(0, schedule.verdict, BATCH)
        ),
        leaks=start
        + (1 + len(LEAKS) * (seeds - 1)) * pace.twin
        + len(LEAKS) * seeds * ceil(forked / jobs) * (pace.adaptive or pace.fixed)
        + 2 * forked * seeds * pace.adaptive / jobs,
    )


def going_on(schedule: Schedule) -> list[tuple[float, int]]:
    """Return how many arms attack a federation in each trial: adaptive, fixed.

    Of the adaptive ones, the second attacks in the last third alone.
    """
    trials, count = [], schedule.federations
    for trial in range(schedule.trials):
        trials.append((4 / 3, count - 2) if trial == 0 and count > 2 else _kinds(count))
        count = max(min(count, schedule.finalists), (count + 1) // 2)
    return trials


def _kinds(count: int) -> tuple[float, int]:
    return (1.0, count - 1)


def _batch(pace: Pace, experiment: Experiment, arms: tuple[float, int], seeds: int, *, jobs: int) -> float:
    """Return how long some federations with each of these seeds take, with their controls, which come first."""
    bold, fixed = arms
    count, rounds, besides = ceil(bold) + fixed, experiment.rounds, CELL * pace.slowness
    cells = count * (pace.twin + besides) + rounds * (bold * pace.adaptive + fixed * pace.fixed)
    controls = ceil(seeds / jobs) * 2 * (pace.twin + besides)
    return START_UP * pace.slowness + controls + max(seeds * cells / jobs, cells / count)
