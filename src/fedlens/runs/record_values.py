"""Values derived from several recorded rounds: whether a success counts, whether a malicious update was taken."""

from collections.abc import Sequence

from fedlens.experiment.experiment import Experiment
from fedlens.goals.goal import Goal, Standing
from fedlens.models.evaluation import ERRORS, Quality
from fedlens.runs.record import ControlRecord, RoundRecord, total_weight


def mean(values: Sequence[float]) -> float:
    """Average at least one value."""
    return sum(values) / len(values)


def met(side: RoundRecord | ControlRecord) -> bool:
    """Tell whether every target is met, or another goal."""
    return side.goal_met is True if side.target is None else side.target.success


def met_rounds(records: Sequence[RoundRecord]) -> int:
    """Count the rounds in which every target is met, or another goal."""
    return sum(map(met, records))


def in_window(experiment: Experiment, round_: int) -> bool:
    """Tell whether the round belongs to the attack's window; without attack, every round does."""
    attack = experiment.attack
    return attack is None or (attack.delay <= round_ and (attack.until is None or round_ < attack.until))


def counts(experiment: Experiment, records: Sequence[RoundRecord]) -> bool:
    """Tell whether the attack itself caused the success of the last of all rounds up to here.

    It did not if the malicious clients' absence has the same effect, or no malicious update was ever used. Other goals
    than target samples must be met in half of the window's rounds, too.
    """
    last = records[-1]
    if not met(last) or (last.placebo is not None and met(last.placebo)):
        return False
    if experiment.goal is not None and not mostly_met(experiment, records):
        return False
    return experiment.attack is None or taken(records) is not False


def judged(goal: Goal, side: RoundRecord | ControlRecord, twin: ControlRecord | None) -> bool | None:
    """Tell whether a model meets a goal, compared with the benign twin's; ``None`` without a twin."""
    if twin is None:
        return None
    sides = (side, twin)
    attacked, benign = (Standing(s.quality.accuracy, s.backdoor, s.quality.metrics.get("nmae")) for s in sides)
    return bool(goal.met(attacked, benign))


def mostly_met(experiment: Experiment, records: Sequence[RoundRecord]) -> bool:
    """Tell whether the goal is met in at least half of the window's rounds among these."""
    inside = [record for record in records if in_window(experiment, record.round)]
    return 2 * met_rounds(inside) >= len(inside)


def taken(records: Sequence[RoundRecord]) -> bool | None:
    """Tell whether the attackers' updates had weight in any of these rounds; ``None`` if the rule does not tell."""
    weights = [
        0.0 if record.skipped is not None else total_weight(record.attackers) for record in records if record.attackers
    ]
    return True if any(weights) else None if None in weights else False


def targeted(experiment: Experiment) -> bool:
    """Tell whether an attack is targeted; one without an `objective` is, unless the goal is plain damage."""
    if experiment.goal is not None and experiment.goal.asks is False:
        return False
    return getattr(experiment.attack, "objective", "targeted") == "targeted"


def destroyed(records: Sequence[RoundRecord]) -> int | None:
    """Return the round that left no finite model, a run's last; ``None`` if there is none."""
    return next((record.round for record in records if record.destroyed), None)


def silent(records: Sequence[RoundRecord]) -> int | None:
    """Return the first round after which a model's answers are NaN; ``None`` if there is none."""
    return next((record.round for record in records if not record.answers), None)


def numbers_of(quality: Quality, prefix: str = "") -> dict[str, float]:
    """Return a model's accuracy, or of a regression its errors that are finite, and its loss, by prefixed names."""
    numbers = {"accuracy": quality.accuracy, **{name: quality.metrics.get(name) for name in ERRORS}}
    numbers["loss"] = quality.loss
    return {f"{prefix}{name}": value for name, value in numbers.items() if value is not None}
