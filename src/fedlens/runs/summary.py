"""A run in a few numbers, and the reasons not to trust it."""

from typing import Any

from fedlens.experiment import Experiment
from fedlens.federation.target import RESISTANT_CONFIDENCE

Record = dict[str, Any]


def mean(values: list[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)


def confidence(target: Record, field: str = "confidence") -> float:
    """The mean over the r samples of a recorded confidence."""
    return mean(target[field])


def summarise(experiment: Experiment, records: list[Record], paper_stop: float | None) -> Record:
    """The result of at least one round.

    Returns:
        ``rounds`` played; ``accuracy`` of the last model, ``best_accuracy`` and its round; ``would_stop_at``, the round
        at which the paper's stopping rule would have ended; for the target ``confidence`` (last, best, mean over
        rounds), ``success`` (last round) and ``successful_rounds``; the malicious model's accuracy in its first and
        last round; the twin's figures under ``control``; and ``flags``, the reasons for doubt.
    """
    last = records[-1]
    accuracies = [record["quality"]["accuracy"] for record in records]
    malicious = [record["malicious"]["accuracy"] for record in records if record["malicious"] is not None]
    summary: Record = {
        "rounds": len(records),
        "accuracy": accuracies[-1],
        "best_accuracy": max(accuracies),
        "best_round": records[accuracies.index(max(accuracies))]["round"],
        "paper_stop": paper_stop,
        "would_stop_at": _first_reaching(paper_stop, accuracies),
        "target": _target([record["target"] for record in records]) if last["target"] else None,
        "malicious_accuracy": {"first": malicious[0], "last": malicious[-1]} if malicious else None,
        "control": None,
        "flags": flags(experiment, records),
    }
    if last["control"]:
        beside = [record["control"] for record in records]
        summary["control"] = {
            "accuracy": last["control"]["quality"]["accuracy"],
            "would_stop_at": _first_reaching(paper_stop, [control["quality"]["accuracy"] for control in beside]),
            "target": _target([control["target"] for control in beside]),
        }
    return summary


def _first_reaching(threshold: float | None, accuracies: list[float]) -> int | None:
    """The first round whose accuracy reaches the threshold."""
    if threshold is None:
        return None
    return next((round_ for round_, accuracy in enumerate(accuracies, 1) if accuracy >= threshold), None)


def _target(targets: list[Record]) -> Record:
    confidences = [confidence(target) for target in targets]
    return {
        "confidence": {"last": confidences[-1], "best": max(confidences), "mean": mean(confidences)},
        "true_confidence": confidence(targets[-1], "true_confidence"),
        "predicted": targets[-1]["predicted"],
        "success": targets[-1]["success"],
        "successful_rounds": sum(target["success"] for target in targets),
    }


def flags(experiment: Experiment, records: list[Record]) -> list[str]:
    """Why the result of an attack may mean less than it seems."""
    attack, last = experiment.attack, records[-1]
    if attack is None:
        return []
    found = []
    if last["control"] is None:
        found.append("no control: nobody knows whether the clean model gets the target right")
    else:
        target = last["control"]["target"]
        wrong = sum(value < RESISTANT_CONFIDENCE for value in target["true_confidence"])
        if wrong:
            least = RESISTANT_CONFIDENCE
            which = "the target" if len(target["predicted"]) == 1 else f"{wrong} of {len(target['predicted'])} targets"
            found.append(
                f"the control errs too: without attack {which} is not classified right with confidence {least}"
            )
    if not any(record["attacker"] for record in records):
        found.append("the malicious client was never chosen")
    elif not any(record["attack"] and record["attack"]["acted"] for record in records):
        found.append("the malicious client never acted")
    if (share := 1 / experiment.clients) > 0.1:
        found.append(f"one client in {experiment.clients} is malicious ({share:.0%}); above 10 % is rarely realistic")
    if attack.omniscient:
        found.append("the attack is omniscient: it sees the other clients' updates")
    return found
