"""A run in a few numbers, and the reasons not to trust it."""

from dataclasses import asdict
from typing import Any

from fedlens.detection.performance import performance
from fedlens.experiment import Experiment
from fedlens.federation.target import RESISTANT_CONFIDENCE

Record = dict[str, Any]


def mean(values: list[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)


def confidence(target: Record, field: str = "confidence") -> float:
    """The mean over the r samples of a recorded confidence."""
    return mean(target[field])


def guilty_client(experiment: Experiment, record: Record) -> int | None:
    """The client that attacked in the round, if one did."""
    return experiment.malicious if record["attack"] and record["attack"]["acted"] else None


def summarise(experiment: Experiment, records: list[Record], paper_stop: float | None) -> Record:
    """The result of at least one round.

    Returns:
        ``rounds`` played; ``accuracy`` of the last model, ``best_accuracy`` and its round; ``would_stop_at``, the round
        at which the paper's stopping rule would have ended; for the target ``confidence`` (last, best, mean over
        rounds), ``success`` (last round) and ``successful_rounds``; the malicious model's accuracy in its first and
        last round; ``participation``, the mean confidence in rounds with and without the malicious client, where there
        are both; ``defence``, what became of the malicious client's updates; ``checks``, how well each of them did
        (`fedlens.detection.performance.Performance`); the twin's figures under ``control``; and ``flags``, the reasons
        for doubt.
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
        "participation": _participation(records) if last["target"] else None,
        "defence": _defence(experiment, records),
        "checks": _performances(experiment, records),
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


def _participation(records: list[Record]) -> Record | None:
    """The mean confidence in the target class after rounds with the malicious client, and after those without."""
    sides: dict[str, list[float]] = {"with": [], "without": []}
    for record in records:
        sides["with" if record["attacker"] else "without"].append(confidence(record["target"]))
    return {side: mean(values) for side, values in sides.items()} if all(sides.values()) else None


def _defence(experiment: Experiment, records: list[Record]) -> Record | None:
    """In how many rounds the malicious client took part, was rejected, was the only one chosen; its mean share."""
    present = [record for record in records if record["attacker"]]
    if not present:
        return None
    shares = [
        None if record["shares"] is None else record["shares"][record["cohort"].index(experiment.malicious)]
        for record in present
    ]
    known = [share for share in shares if share is not None]
    told = [record["shares"] for record in present if record["shares"] is not None and record["skipped"] is None]
    single = bool(told) and all(len(shares) > 1 and max(shares) == 1 for shares in told)
    return {
        "rounds": len(present),
        "rejected": sum(experiment.malicious in record["rejected"] for record in present),
        "skipped": sum(record["skipped"] is not None for record in records),
        "chosen": sum(share == 1 for share in known) if single else None,
        "share": mean(known) if known else None,
    }


def _performances(experiment: Experiment, records: list[Record]) -> dict[str, Record]:
    """How well each of the server's checks did."""
    return {
        name: asdict(
            performance(
                (
                    record["checks"][name]["scores"],
                    record["checks"][name]["flagged"],
                    [client == guilty_client(experiment, record) for client in record["cohort"]],
                )
                for record in records
            )
        )
        for name in records[-1]["checks"]
    }


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
    if getattr(experiment.aggregation, "f", None) == 1:
        found.append("oracle f: the rule is told the true number of attackers, f = 1")
    return found
