"""Runs of three clients, the last of which is malicious, whose every number is given."""

from pathlib import Path
from typing import Any

from fedlens.analysis.run_results import Run
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment
from fedlens.goals.target_samples import Target

ATTACKED = Experiment(clients=3, attack=ExplicitBoosting())


def quality(accuracy: float) -> dict[str, Any]:
    return {"accuracy": accuracy, "loss": 1.0, "per_class": [accuracy, accuracy]}


def seen(confidence: float) -> dict[str, Any]:
    met = confidence >= 0.5
    return {
        "confidence": [confidence],
        "true_confidence": [1 - confidence],
        "predicted": [int(met)],
        "met": int(met),
        "success": met,
    }


def played(round_: int, **given: Any) -> dict[str, Any]:
    """A record: confidence, accuracy, the malicious model's accuracy, those of the twin, and what else is given."""
    present = given.pop("attacker", True)
    values = {"confidence": 0.5, "accuracy": 0.8, "malicious": 0.7, "twin_confidence": 0.1, "twin_accuracy": 0.85}
    values |= {name: given.pop(name) for name in list(given) if name in values}
    made = {
        "round": round_,
        "cohort": [0, 1, 2] if present else [0, 1],
        "attacker": present,
        "attack": {"acted": True} if present else None,
        "shares": None,
        "checks": {},
        "rejected": [],
        "skipped": None,
        "quality": quality(values["accuracy"]),
        "target": seen(values["confidence"]),
        "malicious": quality(values["malicious"]) if present else None,
        "control": {"quality": quality(values["twin_accuracy"]), "target": seen(values["twin_confidence"])},
    }
    return made | given


def run_of(*records: dict[str, Any], seed: int = 0, draw: int = 0, experiment: Experiment = ATTACKED) -> Run:
    experiment = experiment.model_copy(update={"seed": seed, "target": Target(draw=draw)})
    target = {"index": [7], "true": [0], "target": [1], "classes": ["high", "low"]}
    return Run(Path(f"scripted-{seed}-{draw}"), experiment, list(records), target, {})
