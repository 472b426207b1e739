"""What any attack could make of single rounds at most, where the rule declares its reach.

Whatever malicious clients send, the server's step is within the reach (`fedlens.defences.rule.Rule.reach`). So the best
step in there (`fedlens.studies.audit.ascent`), beside the true updates of the others, is more than what any attack can
have: an attacker has to find updates that lead there, without knowing the test set, and at a cost that nobody notices.
It is a bound for one round, as far as the ascent has found the best step; over several rounds, more may come together.

There is none where a check or a filter rejects updates, where the chain is more than one rule, where attackers train
their trigger, and of models with buffers, which travel beside what a reach is of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from fedlens.core.errors import ConfigError, named
from fedlens.core.origin import at, told
from fedlens.core.random import seeded
from fedlens.core.staying import staying
from fedlens.core.threads import one_thread
from fedlens.defences.adapters import RuleStage
from fedlens.defences.reach import Ball, Box, PullRegion, Reach, Shape
from fedlens.defences.rule import Received, Rule, least_updates
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.combining import names_of
from fedlens.studies.audit.ascent import Aim, ascents
from fedlens.studies.audit.forks import Forks
from fedlens.studies.audit.witness import Witness

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Bound:
    """What can be made of one round at most.

    Attributes:
        number: of the seed of the search.
        seed: the experiment's.
        round: number of the round, from 1.
        shape: what the rule's reach is.
        at_most: the goal's value, such as a confidence, at the best step within the reach.
        found: the greatest that an attack had in this round; ``None`` if none was tried.
        by: that attack.
    """

    number: int
    seed: int
    round: int
    shape: Shape
    at_most: float
    found: float | None = None
    by: str = ""


BOUND = TypeAdapter(Bound | None)


def bounding(experiment: Experiment) -> Rule | None:
    """Return the rule, if it alone decides on the server's step and may declare a reach."""
    chain, goal = experiment.chain, experiment.goal
    if len(chain) != 1 or not isinstance(chain[0], RuleStage) or (goal is not None and goal.trains):
        return None
    rejecting = any(check.action == "reject" for check in experiment.checks)
    return None if rejecting or type(chain[0].rule).reach is Rule.reach else chain[0].rule


def bound_of(forks: Forks, round_: int, number: int = 0) -> Bound | None:
    """Return what any attack can make of a round at most; ``None`` where that is unknown.

    Args:
        forks: the rounds of a benign twin.
        round_: one of them.
        number: of its seed.

    Raises:
        ConfigError: the rule's reach failed, or is none.
    """
    rule = bounding(forks.experiment)
    if rule is None or forks.layout.buffers.size:
        return None
    received, rows = received_in(forks, round_)
    least = least_updates(rule)
    if len(received.updates) < least or (reach := declared(rule, received, rows)) is None:
        return None
    weights, address = forks.twin.states[round_].weights, forks.setting.root.at("reach", round_)
    honest = forks.honest(round_).state.weights - weights
    with one_thread():
        aim = Aim.of(forks.setting, address.at("samples"))
        steps = list(ascents(aim, weights, reach, [honest], address.at("start")))
    if len(received.updates) - len(rows) < least:  # what is not received leaves the model as it is
        steps.append(honest * 0)
    most = max(_value(forks, round_, step) for step in steps)
    return Bound(number, forks.experiment.seed, round_, reach.shape, most)


def _value(forks: Forks, round_: int, step: Tensor) -> float:
    """Return what the goal says of the model after this step."""
    return forks.outcome(forks.under_rule(Witness().told(step), round_), round_).value


def received_in(forks: Forks, round_: int) -> tuple[Received, list[int]]:
    """Return what the rule receives in a round with everybody honest, and which rows are the malicious clients'."""
    witness = Witness()
    record = forks.under_rule(witness, round_).record
    senders = [client.client for client in record.clients if not client.malformed]
    [name] = names_of(forks.experiment.chain)
    kept = forks.twin.states[round_].stages.get(name)
    rows = [row for row, client in enumerate(senders) if client in forks.experiment.team]
    return replace(witness.seen, state={} if kept is None else kept.tensors), rows


def declared(rule: Rule, received: Received, rows: list[int]) -> Reach | None:
    """Return the reach that a rule declares.

    Raises:
        ConfigError: that failed, or is no reach.
    """
    name, size = type(rule).__name__, received.updates.shape[1]
    try:
        with staying(f"aggregation: reach of {name}", ConfigError), seeded(received.address.at("reach")):
            found: object = rule.reach(received, rows)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"aggregation: reach of {name} failed: {told(error)}") from error
    if wrong := _fault(found, size):
        where, right = at(rule.reach), "return Ball(centre, radius) or Box(low, high), or None where it is unknown"
        raise ConfigError(f"aggregation: reach of {name}{where} returned {wrong}; {right}")
    return found if isinstance(found, Reach) else None


def _fault(found: object, size: int) -> str:
    """Say what is wrong with a reach among steps of `size` entries; nothing if it is one, or ``None``."""
    if found is None:
        return ""
    if not isinstance(found, Reach):
        return named(found)
    points = (found.low, found.high) if isinstance(found, Box) else (found.centre,)
    if any(tuple(point.shape) != (size,) or not bool(point.isfinite().all()) for point in points):
        return f"a {type(found).__name__} of other points than {size} finite numbers each"
    if isinstance(found, Ball):
        return "" if isfinite(found.radius) and found.radius >= 0 else f"a Ball of the radius {found.radius}"
    if isinstance(found, PullRegion):
        return _fault_of(found, size)
    return "a Box with a low above its high" if bool((found.low > found.high).any()) else ""


def _fault_of(region: PullRegion, size: int) -> str:
    """Say what is wrong with a region; nothing if it is one."""
    count = len(region.alpha)
    if tuple(region.points.shape) != (count, size) or not bool(region.points.isfinite().all()):
        return f"a PullRegion of other points than {count} of {size} finite numbers each"
    if not 0 <= region.most < float(region.alpha.sum()) < inf:
        return f"a PullRegion with most={region.most}, which is no part of alpha's sum"
    return ""
