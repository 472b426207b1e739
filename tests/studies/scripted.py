"""Runs of three clients, the last of which is malicious, whose every number is given."""

from pathlib import Path
from typing import Any

from helpers.records import round_record, side

from fedlens.analysis.run_results import Run
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment
from fedlens.goals.target_samples import Target
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.record import RoundRecord

ATTACKED = Experiment(clients=3, attack=ExplicitBoosting())


def seen(confidence: float) -> dict[str, Any]:
    met = confidence >= 0.5
    return {"confidence": [confidence], "predicted": [int(met)], "met": int(met), "success": met}


def played(round_: int, **given: Any) -> RoundRecord:
    """A record: confidence, accuracy, the malicious model's accuracy, those of the twin, and what else is given."""
    present = given.pop("attacker", True)
    values = {"confidence": 0.5, "accuracy": 0.8, "malicious": 0.7, "twin_confidence": 0.1, "twin_accuracy": 0.85}
    values |= {name: given.pop(name) for name in list(given) if name in values}
    usual = {
        "cohort": [0, 1, 2] if present else [0, 1],
        "shares": None,
        "quality": {"accuracy": values["accuracy"]},
        "target": seen(values["confidence"]),
        "malicious": {"accuracy": values["malicious"]},
        "control": side({"accuracy": values["twin_accuracy"]}, seen(values["twin_confidence"])),
    }
    return round_record(round_, 2, **usual | given)


def run_of(*records: RoundRecord, seed: int = 0, draw: int = 0, experiment: Experiment = ATTACKED) -> Run:
    experiment = experiment.model_copy(update={"seed": seed, "target": Target(draw=draw)})
    target = TargetRecord([7], [0], [1], ["high", "low"])
    return Run(Path(f"scripted-{seed}-{draw}"), experiment, list(records), target, None)
