"""Values that an audit's stages work on, made by hand."""

from typing import Any

from auditing import audited

from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.cell import Cell
from fedlens.studies.audit.federations import Played
from fedlens.studies.audit.forked_round import ForkedRound, Outcome
from fedlens.studies.audit.subject import Subject

ADAPTIVE = Arm("anticipate", {"caution": 0.85})
FIXED = Arm("explicit-boosting")
OTHER = Arm("alternating-minimisation")


def subject(**changes: Any) -> Subject:
    return Subject.of(audited(**changes), accuracy_cost=0.03)


def forked(value: float = 0.9, absent: float | None = 0.5, cost: float = 0.0, **changes: Any) -> ForkedRound:
    """A round in which the goal's probability is `value`, and 0.5 with honest clients."""
    honest = Outcome(0.5, success=False, accuracy=0.75, error=0.25)
    without = None if absent is None else Outcome(absent, success=absent > 0.6, accuracy=0.75, error=0.25)
    attacked = Outcome(value, success=value > 0.6, accuracy=0.75 - cost, error=0.25 + cost)
    usual = {"acted": True, "announced": 0.25} | changes
    return ForkedRound("arm", 0, 1, attacked, honest, without, **usual)


def played(
    arm: Arm = FIXED,
    number: int = 0,
    confidence: float = 0.5,
    *,
    success: bool = False,
    placebo: bool = False,
    cost: float = 0.0,
    applied: bool = True,
) -> Played:
    cell = Cell(arm.name, number, success=success, placebo=placebo, cost=cost, applied=applied)
    return Played(arm, number, f"{arm.name}-{number}", cell, confidence)


def failed(arm: Arm = FIXED, number: int = 0) -> Played:
    return Played(arm, number, f"{arm.name}-{number}", None, reason="it divided by zero")


def unjudged(arm: Arm = FIXED, number: int = 0) -> Played:
    return Played(arm, number, f"{arm.name}-{number}", None, reason="no target resists", unjudged=True)
