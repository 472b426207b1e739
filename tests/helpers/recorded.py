"""Rounds recorded by hand, of ten clients of which client 4 attacks."""

from typing import Any

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import ControlRecord, RoundRecord
from helpers.records import changed as changed_record
from helpers.records import round_record, side

ATTACKED = Experiment(clients=10, fraction=0.3, attack=ExplicitBoosting(client=4))


def record(round_: int, cohort: list[int], confidence: float = 0.5, **values: Any) -> RoundRecord:
    """A round in which client 4 attacks where it is in the cohort."""
    usual = {"target": {"confidence": [confidence]}}
    return round_record(round_, 4, cohort=cohort, **usual | values)


def changed(record_: RoundRecord, **changes: Any) -> RoundRecord:
    """`record_` with other values of version 1."""
    return changed_record(record_, 4, **changes)


def control(
    confidence: float,
    true_confidence: float = 0.9,
    per_class: tuple[float | None, ...] = (0.8, 0.8),
    *,
    success: bool = False,
) -> ControlRecord:
    """What a control's round says, with one target."""
    target = {"confidence": [confidence], "true_confidence": [true_confidence], "predicted": [1], "success": success}
    return side({"accuracy": 0.9, "per_class": list(per_class)}, target)


def met(round_: int, placebo: ControlRecord | None, confidence: float = 0.9, **values: Any) -> RoundRecord:
    """A round in which client 4 attacks and its target is met, beside its placebo."""
    target = {"confidence": [confidence], "success": True}
    usual = {"cohort": [1, 4, 5], "control": control(0.1), "placebo": placebo, "target": target}
    return record(round_, **usual | values)  # type: ignore[arg-type]
