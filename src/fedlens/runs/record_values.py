"""What is read off a recorded round: means over the r samples, and who attacked."""

from collections.abc import Sequence
from math import isnan
from typing import Any

from fedlens.experiment.experiment import Experiment

Record = dict[str, Any]


def mean(values: list[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)


def confidence(target: Record, field: str = "confidence") -> float:
    """The mean over the r samples of a recorded confidence."""
    return mean(target[field])


def beside(record: Record, name: str) -> Record:
    """What a control (``control``, ``placebo``) is recorded to have had in this round; empty where it was not run.

    Rounds from before there were placebos say nothing of them.
    """
    return record.get(name) or {}


def counts(experiment: Experiment, records: list[Record]) -> bool:
    """Tell whether the last of the rounds from the first one on has a success that is the attack's own.

    It is none of its own where the malicious client's absence gives it as well, or no malicious update was ever taken.
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
    """Tell whether the attack's update had weight in any of these rounds; ``None`` where the rule does not tell."""
    attacked = [record for record in records if acted(record)]
    shares = [0.0 if record["skipped"] is not None else malicious_share(experiment, record) for record in attacked]
    return True if any(shares) else None if None in shares else False


def answers(part: Record) -> bool:
    """Tell whether a model answers with numbers; `part` is a recorded round, or what it says of the benign twin."""
    loss, target = part["quality"].get("loss", 0.0), part.get("target")
    return loss is not None and not isnan(loss) and not (target and None in target["predicted"])


def class_name(classes: Sequence[str], number: int | None) -> str:
    """The class that a model predicts, in words: ``none`` where its answer is no number."""
    return "none" if number is None else classes[number]


def targeted(experiment: Experiment) -> bool:
    """Whether an attack wants the target classes; one without an `objective` does."""
    return getattr(experiment.attack, "objective", "targeted") == "targeted"


def acted(record: Record) -> bool:
    """Whether the malicious client was there in the round, and attacked."""
    return bool(record["attack"] and record["attack"]["acted"])


def guilty_client(experiment: Experiment, record: Record) -> int | None:
    """The client that attacked in the round, if one did."""
    return experiment.malicious if acted(record) else None


def malicious_share(experiment: Experiment, record: Record) -> float | None:
    """The weight that the rule gave to the malicious client's update, in a round that it takes part in, if known."""
    shares = record["shares"]
    if shares is None or experiment.malicious not in record["cohort"]:
        return None
    share: float = shares[record["cohort"].index(experiment.malicious)]
    return share


def malformed(record: Record) -> list[int]:
    """The clients whose updates were rejected for entries that are no finite numbers."""
    return list(record.get("malformed", ()))


def inspected(record: Record) -> list[int]:
    """The clients whose updates the server's checks saw, which the lists in ``checks`` are of."""
    return [client for client in record["cohort"] if client not in malformed(record)]


def guilt(experiment: Experiment, record: Record) -> list[bool]:
    """Which of the clients that checks saw attacked in the round."""
    guilty = guilty_client(experiment, record)
    return [client == guilty for client in inspected(record)]


def guilty_row(experiment: Experiment, record: Record) -> int | None:
    """Where the lists in ``checks`` have the client that attacked, if one did and was seen."""
    seen = guilt(experiment, record)
    return seen.index(True) if True in seen else None


def destroyed(records: list[Record]) -> int | None:
    """The round that left no model that is finite; it is a run's last."""
    return next((record["round"] for record in records if record.get("destroyed")), None)
