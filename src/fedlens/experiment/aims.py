"""What attackers want, across an experiment's options: ``goal``, ``target`` and ``attack`` have to agree."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from fedlens.attacks.attack import Attack
from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError
from fedlens.core.recorded import Recorded
from fedlens.core.registry import name_of
from fedlens.core.suggest import typed
from fedlens.data.dataset import Data
from fedlens.goals.goal import Goal

TARGETS = "targets"
"""The goal that is no part: that the samples which ``target`` chooses are misclassified."""


def targets_read(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an experiment's values with the options of the goal ``targets`` among those of ``target``."""
    goal = values.get("goal")
    if not (isinstance(goal, Mapping) and goal.get("name") == TARGETS):
        return values
    target = values.get("target") or {}
    chosen = target.model_dump(exclude_defaults=True) if isinstance(target, Config) else target
    options = {name: value for name, value in goal.items() if name != "name"}
    return {**values, "goal": None, "target": {**chosen, **options} if isinstance(chosen, Mapping) else chosen}


def as_written(text: str, values: Mapping[str, Any]) -> str:
    """Return a refusal in which an option of `target` that these `values` give beneath `goal` is the goal's."""
    goal = values.get("goal")
    if isinstance(goal, Mapping) and goal.get("name") == TARGETS:
        for name in goal:
            text = re.sub(rf"(?m)(^|-o '?)target\.{re.escape(str(name))}\b", rf"\g<1>goal.{name}", text)
        text = re.sub(r"(?m)(^goal\.\w+: unknown option; did you mean )target\.", r"\g<1>goal.", text)
    return text


def with_trigger_named(goal: Any, data: Data) -> Any:
    """Return a goal's description in which options of a trigger without a name are those of the data set's own."""
    trigger = goal.get("trigger") if isinstance(goal, Mapping) else None
    if not isinstance(trigger, Mapping) or "name" in trigger or (own := data.default_trigger()) is None:
        return goal
    return {**goal, "trigger": {**(own if isinstance(own, Mapping) else {"name": own}), **trigger}}


def pursuing(attack: Attack, goal: Goal) -> Attack:
    """Return the attack as it pursues the goal, which for plain damage is with an untargeted objective.

    Raises:
        ConfigError: it cannot pursue that goal.
    """
    objective, name, wanted = getattr(attack, "objective", None), name_of("attack", attack), name_of("goal", goal)
    if isinstance(attack, Recorded) or isinstance(goal, Recorded):
        return attack
    if goal.asks:
        if objective != "untargeted":
            return attack
        if get_args(type(attack).model_fields["objective"].annotation) == ("untargeted",):
            raise ConfigError(
                f"goal: {name} damages the model and can do nothing else; e.g. -o goal=damage, or "
                "-o attack=explicit-boosting"
            )
        raise ConfigError(
            f"attack.objective: untargeted is for the goal damage, not {wanted}; e.g. -o attack.objective=targeted, "
            "or -o goal=damage"
        )
    if attack.aims:
        raise ConfigError(
            f"goal: {wanted} needs an attack that can do without samples to be misclassified, and {name} cannot; "
            "e.g. -o attack=explicit-boosting"
        )
    if attack.hold_off is not None:
        raise ConfigError(
            f"attack.hold_off: waits for a target's confidence, but the goal {wanted} has no target; "
            "e.g. -o attack.hold_off=null"
        )
    if objective != "targeted":
        return attack
    if "objective" in attack.model_fields_set:
        raise ConfigError(
            f"attack.objective: targeted is not for the goal {wanted}; e.g. -o attack.objective=untargeted"
        )
    options = attack.model_dump(mode="json", exclude_unset=True)
    return validate(type(attack), {**options, "objective": "untargeted"}, "attack", typed("attack", name))
