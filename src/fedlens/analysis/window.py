"""The rounds that an attack is judged by, and how long its backdoor lives on.

Confidences of rounds before the attack began or after it ended say how the window lies in the run, not how well the
attack does. So they are kept out of its figures, and what is left of the backdoor after the window is measured apart.
"""

from collections.abc import Sequence

from fedlens.experiment.experiment import Experiment
from fedlens.goals.success import Success
from fedlens.runs.record import RoundRecord
from fedlens.runs.run_summary import Lifespan, Window

FADED = 0.5
"""A backdoor is dead once the mean confidence in the target classes is below this."""


def attack_window(experiment: Experiment, records: Sequence[RoundRecord]) -> Window | None:
    """Return the attack's window [delay, until), as far as it was played.

    Returns:
        ``None`` without attack, and where the run ended before the window began.
    """
    if experiment.attack is None:
        return None
    played = [record.round for record in records if in_window(experiment, record.round)]
    return Window(played[0], played[-1]) if played else None


def in_window(experiment: Experiment, round_: int) -> bool:
    """Tell whether the round belongs to the attack's window; without attack, every round does."""
    attack = experiment.attack
    return attack is None or (attack.delay <= round_ and (attack.until is None or round_ < attack.until))


def split(records: Sequence[RoundRecord], window: Window | None) -> tuple[Sequence[RoundRecord], Sequence[RoundRecord]]:
    """Return the rounds of the window, and those after it; without a window all rounds, and none."""
    if window is None:
        return records, []
    inside = [record for record in records if window.first <= record.round <= window.last]
    return inside, [record for record in records if record.round > window.last]


def lifespan(inside: Sequence[Success], after: Sequence[Success]) -> Lifespan | None:
    """Measure how long the backdoor outlives the attack.

    Args:
        inside: what a model made of the attacker's samples in each round of the window.
        after: the same for the rounds after the window.

    Returns:
        ``None`` where there are no rounds after the window.
    """
    if not after:
        return None
    values = [target.mean_confidence for target in after]
    at_end = inside[-1].mean_confidence
    rounds = next((count for count, value in enumerate([at_end, *values]) if value < FADED), None)
    return Lifespan(rounds=rounds, censored=rounds is None, area=sum(values), observed=len(values))


def lifespans(experiment: Experiment, records: Sequence[RoundRecord]) -> dict[str, float]:
    """Return the life of a run's backdoor as columns of its table: ``lifespan`` in rounds, and ``lifespan_area``.

    The benign twin's have ``control_`` before their names, the placebo's ``placebo_``. A backdoor that is still there
    at the end counts as long as it was observed, which is too short. There are none where no round was played after
    the window.
    """
    inside, after = split(records, attack_window(experiment, records))
    columns: dict[str, float] = {}
    for name in ("", "control", "placebo"):
        prefix = name and f"{name}_"
        targets = [[_target(record, name) for record in part] for part in (inside, after)]
        sides = [[target for target in part if target is not None] for part in targets]
        if sides == targets and (life := lifespan(*sides)) is not None:
            columns[f"{prefix}lifespan"] = life.observed if life.rounds is None else life.rounds
            columns[f"{prefix}lifespan_area"] = life.area
    return columns


def _target(record: RoundRecord, control: str) -> Success | None:
    """Return the answers of the round's model, or of a `control`'s, if there are any."""
    if not control:
        return record.target
    side = record.controls.get(control)
    return None if side is None else side.target
