"""Measures of how the server's checks and rule treat the malicious client."""

from statistics import mean

from fedlens.analysis.run_results import Run
from fedlens.studies.paper.measure_result import Measured


def flagged_rounds(run: Run, check: str) -> Measured | None:
    """Return the share of attacks that this check flags; the control is that of honest updates."""
    decisions = run.checks[run.checks["check"] == check]
    attacks, honest = (decisions[decisions["guilty"] == side]["flagged"] for side in (True, False))
    return Measured(float(attacks.mean()), float(honest.mean())) if len(attacks) and len(honest) else None


def false_alarms(run: Run, check: str) -> Measured | None:
    """Return the share of honest clients' updates that this check flags."""
    decisions = run.checks[run.checks["check"] == check]
    honest = decisions[~decisions["guilty"].astype(bool)]["flagged"]
    return Measured(float(honest.mean())) if len(honest) else None


def chosen_rounds(run: Run) -> Measured | None:
    """Return the share of the malicious client's rounds in which the rule took its update alone."""
    weights = [record.malicious_weight for record in run.records]
    alone = [weight == 1 for weight in weights if weight is not None]
    return Measured(mean(alone), 1 / run.experiment.cohort_size) if alone else None
