"""Consistency of a run's files: lists of the same length, consecutive rounds, known clients."""

from collections.abc import Iterator
from typing import Any

from fedlens.experiment.experiment import Experiment
from fedlens.runs.record_values import Record, inspected, malformed

RANGES = "distances"


def misfit(target: dict[str, Any]) -> str | None:
    """Describe what is wrong with the target samples; ``None`` if nothing is."""
    count, classes = len(target["index"]), len(target["classes"])
    if any(len(target[name]) != count for name in ("true", "target")):
        return "index, true and target are not of the same length"
    if any(number >= classes for name in ("true", "target") for number in target[name]):
        return f"a class above the {classes} that have names"
    return None


def misfits(experiment: Experiment, records: list[Record], target: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the index and fault of each record that contradicts the experiment, the samples, or itself."""
    compared = records[-1]["control"] is not None
    for index, record in enumerate(records):
        if record["round"] != index + 1:
            yield index, f"round {record['round']} where round {index + 1} is expected"
        elif (fault := _fault(experiment, record, target)) is not None:
            yield index, fault
        elif compared and record["control"] is None:
            yield index, "control: missing, though the last round has one"


def summary_misfit(summary: dict[str, Any], records: list[Record], target: dict[str, Any]) -> str | None:
    """Describe what is wrong with a summary of these records; ``None`` if nothing is."""
    if summary["rounds"] != len(records):
        return f"rounds: {summary['rounds']}, but {len(records)} are recorded"
    sides = {f"{name}.": summary.get(name) or {} for name in ("control", "placebo")}
    for prefix, part in {"": summary, **sides}.items():
        backdoor = part.get("target")
        if backdoor is None:
            if part.get("lifespan") is not None:
                return f"{prefix}target: missing"
        elif any(number is not None and number >= len(target["classes"]) for number in backdoor["predicted"]):
            return f"{prefix}target.predicted: a class without a name"
    window = summary["window"]
    if window is not None and not window["first"] <= window["last"] <= len(records):
        return "window: not among the rounds"
    return None


def _fault(experiment: Experiment, record: Record, target: dict[str, Any]) -> str | None:
    cohort = record["cohort"]
    attacks = record["attacker"]
    if attacks != (record["attack"] is not None) or attacks != (record["malicious"] is not None):
        return "attacker, attack and malicious contradict each other"
    if attacks and experiment.attack is None:
        return "attacker: the experiment has no attack"
    if record["shares"] is not None and len(record["shares"]) != len(cohort):
        return f"shares: {len(record['shares'])} of {len(cohort)} clients"
    if set(record["rejected"]) - set(cohort) or set(malformed(record)) - set(cohort):
        return "rejected, malformed: clients that are not in the cohort"
    return _checks_fault(experiment, record) or _models_fault(record, target)


def _checks_fault(experiment: Experiment, record: Record) -> str | None:
    if record["checks"].keys() != experiment.detectors.keys():
        return f"checks: {', '.join(record['checks']) or 'none'}, not those of the experiment"
    count = len(inspected(record))
    for name, check in record["checks"].items():
        if any(len(entries) != count for entries in check.values()):
            return f"checks.{name}: not an entry for each of {count} clients"
        needed = {
            "distances": ("range", "others"),
            "statistics": ("norm", "lowest", "highest", "sparsity", "wasserstein"),
        }
        if count and (missing := [entry for entry in needed.get(name, ()) if entry not in check]):
            return f"checks.{name}.{missing[0]}: missing"
        if name == RANGES and any(
            len(pair) not in {0, 2} for side in ("range", "others") for pair in check.get(side, ())
        ):
            return f"checks.{name}: a range has two ends"
        if name == "statistics" and any(
            isinstance(entry, list) for part in needed[name] for entry in check.get(part, ())
        ):
            return f"checks.{name}: lists where numbers are expected"
    return None


def _models_fault(record: Record, target: dict[str, Any]) -> str | None:
    count, classes = len(target["index"]), len(target["classes"])
    sides = {name: record.get(name) or {} for name in ("control", "placebo")}
    qualities = {"quality": record["quality"], "malicious": record["malicious"]}
    qualities |= {f"{name}.quality": side.get("quality") for name, side in sides.items()}
    for name, quality in qualities.items():
        if quality is not None and len(quality["per_class"]) != classes:
            return f"{name}.per_class: {len(quality['per_class'])} of {classes} classes"
    if record["target"] is None:
        return "target: missing"
    outcomes = {"target": record["target"]}
    outcomes |= {f"{name}.target": side.get("target") for name, side in sides.items()}
    for name, outcome in outcomes.items():
        if outcome is None:
            continue
        if any(len(outcome[key]) != count for key in ("confidence", "true_confidence", "predicted")):
            return f"{name}: not an entry for each of {count} samples"
        if any(number is not None and number >= classes for number in outcome["predicted"]):
            return f"{name}.predicted: a class above the {classes} that have names"
    return None
