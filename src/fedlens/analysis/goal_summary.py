"""What became of a goal other than target samples, in a few numbers."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isclose
from typing import Any

from fedlens.analysis.intervals import wilson
from fedlens.analysis.window import attack_window, split
from fedlens.experiment.experiment import Experiment
from fedlens.goals.answers import BackdoorRecord
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import counts, mean, met, met_rounds, mostly_met
from fedlens.runs.run_summary import BackdoorSummary, GoalSummary, Summary


def goal_summary(
    experiment: Experiment, inside: Sequence[RoundRecord], after: Sequence[RoundRecord]
) -> GoalSummary | None:
    """Sum up a goal over the rounds of the attack's window and those after it; ``None`` for target samples."""
    if experiment.goal is None:
        return None
    judged = [record for record in inside if record.goal_met is not None]
    complete = len(judged) == len(inside)
    drops, rises = accuracy_drops(inside), mae_rises(inside)
    return GoalSummary(
        met=met(inside[-1]) and mostly_met(experiment, inside) if complete else None,
        counts=counts(experiment, inside) if complete else None,
        met_rounds=met_rounds(inside),
        accuracy_drop=drops[-1] if drops else None,
        largest_drop=max(drops) if drops else None,
        mae_rise=rises[-1] if rises else None,
        largest_rise=max(rises) if rises else None,
        backdoor=backdoor_summary(inside, after),
    )


def goal_misfit(experiment: Experiment, records: Sequence[RoundRecord], summary: Summary) -> str | None:
    """Describe where what a summary says of a goal contradicts the rounds; ``None`` if nothing does."""
    inside, after = split(records, attack_window(experiment, records))
    said = {"goal": summary.goal, **{f"{name}.backdoor": side.backdoor for name, side in summary.controls.items()}}
    found: dict[str, GoalSummary | BackdoorSummary | None] = {"goal": goal_summary(experiment, inside, after)}
    for name in summary.controls:
        judged, later = ([record.controls.get(name) for record in part] for part in (inside, after))
        found[f"{name}.backdoor"] = backdoor_summary(judged, later)
    for name, expected in found.items():
        ours, theirs = (None if each is None else asdict(each) for each in (said[name], expected))
        if (wrong := _difference(name, ours, theirs)) is not None:
            return wrong
    return None


def _difference(place: str, said: Any, found: Any) -> str | None:
    """Name the first place in which two values differ, but for what floats are rounded by."""
    if isinstance(said, dict) and isinstance(found, dict):
        inner = (_difference(f"{place}.{name}", said[name], found[name]) for name in found)
        return next((wrong for wrong in inner if wrong is not None), None)
    if isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        pairs = enumerate(zip(said, found, strict=True))
        inner = (_difference(f"{place}.{number}", *pair) for number, pair in pairs)
        return next((wrong for wrong in inner if wrong is not None), None)
    if said == found or (
        isinstance(said, float) and isinstance(found, float) and isclose(said, found, rel_tol=1e-9, abs_tol=1e-9)
    ):
        return None
    if said is None or found is None or isinstance(said, dict | list):
        return f"{place}: {'missing' if said is None else 'there is none in the rounds'}"
    return f"{place}: {_word(said)}, but by the rounds it is {_word(found)}"


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def accuracy_drops(records: Sequence[RoundRecord]) -> list[float]:
    """Return how far each round's test accuracy is below the benign twin's, a fraction; empty without a twin."""
    sides = [(record.quality.accuracy, record.twin.quality.accuracy) for record in records if record.twin is not None]
    return [twin - ours for ours, twin in sides if ours is not None and twin is not None]


def mae_rises(records: Sequence[RoundRecord]) -> list[float]:
    """Return how far each round's test MAE is above the benign twin's, where both are finite; empty without a twin."""
    sides = [(record.quality.mae, record.twin.quality.mae) for record in records if record.twin is not None]
    return [ours - twin for ours, twin in sides if ours is not None and twin is not None]


def backdoor_summary(
    inside: Sequence[RoundRecord | ControlRecord | None], after: Sequence[RoundRecord | ControlRecord | None]
) -> BackdoorSummary | None:
    """Sum up a model's answers to triggered inputs in the attack's window and after it; ``None`` if there are none."""
    answers, later = _backdoors(inside), _backdoors(after)
    if not answers:
        return None
    last, rates = answers[-1], [answer.rate for answer in answers]
    low, high = wilson(last.hits, last.count)
    return BackdoorSummary(
        rate=last.rate,
        low=low,
        high=high,
        best=max(rates),
        mean=mean(rates),
        final=[*answers, *later][-1].rate,
        count=last.count,
        probability=last.probability,
        untriggered=last.untriggered / last.count,
        parts=[hits / last.count for hits in last.parts],
    )


def _backdoors(sides: Sequence[RoundRecord | ControlRecord | None]) -> list[BackdoorRecord]:
    return [side.backdoor for side in sides if side is not None and side.backdoor is not None]
