"""A number of a run, and in which rounds the malicious client attacked or was chosen."""

from collections.abc import Callable
from typing import NamedTuple

from fedlens.analysis.run_results import Run
from fedlens.runs.record_values import Record, acted, malicious_share


class Measured(NamedTuple):
    """A number of a run, and of its benign twin where the same can be asked of it."""

    value: float
    control: float | None = None


Measure = Callable[[Run], Measured | None]
"""Measures a complete run; ``None`` where there is nothing to measure, such as an attacker that was never chosen."""


def acted_rounds(run: Run) -> list[Record]:
    """The rounds in which the malicious client attacked."""
    return list(filter(acted, run.records))


def chosen_rounds_of(run: Run) -> list[Record]:
    """Of these, the rounds in which the rule took its update alone."""
    return [record for record in acted_rounds(run) if malicious_share(run.experiment, record) == 1]
