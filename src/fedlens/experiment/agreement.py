"""Options of an experiment that have to agree: a function for each group, which says what is wrong with it."""

from collections.abc import Sequence
from math import ceil

from fedlens.attacks.attack import Attack
from fedlens.core.recorded import Recorded
from fedlens.core.registry import name_of
from fedlens.defences.chain import Chain
from fedlens.defences.detector import Detector
from fedlens.experiment.attackers import Attackers
from fedlens.goals.goal import Goal
from fedlens.goals.target_samples import Target


def cohort_fault(chain: Chain, clients: int, fraction: float, cohort: int) -> str | None:
    """Say why a `cohort` of so many clients, a `fraction` of all `clients`, does not do; ``None`` if it does."""
    if cohort < 1:
        chosen = f"{fraction} of {clients} clients is {fraction * clients:g}"
        return f"fraction: {chosen}, less than one client; e.g. -o fraction=1"
    if cohort < (least := chain.minimum):
        return (
            f"aggregation: {chain} needs {least} updates a round, but the cohort has {cohort}; {_lower(chain)}raise "
            f"clients or fraction, e.g. -o clients={ceil(least / fraction)}"
        )
    return None


def checks_fault(checks: Sequence[Detector], chain: Chain, buffers: str) -> str | None:
    """Say which checks are given twice, are filters of the chain as well, or need `buffers` that stay with clients."""
    names = [name_of("checks", check) for check in checks]
    if both := set(names) & chain.filters.keys():
        rest = ", ".join(name for name in names if name not in both)
        return f"checks: {', '.join(both)} is a stage of the chain, too, and once is enough; e.g. -o 'checks=[{rest}]'"
    if len(set(names)) < len(names):
        once = ", ".join(dict.fromkeys(names))
        return f"checks: each can be given once, not {', '.join(names)}; e.g. -o 'checks=[{once}]'"
    if buffers == "local" and (validating := [name_of("checks", check) for check in checks if check.validates]):
        return (
            f"checks: {', '.join(validating)} measures models, and where clients keep running statistics the server "
            "has none; leave it out, or -o local.buffers=average"
        )
    return None


def attack_fault(
    attack: Attack | None, attackers: Attackers | None, chain: Chain, clients: int, cohort: int
) -> str | None:
    """Say why the attack cannot be that of some of so many `clients` on this chain; ``None`` if it can."""
    if attack is None:
        return None
    if attack.client is not None and attack.client >= clients:
        last = clients - 1
        return f"attack.client: there is no client {attack.client}; the last is {last}, -o attack.client={last}"
    if attack.boost == "auto" and attack.divided and chain.averages is False:  # None of one whose code is not read
        return (
            "attack.boost: auto is 1/Σα over the round's attackers, which only a rule that averages divides by; give a "
            f"number, e.g. -o attack.boost={round(cohort / attacking(attackers, clients, cohort))}"
        )
    return None


def claim_fault(attack: Attack | None, *, known: bool) -> str | None:
    """Say why the attack cannot claim samples, where the server knows the numbers; ``None`` if it can, or does not."""
    if not known or getattr(attack, "claim", 1) == 1:
        return None
    return (
        "attack.claim: the server knows how many samples clients have; e.g. -o attack.claim=1, or "
        "-o sample_counts=claimed"
    )


def attacking(attackers: Attackers | None, clients: int, cohort: int) -> int:
    """Return how many attackers are in a cohort, on average if they are drawn."""
    if attackers is None:
        return 1
    size = attackers.size(clients)
    return max(round(size if attackers.schedule == "every-round" else size * cohort / clients), 1)


def target_fault(goal: Goal | None, target: Target, control: bool) -> str | None:
    """Say why target samples cannot be chosen so; ``None`` if they can."""
    if goal is not None and target != Target():
        return (
            f"target: chooses samples for the goal targets, but the goal is {name_of('goal', goal)}, whose options are "
            "in goal; e.g. -o 'target={}', or -o goal=targets"
        )
    if target.select in {"resistant", "edge"} and not control:
        return f"target.select: {target.select} needs the control; e.g. -o target.select=random, or -o control=true"
    return None


def trigger_fault(attack: Attack | None, goal: Goal | None) -> str | None:
    """Say why the attack cannot plant what the goal has for a trigger; ``None`` if it can, or needs none."""
    if attack is None or attack.least_parts == 0 or isinstance(attack, Recorded) or isinstance(goal, Recorded):
        return None
    name = name_of("attack", attack)
    if goal is None or not goal.asks:
        return f"goal: {name} plants a trigger, and there is none; e.g. -o goal=backdoor"
    if goal.parts < attack.least_parts:
        remedy = "-o 'goal={name: backdoor, trigger: distributed}', or -o attack=badnets"
        return f"goal.trigger: {name} gives each attacker a part of the trigger, which has only one; e.g. {remedy}"
    if attack.trains_trigger and not goal.trains:
        remedy = "-o 'goal={name: backdoor, trigger: trained-patch}', or -o attack=badnets"
        return f"goal.trigger: {name} trains the trigger, which is a fixed one; e.g. {remedy}"
    return None


def attackers_fault(attackers: Attackers | None, attack: Attack | None, clients: int, cohort: int) -> str | None:
    """Say why these cannot be the attackers: no attack, named twice, or too many; ``None`` if they can."""
    if attackers is None:
        return None
    if attack is None:
        return "attackers: there is no attack; e.g. -o attack=explicit-boosting, or -o attackers=null"
    if attack.client is not None:
        return f"attackers: attack.client = {attack.client} says who attacks already; e.g. -o attack.client=null"
    return attackers.misfit(clients, cohort)


def named_fault(option: str, named: Sequence[int], clients: int, attacked: bool) -> str | None:
    """Say why clients cannot be `named` by the option ``absent`` or ``present``; ``None`` if they can."""
    if named and attacked:
        control = "placebo" if option == "absent" else "benign twin"
        return f"{option}: goes without attack only, and an attacked run has its {control}; e.g. -o '{option}=[]'"
    if named and max(named) >= clients:
        last = clients - 1
        return f"{option}: there is no client {max(named)}; the last is {last}, e.g. -o '{option}=[{last}]'"
    if len(set(named)) < len(named):
        once, said = (", ".join(map(str, some)) for some in (dict.fromkeys(named), named))
        return f"{option}: each client can be named once, not {said}; e.g. -o '{option}=[{once}]'"
    return None


def _lower(chain: Chain) -> str:
    """Say which of a chain's options may make it need fewer updates; empty if none does."""
    numbers = {name: value for link in chain.stages for name, value in link if type(value) in {int, float}}
    if "f" in numbers:
        return "lower its f, or "
    return f"lower its {' or '.join(f'{name} = {value}' for name, value in numbers.items())}, or " if numbers else ""
