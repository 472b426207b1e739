"""Rounds recorded by hand, of ten clients of which client 4 attacks."""

from typing import Any

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment

ATTACKED = Experiment(clients=10, fraction=0.3, attack=ExplicitBoosting(client=4))


def record(round_: int, cohort: list[int], confidence: float = 0.5, **changes: Any) -> dict[str, Any]:
    """A round in which client 4 attacks where it is in the cohort."""
    attacker = 4 in cohort
    target = {"confidence": [confidence], "true_confidence": [1 - confidence], "predicted": [0], "met": 0}
    made: dict[str, Any] = {
        "round": round_,
        "cohort": cohort,
        "attacker": attacker,
        "attack": {"acted": True} if attacker else None,
        "shares": [1 / 3] * 3,
        "checks": {},
        "rejected": [],
        "skipped": None,
        "quality": {"accuracy": 0.8, "per_class": [0.8, 0.8]},
        "target": {**target, "success": False},
        "malicious": None,
        "control": None,
    }
    return made | changes


def control(
    confidence: float,
    true_confidence: float = 0.9,
    per_class: tuple[float | None, ...] = (0.8, 0.8),
    *,
    success: bool = False,
) -> Any:
    """What a control's round says, with one target."""
    target = {"confidence": [confidence], "true_confidence": [true_confidence], "predicted": [1], "success": success}
    return {"quality": {"accuracy": 0.9, "per_class": list(per_class)}, "target": target}


def met(round_: int, placebo: Any, confidence: float = 0.9) -> dict[str, Any]:
    """A round in which client 4 attacks and its target is met, beside its placebo."""
    made = record(round_, [1, 4, 5], confidence, control=control(0.1), placebo=placebo)
    made["target"]["success"] = True
    return made
