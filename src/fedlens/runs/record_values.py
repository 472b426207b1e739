"""Values derived from recorded rounds: means over the r samples, the client that attacked."""

from collections.abc import Sequence
from math import isnan
from typing import Any

from fedlens.experiment.experiment import Experiment

Record = dict[str, Any]


def mean(values: list[float]) -> float:
    """Average at least one value."""
    return sum(values) / len(values)


def confidence(target: Record, field: str = "confidence") -> float:
    """Average a recorded confidence over the r samples."""
    return mean(target[field])


def beside(record: Record, name: str) -> Record:
    """Return what is recorded of a control (``control``, ``placebo``) in this round; empty if it was not run.

    Records of early versions have no placebo.
    """
    return record.get(name) or {}


def counts(experiment: Experiment, records: list[Record]) -> bool:
    """Tell whether the attack itself caused the success of the last of all rounds up to here.

    It did not if the malicious client's absence has the same effect, or no malicious update was ever used.
    """
    last = records[-1]
    placebo = beside(last, "placebo")
    if not last["target"] or not last["target"]["success"] or (placebo and placebo["target"]["success"]):
        return False
    return experiment.attack is None or taken(experiment, records) is not False


def met_rounds(records: list[Record]) -> int:
    """In how many of these rounds every target is met."""
    return sum(bool(record["target"]["success"]) for record in records)


def taken(experiment: Experiment, records: list[Record]) -> bool | None:
    """Tell whether the attack's update had weight in any of these rounds; ``None`` if the rule does not tell."""
    attacked = [record for record in records if acted(record)]
    shares = [0.0 if record["skipped"] is not None else malicious_share(experiment, record) for record in attacked]
    return True if any(shares) else None if None in shares else False


def answers(part: Record) -> bool:
    """Tell whether a model answers with numbers; `part` is a recorded round or its control."""
    loss, target = part["quality"].get("loss", 0.0), part.get("target")
    return loss is not None and not isnan(loss) and not (target and None in target["predicted"])


def class_name(classes: Sequence[str], number: int | None) -> str:
    """Return the name of a predicted class; ``none`` if the answer is NaN."""
    return "none" if number is None else classes[number]


def targeted(experiment: Experiment) -> bool:
    """Tell whether an attack is targeted; one without an `objective` is."""
    return getattr(experiment.attack, "objective", "targeted") == "targeted"


def acted(record: Record) -> bool:
    """Tell whether the malicious client took part in the round, and attacked."""
    return bool(record["attack"] and record["attack"]["acted"])


def attacking_client(experiment: Experiment, record: Record) -> int | None:
    """Return the client that attacked in the round; ``None`` if none did."""
    return experiment.malicious if acted(record) else None


def malicious_share(experiment: Experiment, record: Record) -> float | None:
    """Return the effective weight of the malicious client's update; ``None`` if absent or unknown."""
    shares = record["shares"]
    if shares is None or experiment.malicious not in record["cohort"]:
        return None
    share: float = shares[record["cohort"].index(experiment.malicious)]
    return share


def malformed(record: Record) -> list[int]:
    """Return the clients whose updates were rejected for entries that are not finite."""
    return list(record.get("malformed", ()))


def inspected(record: Record) -> list[int]:
    """Return the clients whose updates the server's checks saw, in the order of the lists in ``checks``."""
    return [client for client in record["cohort"] if client not in malformed(record)]


def attacker_mask(experiment: Experiment, record: Record) -> list[bool]:
    """Tell which of the clients that checks saw attacked in the round."""
    attacker = attacking_client(experiment, record)
    return [client == attacker for client in inspected(record)]


def attacker_row(experiment: Experiment, record: Record) -> int | None:
    """Return the attacking client's index in the lists in ``checks``; ``None`` if none attacked or was seen."""
    attacked = attacker_mask(experiment, record)
    return attacked.index(True) if True in attacked else None


def destroyed(records: list[Record]) -> int | None:
    """Return the round that left no finite model, a run's last; ``None`` if there is none."""
    return next((record["round"] for record in records if record.get("destroyed")), None)
