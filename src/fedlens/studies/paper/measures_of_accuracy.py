"""Measures of the accuracy of the global model and of the malicious model on the test set."""

from statistics import mean, median

from fedlens.analysis import stealth
from fedlens.analysis.run_results import Run
from fedlens.runs.record import RoundRecord
from fedlens.studies.paper.measure_result import Measured, chosen_rounds_of


def final_accuracy(run: Run) -> Measured | None:
    """Return the global model's accuracy after the last round."""
    last = run.records[-1]
    return Measured(last.quality.share, last.twin.quality.share if last.twin else None)


def final_accuracy_excess(run: Run) -> Measured | None:
    """Return the global model's accuracy after the last round, less the benign twin's."""
    value, control = final_accuracy(run) or (None, None)
    return None if value is None or control is None else Measured(value - control, 0.0)


def best_accuracy(run: Run) -> Measured | None:
    """Return the global model's best accuracy."""
    return Measured(max(record.quality.share for record in run.records))


def stop_round(run: Run) -> Measured | None:
    """Return the first round whose accuracy reaches the paper's stopping rule; ``None`` where none does."""
    reached = None if run.summary is None else run.summary.would_stop_at
    return None if reached is None else Measured(reached)


def first_malicious_accuracy(run: Run) -> Measured | None:
    """Return the malicious model's accuracy in the first round in which it attacked."""
    accuracies = _malicious_accuracies(run)
    return Measured(*accuracies[0]) if accuracies else None


def mean_malicious_accuracy(run: Run) -> Measured | None:
    """Return the malicious model's accuracy, mean over the rounds in which it attacked."""
    accuracies = [accuracy for accuracy, _ in _malicious_accuracies(run)]
    return Measured(mean(accuracies)) if accuracies else None


def highest_malicious_excess(run: Run) -> Measured | None:
    """Return the malicious model's accuracy less the benign twin's, in the round where that is highest."""
    excesses = [accuracy - control for accuracy, control in _malicious_accuracies(run) if control is not None]
    return Measured(max(excesses)) if excesses else None


def malicious_deviation(run: Run) -> Measured | None:
    """Return the malicious model's deviation from the global model's accuracy, median over rounds."""
    by_round = [stealth.malicious_deviation(record) for record in run.records]
    deviations = [deviation for deviation in by_round if deviation is not None]
    return Measured(median(deviations)) if deviations else None


def chosen_accuracy_excess(run: Run) -> Measured | None:
    """Return the global model's accuracy less the twin's, mean over rounds where the malicious update was chosen."""
    excesses = [
        record.quality.share - accuracy
        for record in chosen_rounds_of(run)
        if (accuracy := _control_accuracy(record)) is not None
    ]
    return Measured(mean(excesses), 0.0) if excesses else None


def _malicious_accuracies(run: Run) -> list[tuple[float, float | None]]:
    """Return the malicious model's accuracy and the benign twin's in every round in which it attacked."""
    return [
        (record.malicious_model.share, _control_accuracy(record))
        for record in run.records
        if record.attackers and record.malicious_model is not None
    ]


def _control_accuracy(record: RoundRecord) -> float | None:
    return record.twin.quality.share if record.twin else None
