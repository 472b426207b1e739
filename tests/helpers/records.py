"""Rounds recorded by hand: the one factory of records for tests."""

from typing import Any

from fedlens.runs.record import ROUND, ControlRecord, RoundRecord
from fedlens.runs.version_1 import upgraded


def round_record(round_: int = 1, client: int = 3, /, **values: Any) -> RoundRecord:
    """A round of four clients, completed where nothing is said.

    Args:
        round_: its number.
        client: the one that attacks if it is in the cohort.
        values: by the keys of version 1, where a column of clients is shorter to write than a list of them; parts
            of ``quality``, ``target``, ``attack``, ``malicious``, ``control`` and ``placebo`` are completed.
    """
    cohort = values.setdefault("cohort", [0, 1, 2, 3])
    attack = values.get("attack", {} if client in cohort else None)
    made = {
        "round": round_,
        "shares": [1 / len(cohort)] * len(cohort),
        "checks": {},
        "rejected": [],
        "skipped": None,
        "control": None,
        **values,
    }
    count = len(cohort) - len(made.get("malformed", []))
    usual = {"scores": [0.0] * count, "flagged": [False] * count}
    made["checks"] = {name: usual | check for name, check in made["checks"].items()}
    made["attacker"] = attack is not None
    made["attack"] = None if attack is None else {"acted": True, "reason": None, "alpha": 0.25} | attack
    own = values.get("malicious") or {}
    made["malicious"] = None if attack is None else _quality(own)
    made["quality"] = _quality(values.get("quality", {}))
    made["target"] = None if values.get("target", {}) is None else _target(values.get("target", {}))
    for name in {"control", "placebo"} & made.keys():
        made[name] = side(**made[name]) if isinstance(made[name], dict) else made[name]
        made[name] = made[name] and _plain(made[name])
    return ROUND.validate_python(upgraded(made, client))


def changed(record: RoundRecord, client: int = 3, /, **changes: Any) -> RoundRecord:
    """`record` with other values of version 1; mappings are merged with its own."""
    values = record.by_old_keys()
    for name, change in changes.items():
        both = isinstance(change, dict) and isinstance(values.get(name), dict) and name != "checks"
        values[name] = values[name] | change if both else change
    return round_record(values.pop("round"), client, **values)


def attack_of(record: RoundRecord) -> dict[str, Any] | None:
    """What the attack logged in a round, and whether it acted; ``None`` where it was not there."""
    attack: dict[str, Any] | None = record.by_old_keys()["attack"]
    return attack


def side(quality: dict[str, Any] | None = None, target: dict[str, Any] | None = None) -> ControlRecord:
    """What is recorded of a control."""
    from fedlens.goals.success import Success
    from fedlens.models.evaluation import Quality

    return ControlRecord(Quality(**_quality(quality or {})), Success(**_target(target or {})))


def _plain(control: ControlRecord) -> dict[str, Any]:
    return {"quality": vars(control.quality), "target": vars(control.target)}


def _quality(given: dict[str, Any]) -> dict[str, Any]:
    accuracy = given.get("accuracy", 0.8)
    return {"accuracy": accuracy, "loss": 1.0, "per_class": [accuracy, accuracy], **given}


def _target(given: dict[str, Any]) -> dict[str, Any]:
    confidence = given.get("confidence") or [0.5] * len(given.get("predicted", [0]))
    met = given.get("met", len(confidence) if given.get("success") else 0)
    usual = {"confidence": confidence, "true_confidence": [1 - value for value in confidence]}
    usual |= {"predicted": [0] * len(confidence), "met": met, "success": met == len(confidence)}
    return usual | given
