"""What the server's checks and rule made of the malicious client."""

from statistics import mean

from fedlens.analysis.run_results import Run
from fedlens.runs.record_values import malicious_share
from fedlens.studies.paper.measured import Measured


def flagged_rounds(run: Run, check: str) -> Measured | None:
    """The share of the rounds in which the client attacked where this check flags it; the control is the others'."""
    found = run.checks[run.checks["check"] == check]
    guilty, others = (found[found["guilty"] == side]["flagged"] for side in (True, False))
    return Measured(float(guilty.mean()), float(others.mean())) if len(guilty) and len(others) else None


def false_alarms(run: Run, check: str) -> Measured | None:
    """The share of honest clients' updates that this check flags."""
    found = run.checks[run.checks["check"] == check]
    honest = found[~found["guilty"].astype(bool)]["flagged"]
    return Measured(float(honest.mean())) if len(honest) else None


def chosen_rounds(run: Run) -> Measured | None:
    """The share of the malicious client's rounds in which the rule took its update alone."""
    shares = [malicious_share(run.experiment, record) for record in run.records if record["attacker"]]
    known = [share for share in shares if share is not None]
    return Measured(mean(share == 1 for share in known), 1 / run.experiment.cohort_size) if known else None
