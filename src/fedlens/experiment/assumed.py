"""What attackers know of the server: whether their attack needs its chain, and whether they can have it."""

from collections.abc import Mapping

from fedlens.attacks.attack import Attack
from fedlens.core.recorded import Recorded
from fedlens.core.registry import name_of
from fedlens.defences.chain import Chain
from fedlens.defences.detector import Detector
from fedlens.experiment.attackers import Attackers


def assumed_chain(attack: Attack | None, attackers: Attackers | None, server: Chain) -> Chain | None:
    """Return the chain that attackers take for the `server`'s; ``None`` if their attack does not need it."""
    if attack is None or not attack.needs_rule:
        return None
    return (attackers and attackers.guess) or server


def assumed_checks(
    attack: Attack | None, attackers: Attackers | None, checks: Mapping[str, Detector]
) -> dict[str, Detector]:
    """Return the rejecting ones of the server's `checks` that attackers know, if their attack needs them."""
    if attack is None or not attack.needs_checks or (attackers is not None and attackers.guess is not None):
        return {}
    return {name: check for name, check in checks.items() if check.action == "reject" and not check.validates}


def misassumed(attack: Attack | None, attackers: Attackers | None, server: Chain, cohort: int) -> str | None:
    """Say why attackers cannot assume of the server what they do, in cohorts of this size; ``None`` if they can."""
    if attack is None or isinstance(attack, Recorded):
        return None
    chain, name = assumed_chain(attack, attackers, server), name_of("attack", attack)
    if chain is None:
        told = next(iter(attackers.told if attackers else {}), None)
        return told and (
            f"attackers.{told}: {name} asks for nothing of the server; leave it out, or take an attack that does, "
            "e.g. -o attack=adaptive-ipm"
        )
    option = "-o 'attackers={count: 1, rule: median}'" if attackers is None else "-o attackers.rule=median"
    if chain.needs_root:
        return (
            f"attack: {name} tries the server's chain, but for {chain} it would need root samples, which attackers do "
            f"not have; let them assume another one, e.g. {option}"
        )
    if chain.needs_model:
        return f"attack: {name} cannot try {chain}, which asks the model; let them assume another one, e.g. {option}"
    if cohort < (least := chain.minimum):
        return f"attackers.rule: {chain} needs {least} updates a round, but the cohort has {cohort}; e.g. {option}"
    return None
