"""Measures of the global model's confidence in the target class."""

from collections.abc import Callable, Iterable
from statistics import mean

from fedlens.analysis.run_results import Run
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import met_rounds
from fedlens.studies.paper.measure_result import Measured, chosen_rounds_of

SUCCEEDED = 0.5
"""The least confidence in the target class that counts as a backdoor."""


def early_confidence(run: Run) -> Measured | None:
    """Return the best confidence in the target class by round 3."""
    return _confidence(run.records[:3], max)


def final_confidence(run: Run) -> Measured | None:
    """Return the confidence in the target class after the last round."""
    return _confidence(run.records[-1:], max)


def second_confidence(run: Run) -> Measured | None:
    """Return the mean confidence in the target class in rounds 2 and 3."""
    return _confidence(run.records[1:3], mean)


def lasting_confidence(run: Run) -> Measured | None:
    """Return the least confidence in the target class from round 3 on: "for all time steps" but the first two."""
    return _confidence(run.records[2:], min)


def confidence_with(run: Run) -> Measured | None:
    """Return the mean confidence in the target class after rounds with the malicious client."""
    return _confidence([record for record in run.records if record.malicious_clients], mean)


def confidence_without_excess(run: Run) -> Measured | None:
    """Return the mean confidence after rounds without the malicious client, once it was there, less that with it.

    ``None`` if that with it is below `SUCCEEDED`: a backdoor that was never there cannot fade.
    """
    present = [record for record in run.records if record.malicious_clients]
    if not present:
        return None
    absent = [record for record in run.records if not record.malicious_clients and record.round > present[0].round]
    without, with_ = _confidence(absent, mean), _confidence(present, mean)
    if without is None or with_ is None or with_.value < SUCCEEDED:
        return None
    return Measured(without.value - with_.value)


def met_rounds_of_ten(run: Run) -> Measured | None:
    """Return in how many of the first ten rounds every target is met."""
    records = run.records[:10]
    twin = [record.twin.outcome.success for record in records if record.twin]
    return Measured(met_rounds(records), sum(twin) if twin else None)


def chosen_confidence(run: Run) -> Measured | None:
    """Return the mean confidence in the target class after rounds where the malicious update alone was chosen."""
    return _confidence(chosen_rounds_of(run), mean)


def _confidence(records: list[RoundRecord], over: Callable[[Iterable[float]], float]) -> Measured | None:
    """Return the confidence in the target class over these rounds, and the benign twin's."""
    if not records:
        return None
    twin = [record.twin.outcome.mean_confidence for record in records if record.twin]
    attacked = [record.outcome.mean_confidence for record in records]
    return Measured(float(over(attacked)), float(over(twin)) if twin else None)
