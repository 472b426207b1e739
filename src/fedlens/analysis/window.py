"""The rounds that an attack is judged by, and how long its backdoor lives on.

Confidences of rounds before the attack began or after it ended say how the window lies in the run, not how well the
attack does. So they are kept out of its figures, and what is left of the backdoor after the window is measured apart.
"""

from typing import Any

from fedlens.experiment.experiment import Experiment
from fedlens.runs.record_values import Record, beside, confidence

FADED = 0.5
"""A backdoor is dead once the mean confidence in the target classes is below this."""


def attack_window(experiment: Experiment, records: list[Record]) -> Record | None:
    """``first`` and ``last`` round of the attack's window [delay, until), as far as it was played.

    Returns:
        ``None`` without attack, and where the run ended before the window began.
    """
    if experiment.attack is None:
        return None
    played = [record["round"] for record in records if in_window(experiment, record["round"])]
    return {"first": played[0], "last": played[-1]} if played else None


def in_window(experiment: Experiment, round_: int) -> bool:
    """Whether the round belongs to the attack's window; without attack, every round does."""
    attack = experiment.attack
    return attack is None or (attack.delay <= round_ and (attack.until is None or round_ < attack.until))


def split(records: list[Record], window: Record | None) -> tuple[list[Record], list[Record]]:
    """The rounds of the window, and those after it; without a window all rounds, and none."""
    if window is None:
        return records, []
    inside = [record for record in records if window["first"] <= record["round"] <= window["last"]]
    return inside, [record for record in records if record["round"] > window["last"]]


def lifespan(inside: list[Record], after: list[Record]) -> Record | None:
    """How long the backdoor outlives the attack.

    Args:
        inside: what a model made of the attacker's samples (``target``) in each round of the window.
        after: the same for the rounds after the window.

    Returns:
        ``rounds`` after the window's last until the mean confidence is below `FADED` for the first time, 0 where that
        last round leaves it there already; ``None`` and ``censored`` where the run ends before; ``area`` under the
        confidence over the rounds after the window, in rounds; how many of these were ``observed``. ``None`` where
        there are none.
    """
    if not after:
        return None
    values = [confidence(target) for target in after]
    at_end = confidence(inside[-1])
    rounds = next((count for count, value in enumerate([at_end, *values]) if value < FADED), None)
    return {"rounds": rounds, "censored": rounds is None, "area": sum(values), "observed": len(values)}


def lifespans(experiment: Experiment, records: list[Record]) -> dict[str, float]:
    """The life of a run's backdoor as columns of its table: ``lifespan`` in rounds, and ``lifespan_area``.

    The benign twin's have ``control_`` before their names, the placebo's ``placebo_``. A backdoor that is still there
    at the end counts as long as it was observed, which is too short. There are none where no round was played after
    the window.
    """
    parts = split(records, attack_window(experiment, records))
    columns: dict[str, float] = {}
    for name in ("", "control", "placebo"):
        prefix = name and f"{name}_"
        targets: list[list[Any]] = [
            [(beside(record, name) if name else record).get("target") for record in part] for part in parts
        ]
        if all(map(all, targets)) and (life := lifespan(*targets)) is not None:
            columns[f"{prefix}lifespan"] = life["observed"] if life["censored"] else life["rounds"]
            columns[f"{prefix}lifespan_area"] = life["area"]
    return columns
