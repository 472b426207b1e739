"""Consistency of what a run recorded of a goal other than target samples: possible counts, and their verdict."""

from fedlens.core.errors import ConfigError
from fedlens.core.recorded import Recorded
from fedlens.experiment.experiment import Experiment
from fedlens.goals.answers import BackdoorRecord, parts_alone
from fedlens.goals.damage import Damage
from fedlens.goals.goal import Goal
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import judged

JUDGES = (Goal.met, Damage.met)
"""Judgements that are made again from the numbers; a goal of your own may judge as it likes."""


def goal_fault(experiment: Experiment, record: RoundRecord) -> str | None:
    """Describe what is wrong with a round's answers to a goal, or with the verdict on them; ``None`` if nothing is."""
    asks = experiment.goal is not None and experiment.goal.asks  # None of a goal whose code is not read
    if asks is not None and asks != (record.backdoor is not None):
        return "backdoor: missing" if asks else "backdoor: the experiment's goal asks for none"
    parts = _parts(experiment)
    sides: dict[str, RoundRecord | ControlRecord] = {"": record}
    sides |= {f"{name}.": side for name, side in record.controls.items()}
    for prefix, side in sides.items():
        if (side.backdoor is None) != (record.backdoor is None):
            return f"{prefix}backdoor: missing" if side.backdoor is None else "backdoor: missing"
        if side.backdoor is not None and record.backdoor is not None:
            expected = len(record.backdoor.parts) if parts is None else parts
            if (fault := _answers_fault(side.backdoor, record.backdoor.count, expected)) is not None:
                return f"{prefix}backdoor.{fault}"
        if (fault := _verdict_fault(experiment.goal, side, record.twin)) is not None:
            return f"{prefix}goal_met: {fault}"
    return None


def _parts(experiment: Experiment) -> int | None:
    """Return how many parts of a trigger are asked about alone; ``None`` where the code that tells is not read."""
    if any(isinstance(part, Recorded) for kind, part in experiment.components() if kind in {"data", "goal", "trigger"}):
        return None
    try:
        parts = 1 if experiment.goal is None else experiment.goal.settled(experiment.data).parts
    except ConfigError:
        return None
    return parts_alone(parts)


def _answers_fault(answers: BackdoorRecord, count: int, parts: int) -> str | None:
    if answers.count != count:
        return f"count: {answers.count}, but the run's is {count}"
    if len(answers.parts) != parts:
        return f"parts: {len(answers.parts)}, but the trigger is asked about in {parts}"
    counts = {"hits": answers.hits, "untriggered": answers.untriggered, "distinct": answers.distinct or 0}
    counts |= {f"parts.{part}": hits for part, hits in enumerate(answers.parts)}
    return next(
        (f"{name}: {hits}, but there are {count} inputs" for name, hits in counts.items() if hits > count), None
    )


def _verdict_fault(goal: Goal | None, side: RoundRecord | ControlRecord, twin: ControlRecord | None) -> str | None:
    """Compare the verdict with the numbers; without goal or twin, and of the twin itself, there is none."""
    said = None if side.goal_met is None else str(side.goal_met).lower()
    if goal is None or twin is None or side is twin:
        return None if said is None else f"{said}, but there is nothing to judge by"
    if said is None:
        return "missing"
    if isinstance(goal, Recorded) or type(goal).met not in JUDGES:
        return None
    met = str(judged(goal, side, twin)).lower()
    return None if met == said else f"{said}, but by the numbers it is {met}"
