"""Rounds recorded by hand, of ten clients of which client 4 attacks."""

from typing import Any

from fedlens.attacks.explicit import ExplicitBoosting
from fedlens.experiment import Experiment

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


def control(confidence: float, true_confidence: float = 0.9, per_class: tuple[float | None, ...] = (0.8, 0.8)) -> Any:
    """What the benign twin's round says, with one target."""
    target = {"confidence": [confidence], "true_confidence": [true_confidence], "predicted": [1], "success": False}
    return {"quality": {"accuracy": 0.9, "per_class": list(per_class)}, "target": target}
