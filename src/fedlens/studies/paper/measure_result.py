"""What a measure returns, and the rounds in which the malicious client attacked or was chosen."""

from collections.abc import Callable
from typing import NamedTuple

from fedlens.analysis.run_results import Run
from fedlens.runs.record import RoundRecord, total_weight


class Measured(NamedTuple):
    """A number of a run, and the same of its benign twin if it has one."""

    value: float
    control: float | None = None


Measure = Callable[[Run], Measured | None]
"""Measures a complete run; ``None`` if there is nothing to measure, for example if the attacker was never chosen."""


def acted_rounds(run: Run) -> list[RoundRecord]:
    """Return the rounds in which the malicious client attacked."""
    return [record for record in run.records if record.attackers]


def chosen_rounds_of(run: Run) -> list[RoundRecord]:
    """Return the rounds in which it attacked and the rule took its update alone."""
    return [record for record in run.records if record.attackers and total_weight(record.attackers) == 1]
