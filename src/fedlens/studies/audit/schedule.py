"""How much an audit of each effort does.

The numbers are fixed, not measured, so that the same command does the same on every machine, interrupted or not. Time
alone decides how far the verdict's seeds go: an audit that has used up its minutes stops after the seeds at hand, and
says how many more would decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedlens.studies.audit.verdict import Effort


@dataclass(frozen=True)
class Schedule:
    """What an audit of one effort does.

    Attributes:
        minutes: after which no further seed is begun.
        arms: how many of the arms that suit the experiment are tried in a forked round, from the first on.
        seeds: of the search, for forked rounds.
        kept: arms that are tried in all forked rounds of all these seeds.
        federations: arms that attack whole federations.
        trials: seeds of the search for these.
        finalists: the most that the verdict is about.
        verdict: the most seeds of the verdict.

    Example:
        >>> from fedlens.studies.audit.schedule import SCHEDULES
        >>> SCHEDULES["standard"].minutes
        60
    """

    minutes: float
    arms: int
    seeds: int
    kept: int
    federations: int
    trials: int
    finalists: int
    verdict: int


SCHEDULES: Mapping[Effort, Schedule] = {
    "quick": Schedule(minutes=10, arms=40, seeds=1, kept=8, federations=3, trials=2, finalists=2, verdict=12),
    "standard": Schedule(minutes=60, arms=150, seeds=2, kept=20, federations=6, trials=3, finalists=2, verdict=48),
    "thorough": Schedule(minutes=480, arms=1000, seeds=4, kept=40, federations=12, trials=6, finalists=3, verdict=400),
}

BATCH = 4
"""Seeds of the verdict that are begun together; whatever the number of jobs, for the verdict must not depend on it."""
