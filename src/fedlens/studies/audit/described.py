"""The experiment that an audit is about, as one describes it: its own attack is in nobody's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedlens.core.errors import ConfigError
from fedlens.core.registry import name_of
from fedlens.experiment.aims import TARGETS
from fedlens.experiment.experiment import Experiment
from fedlens.goals.goal import Goal
from fedlens.runs.loading import load_experiment, naming_lines
from fedlens.studies.audit.changing import with_attack
from fedlens.studies.audit.waiting import Waiting

WAITING = "attack={name: fedlens.studies.audit.waiting:Waiting}"

Aim = Goal | Mapping[str, Any] | str | None
"""A goal as an experiment takes it; ``None`` for its own."""


def described(
    source: Experiment | str | Path,
    assignments: Sequence[str] = (),
    *,
    goal: Aim = None,
    attackers: int | None = None,
    trust: bool = False,
) -> Experiment:
    """Return the experiment, with another goal or team if they are given.

    Args:
        source: an experiment, a preset's name, a file, or a run's directory.
        assignments: each ``option=value``, where it is no experiment yet.
        goal: what attackers want; an experiment's own goal of that name keeps its options.
        attackers: how many there are.
        trust: also import ``module:Class`` that somebody else's run names.

    Raises:
        ConfigError: it does not exist, or cannot be attacked in this way, whatever the attack.

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.studies.audit.described import described
        >>> described(Experiment(data="digits"), goal="damage", attackers=2).team
        (8, 9)
    """
    if isinstance(source, Experiment):
        return _aimed(source, goal, attackers)
    try:
        loaded = load_experiment(source, assignments, trust=trust)
    except ConfigError:  # its own attack, which is not heeded, may be what does not suit
        loaded = load_experiment(source, [*assignments, WAITING], trust=trust)
    with naming_lines(source, assignments):
        return _aimed(loaded, goal, attackers)


def _aimed(experiment: Experiment, goal: Aim, attackers: int | None) -> Experiment:
    """Return the experiment with another goal or team; what is left of its own, and suits, stays."""
    changes: dict[str, Any] = {}
    if goal is not None and (goal == TARGETS or experiment.goal is None or goal != name_of("goal", experiment.goal)):
        changes["goal"] = goal
        if goal != TARGETS:
            changes["target"] = {}
    if attackers is not None:
        own = {} if experiment.attackers is None else experiment.attackers.model_dump(exclude_unset=True)
        changes["attackers"] = {**own, "count": attackers, "share": None, "clients": None}
    if not changes:
        return experiment
    waiting = with_attack(experiment, Waiting())
    return Experiment(**{name: getattr(waiting, name) for name in waiting.model_fields_set} | changes)
