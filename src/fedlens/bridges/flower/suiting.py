"""Which attacks a node of a running federation can make, which sees only what it is sent."""

from __future__ import annotations

from fedlens.attacks.attack import Attack
from fedlens.core.errors import ConfigError
from fedlens.core.registry import name_of
from fedlens.goals.goal import Goal

OTHERS = "e.g. Malicious('explicit-boosting', ...)"


def require_suitable(attack: Attack, goal: Goal | None, *, targets: bool, data: bool) -> None:
    """Require an attack that a node can make alone, with what it is given.

    Raises:
        ConfigError: it cannot.
    """
    name = name_of("attack", attack)
    if fault := _sees_too_much(attack) or _wants_nothing(attack, goal, targets, data):
        raise ConfigError(f"attack: {name} {fault}")


def _sees_too_much(attack: Attack) -> str | None:
    """Say what it would need of others; ``None`` if nothing."""
    if attack.sight != "own" or attack.colludes:
        whose = "every client" if attack.sight == "all" else "its whole team"
        return (
            f"sees the updates of {whose}, and a node of a running federation sees only its own; try it in a "
            f"simulation, or choose another, {OTHERS}"
        )
    if attack.needs_rule:
        return (
            "tries the server's aggregation on updates of its own making, and a node does not have that; try it in a "
            f"simulation, or choose another, {OTHERS}"
        )
    if attack.trains_trigger or attack.least_parts > 1:
        what = "trains the trigger" if attack.trains_trigger else "gives each attacker a part of the trigger"
        return f"{what}, which takes a team that keeps something together; e.g. Malicious('badnets', ...)"
    return None


def _wants_nothing(attack: Attack, goal: Goal | None, targets: bool, data: bool) -> str | None:
    """Say why there is nothing that it could want; ``None`` if there is."""
    asks = targets or (goal is not None and goal.asks)
    if targets and goal is not None:
        return "has targets and a goal; one of them is right"
    if attack.least_parts and not (goal is not None and goal.asks):
        return "plants a trigger; give the goal, e.g. goal=Backdoor(trigger=PixelPatch(value=1), target=7)"
    if goal is not None and not data:
        return "with a goal works on samples of the client's own; e.g. data=lambda context: (x, y)"
    untargeted = getattr(attack, "objective", None) == "untargeted"
    if untargeted and asks:
        return "with objective untargeted only does damage; leave out targets and goal, or set objective='targeted'"
    aims = attack.aims or getattr(attack, "objective", None) == "targeted" or attack.hold_off is not None
    if aims and not asks:
        return (
            "needs samples to be misclassified; e.g. targets=(x[:1], y[:1], torch.tensor([7])), or objective="
            "'untargeted' where the attack has it"
        )
    return None
