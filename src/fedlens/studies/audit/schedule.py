"""How much an audit of each effort does at most, and how much less if its minutes do not suffice for that.

The share of the search that fits is decided once, from the pace of the machine, and stands in the audit's ledger and
``audit.json``; all else but the number of the verdict's seeds follows from it, whatever the machine, and interrupted or
not. An audit that has used up its minutes stops after the seeds at hand, and says how many more would decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from fedlens.studies.audit.verdict import Effort


@dataclass(frozen=True)
class Schedule:
    """What an audit of one effort does.

    Attributes:
        minutes: that all starts of the audit take together, about half of them for the search.
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
    "quick": Schedule(minutes=10, arms=40, seeds=1, kept=8, federations=4, trials=2, finalists=2, verdict=12),
    "standard": Schedule(minutes=60, arms=150, seeds=2, kept=20, federations=6, trials=3, finalists=2, verdict=48),
    "thorough": Schedule(minutes=480, arms=1000, seeds=4, kept=40, federations=12, trials=6, finalists=3, verdict=400),
}

SHARES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
"""How much of the search may be done."""

LEAST = {"arms": 9, "seeds": 1, "kept": 3, "federations": 3, "trials": 1}
"""What no search goes without."""


def scaled(schedule: Schedule, share: float) -> Schedule:
    """Return a share of the search: fewer arms, in their order, seeds and federations; finalists and verdict stay.

    Example:
        >>> from fedlens.studies.audit.schedule import SCHEDULES, scaled
        >>> half = scaled(SCHEDULES["quick"], 0.5)
        >>> half.arms, half.kept, half.federations, half.trials, half.verdict
        (20, 4, 3, 1, 12)
    """
    whole = {name: getattr(schedule, name) for name in LEAST}
    return replace(schedule, **{name: max(ceil(share * most), min(LEAST[name], most)) for name, most in whole.items()})


BATCH = 4
"""Seeds of the verdict that are begun together; whatever the number of jobs, for the verdict must not depend on it."""
