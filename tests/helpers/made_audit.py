"""A finished audit whose outcomes are given, written as `fedlens.audit` writes it, without any training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fedlens.core.parsing import dump_yaml
from fedlens.experiment.experiment import Experiment
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.audit import Audit, write
from fedlens.studies.audit.cell import Cell
from fedlens.studies.audit.doubts import Doubt
from fedlens.studies.audit.federations import Played
from fedlens.studies.audit.halving import standing
from fedlens.studies.audit.inspection import Inspected
from fedlens.studies.audit.power import Planting, leak_test
from fedlens.studies.audit.screening import Ranked
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.trying import gathered
from fedlens.studies.audit.verdict import Effort, judge

FIXED, OTHER = "explicit-boosting", "alternating-minimisation"
QUIET = Inspected((), (), (), deaf=False, false_alarms={}, accuracy=0.9, mean_accuracy=0.9, lost=0.0)
LEAKS = [(0.3, 4), (0.1, 4), (0.03, 3), (0.01, 2), (0.003, 1)]
"""Of four rounds in which a leak is planted, in how many it is found: those of 1 % and more."""


def made_audit(
    folder: Path,
    outcomes: dict[str, Sequence[str]],
    *,
    effort: Effort = "standard",
    leaks: Sequence[tuple[float, int]] = LEAKS,
    **options: Any,
) -> Audit:
    """Write an audit of four clients.

    Args:
        folder: where.
        outcomes: of each finalist, what came of each seed: ``success``, ``placebo`` (which alone met the goal),
            ``nothing`` or ``failed``.
        effort: as it was asked for.
        leaks: shares of the mean, and in how many of four rounds each was found.
        options: of the experiment.
    """
    experiment = Experiment(**({"name": "digits", "data": "digits", "clients": 4, "rounds": 2} | options))
    subject = Subject.of(experiment, accuracy_cost=0.03)
    arms = [Arm(name) for name in outcomes]
    played = [_played(arm, number, what) for arm in arms for number, what in enumerate(outcomes[arm.attack])]
    trials = gathered(arms, played)
    plantings = [Planting(eta, 4, found, FIXED) for eta, found in leaks]
    judgement = judge(
        trials.cells, list(outcomes), leak_test=leak_test(plantings), effort=effort, skipped=trials.skipped
    )
    audit = Audit(
        path=folder,
        subject=subject,
        effort=effort,
        judgement=judgement,
        inspected=QUIET,
        ranked=[Ranked(arm, 1, 1, 3.0) for arm in arms],
        standings=[standing(arm, [_played(arm, 0, "success")], subject) for arm in arms],
        finalists=arms,
        trials=trials,
        plantings=plantings,
        omniscient=[],
        adaptive=[],
        doubts=[
            Doubt("F3", "the server remembers earlier rounds (fedavgm), and attackers were taken not to know that")
        ],
    )
    folder.mkdir(parents=True, exist_ok=True)
    write(audit)
    if (worst := audit.worst) is not None:
        run = folder / audit.plain()["worst"]["run"]
        run.mkdir(parents=True)
        (run / "experiment.yaml").write_text(dump_yaml(worst.describe()))
    return audit


def _played(arm: Arm, number: int, what: str) -> Played:
    """A federation in which the attack costs a point of accuracy."""
    key = f"{arm.name}-{number}"
    if what == "failed":
        return Played(arm, number, key, None, reason="it divided by zero")
    success, placebo = what == "success", what == "placebo"
    cell = Cell(arm.name, number, success=success, placebo=placebo, cost=0.01)
    return Played(arm, number, key, cell, confidence=0.9 if success else 0.1, weight=0.25, flagged={})
