"""The rounds that an attack is judged by, and how long its backdoor lives on.

Confidences of rounds before the attack began or after it ended say how the window lies in the run, not how well the
attack does. So they are kept out of its figures, and what is left of the backdoor after the window is measured apart.
"""

from collections.abc import Sequence

from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import in_window
from fedlens.runs.run_summary import Lifespan, Window

FADED = 0.5
"""A backdoor is dead once the mean confidence in the target classes, or its success rate, is below this."""


def attack_window(experiment: Experiment, records: Sequence[RoundRecord]) -> Window | None:
    """Return the attack's window [delay, until), as far as it was played.

    Returns:
        ``None`` without attack, and where the run ended before the window began.
    """
    if experiment.attack is None:
        return None
    played = [record.round for record in records if in_window(experiment, record.round)]
    return Window(played[0], played[-1]) if played else None


def split(records: Sequence[RoundRecord], window: Window | None) -> tuple[Sequence[RoundRecord], Sequence[RoundRecord]]:
    """Return the rounds of the window, and those after it; without a window all rounds, and none."""
    if window is None:
        return records, []
    inside = [record for record in records if window.first <= record.round <= window.last]
    return inside, [record for record in records if record.round > window.last]


def strength(side: RoundRecord | ControlRecord) -> float | None:
    """Return how far a model does what the attacker wants: its confidence in the target classes, or the success rate.

    ``None`` of a control by itself, and where the attacker wants plain damage.
    """
    if side.backdoor is not None:
        return side.backdoor.rate
    return None if side.target is None else side.target.mean_confidence


def strengths(sides: Sequence[RoundRecord | ControlRecord | None]) -> list[float]:
    """Return the strengths of those sides that have one."""
    return [value for side in sides if side is not None and (value := strength(side)) is not None]


def lifespan(inside: Sequence[float], after: Sequence[float]) -> Lifespan | None:
    """Measure how long the backdoor outlives the attack.

    Args:
        inside: how strong it is in each round of the window; see `strength`.
        after: the same for the rounds after the window.

    Returns:
        ``None`` where there are no rounds after the window.
    """
    if not after:
        return None
    rounds = next((count for count, value in enumerate([inside[-1], *after]) if value < FADED), None)
    return Lifespan(rounds=rounds, censored=rounds is None, area=sum(after), observed=len(after))


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
        sides = [[_side(record, name) for record in part] for part in (inside, after)]
        values = [strengths(part) for part in sides]
        whole = [len(part) for part in values] == [len(part) for part in sides]
        if whole and (life := lifespan(*values)) is not None:
            columns[f"{prefix}lifespan"] = life.observed if life.rounds is None else life.rounds
            columns[f"{prefix}lifespan_area"] = life.area
    return columns


def _side(record: RoundRecord, control: str) -> RoundRecord | ControlRecord | None:
    """Return the round of the run itself, or of a `control`."""
    return record.controls.get(control) if control else record
