"""What became of a goal other than target samples, in a few numbers."""

from collections.abc import Sequence

from fedlens.analysis.intervals import wilson
from fedlens.experiment.experiment import Experiment
from fedlens.goals.answers import BackdoorRecord
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import counts, mean, met, met_rounds, mostly_met
from fedlens.runs.run_summary import BackdoorSummary, GoalSummary


def goal_summary(
    experiment: Experiment, inside: Sequence[RoundRecord], after: Sequence[RoundRecord]
) -> GoalSummary | None:
    """Sum up a goal over the rounds of the attack's window and those after it; ``None`` for target samples."""
    if experiment.goal is None:
        return None
    judged = [record for record in inside if record.goal_met is not None]
    complete = len(judged) == len(inside)
    drops = accuracy_drops(inside)
    return GoalSummary(
        met=met(inside[-1]) and mostly_met(experiment, inside) if complete else None,
        counts=counts(experiment, inside) if complete else None,
        met_rounds=met_rounds(inside),
        accuracy_drop=drops[-1] if drops else None,
        largest_drop=max(drops) if drops else None,
        backdoor=backdoor_summary(inside, after),
    )


def accuracy_drops(records: Sequence[RoundRecord]) -> list[float]:
    """Return how far each round's test accuracy is below the benign twin's, a fraction; empty without a twin."""
    return [side.quality.accuracy - record.quality.accuracy for record in records if (side := record.twin) is not None]


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
