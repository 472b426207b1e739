"""Consistency of a run's files: lists of the same length, consecutive rounds, known clients, possible numbers."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from fedlens.experiment.experiment import Experiment
from fedlens.experiment.measures import MEASURES, MEASURING, Kind
from fedlens.models.evaluation import ERRORS, Quality
from fedlens.runs.apart import apart_fault
from fedlens.runs.goal_consistency import goal_fault
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.record import ClientRecord, RoundRecord
from fedlens.runs.run_summary import ControlSummary, Summary

NEEDED: Mapping[Kind, tuple[str, ...]] = {**MEASURES, "norms": ("norm", "lowest", "highest", "sparsity")}
"""The numbers of each kind that figures are drawn of; the first runs lack the spread."""
SIGNED = {"lowest", "highest"}
"""Those that may be negative: entries of an update. The others are lengths, distances and shares."""


class Names(NamedTuple):
    """Names under which clients may have been judged: those of the server's checks, and these with its stages'."""

    checks: Set[str]
    all: Set[str]


def misfit(target: TargetRecord) -> str | None:
    """Describe what is wrong with the target samples; ``None`` if nothing is."""
    count, classes = len(target.index), len(target.classes)
    if (count == 0) == (target.goal is None):
        return "index: no samples" if count == 0 else "goal: besides samples"
    if len(target.true) != count or len(target.target) != count:
        return "index, true and target are not of the same length"
    if any(number >= classes for number in [*target.true, *target.target]):
        return f"a class above the {classes} that have names"
    return None


def misfits(experiment: Experiment, records: Sequence[RoundRecord], target: TargetRecord) -> Iterator[tuple[int, str]]:
    """Yield the index and fault of each record that contradicts the experiment, the samples, or itself."""
    compared = records[-1].twin is not None
    checks = set(experiment.detectors)
    names = Names(checks, checks | set(experiment.server.names))
    for index, record in enumerate(records):
        if record.round != index + 1:
            yield index, f"round {record.round} where round {index + 1} is expected"
        elif (fault := _fault(experiment, names, record, target)) is not None:
            yield index, fault
        elif compared and record.twin is None:
            yield index, "control: missing, though the last round has one"


def summary_misfit(summary: Summary, records: Sequence[RoundRecord], target: TargetRecord) -> str | None:
    """Describe what is wrong with a summary of these records; ``None`` if nothing is."""
    if summary.rounds != len(records):
        return f"rounds: {summary.rounds}, but {len(records)} are recorded"
    sides: dict[str, Summary | ControlSummary] = {
        "": summary,
        **{f"{name}.": side for name, side in summary.controls.items()},
    }
    for prefix, side in sides.items():
        if side.target is None:
            if side.lifespan is not None and target.goal is None:
                return f"{prefix}target: missing"
        elif any(number is not None and number >= len(target.classes) for number in side.target.predicted):
            return f"{prefix}target.predicted: a class without a name"
    window = summary.window
    if window is not None and not window.first <= window.last <= len(records):
        return "window: not among the rounds"
    return None


def _fault(experiment: Experiment, names: Names, record: RoundRecord, target: TargetRecord) -> str | None:
    if (fault := _cohort_fault(experiment, record.cohort)) is not None:
        return fault
    for client in record.clients:
        if (fault := _attack_fault(experiment, client)) is not None:
            return f"client {client.client}: {fault}"
        if not _are_checks(names, client):
            return f"checks: {', '.join(client.checks) or 'none'}, not those of the experiment"
        if client.malformed and client.measured:
            return f"client {client.client}: measured: of a malformed update"
        for kind in () if client.malformed else experiment.recorded:
            if (fault := _measures_fault(kind, client)) is not None:
                return fault
    apart = apart_fault(record) if "distances" in experiment.recorded else None
    return apart or goal_fault(experiment, record) or _models_fault(record, target)


def _cohort_fault(experiment: Experiment, cohort: Sequence[int]) -> str | None:
    if len(set(cohort)) < len(cohort):
        return "clients: one of them twice"
    if (highest := max(cohort)) >= experiment.clients:
        return f"clients: {highest}, but the experiment has clients 0 to {experiment.clients - 1}"
    return None


def _are_checks(names: Names, client: ClientRecord) -> bool:
    """Tell whether all checks saw an update that was received; of the chain's stages, not all may have."""
    if client.malformed:
        return not client.checks
    return names.checks <= client.checks.keys() <= names.all


def _attack_fault(experiment: Experiment, client: ClientRecord) -> str | None:
    if (client.attack is None) != (client.model is None):
        return "attack and model contradict each other"
    if client.attack is None:
        return None
    if experiment.attack is None:
        return "attack: the experiment has none"
    if client.client not in (team := experiment.team):
        return f"attack: the malicious client{'s are' if len(team) > 1 else ' is'} {', '.join(map(str, team))}"
    return None


def _measures_fault(kind: Kind, client: ClientRecord) -> str | None:
    where = f"checks.{MEASURING[kind]}" if MEASURING[kind] in client.checks else "measured"
    for name in NEEDED[kind]:
        if (value := client.measure(name)) is None:
            return f"{where}.{name}: missing"
        if kind == "distances" and not (isinstance(value, list) and len(value) in {0, 2}):
            return f"{where}.{name}: a range has two ends"
        if kind != "distances" and isinstance(value, list):
            return f"{where}.{name}: a list where a number is expected"
        numbers = value if isinstance(value, list) else [value]
        if name not in SIGNED and any(number < 0 for number in numbers):
            return f"client {client.client}: {where}.{name}: {min(numbers):g}, which cannot be negative"
        if name == "sparsity" and any(number > 1 for number in numbers):
            return f"client {client.client}: {where}.{name}: {max(numbers):g}, which is no share of the entries"
    return None


def _quality_fault(quality: Quality, classes: int) -> str | None:
    if len(quality.per_class) != classes:
        return f"per_class: {len(quality.per_class)} of {classes} classes"
    if (quality.accuracy is None) == bool(classes):
        return f"accuracy: {'missing' if classes else 'of a regression'}"
    if not classes and not quality.metrics.keys() >= set(ERRORS):
        return f"metrics: without {', '.join(ERRORS)}"
    return f"loss: {quality.loss:g}, which cannot be negative" if quality.loss < 0 else None


def _models_fault(record: RoundRecord, target: TargetRecord) -> str | None:
    count, classes = len(target.index), len(target.classes)
    qualities = {"quality": record.quality, "malicious": record.malicious_model}
    qualities |= {f"{name}.quality": side.quality for name, side in record.controls.items()}
    for name, quality in qualities.items():
        if quality is not None and (fault := _quality_fault(quality, classes)) is not None:
            return f"{name}.{fault}"
    answers = {"target": record.target, **{f"{name}.target": side.target for name, side in record.controls.items()}}
    for name, answer in answers.items():
        if answer is None and target.goal is None:
            return f"{name}: missing"
        if answer is None:
            continue
        if any(len(values) != count for values in (answer.confidence, answer.true_confidence, answer.predicted)):
            return f"{name}: not an entry for each of {count} samples"
        if any(number is not None and number >= classes for number in answer.predicted):
            return f"{name}.predicted: a class above the {classes} that have names"
    return None
