"""What fedlens' own method makes of a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pydantic.fields import FieldInfo

from fedlens.attacks.attack import Attack
from fedlens.core.config import Config
from fedlens.core.errors import ConfigError, shortened
from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.core.registry import BUILT_IN, Description, build, resolve
from fedlens.core.suggest import nearest
from fedlens.defences.adapters import as_stage
from fedlens.defences.chain import Chain
from fedlens.defences.links import KINDS, Link, build_link
from fedlens.defences.norm_clipping import norms
from fedlens.defences.server_step import server_step
from fedlens.defences.stage import Server, Stage, State, Updates
from fedlens.studies.conformance.case import Cohort, Rows, Value
from fedlens.studies.conformance.crafting import ATTACKERS, ATTACKS, crafted

ORDERS = 11
"""In how many orders of the rows ties are tried."""


NEEDS = ("needs_model", "validates")
"""What a class declares that needs the model or a validation set."""


@dataclass(frozen=True)
class Refusal:
    """Instead of an answer: why there is none."""

    reason: str


Method = Link | Attack

Answer = Rows | Refusal
"""What leaves a method in a round: one row of a rule, several of a filter or of mixing, shape ``[m, d]``."""


@cache
def methods() -> Mapping[str, type[Config]]:
    """Return all methods that there are cases for, by name: defences and attacks that need no more than updates."""
    defences = ((name, resolve(kind, name)) for kind in KINDS for name in BUILT_IN[kind])
    tried = {name: cls for name, cls in defences if not any(getattr(cls, need, False) for need in NEEDS)}
    return tried | {name: resolve("attack", name) for name in ATTACKS}


def fields_of(name: str) -> Mapping[str, FieldInfo]:
    """Return a method's options.

    Raises:
        ConfigError: there is no such method, or there are no cases for it.
    """
    if name not in methods():
        if any(name in BUILT_IN[kind] for kind in ("attack", *KINDS)):
            parts = [f"{name}-filter"] if f"{name}-filter" in methods() else sorted(methods())
            raise ConfigError(f"--as: there are no cases for {name}, only for {', '.join(parts)}")
        raise ConfigError(f"--as: there is no {shortened(name)}; {nearest(name, sorted(methods()))}")
    return methods()[name].model_fields


def method(name: str, options: Mapping[str, Value]) -> Method:
    """Build a method of this name.

    Raises:
        ConfigError: its options are wrong.
    """
    if name in ATTACKS:
        return build("attack", {"name": name, **ATTACKS[name], **options}, Attack)
    return build_link({"name": name, **options}, Description())


def values_of(link: Method) -> dict[str, Value]:
    """Return the values of all options of a method that are numbers or words."""
    values = ((option, getattr(link, option)) for option in type(link).model_fields)
    return {option: value for option, value in values if isinstance(value, bool | int | float | str)}


def answers(link: Method, rounds: Sequence[Cohort], seed: int = 0) -> list[Answer]:
    """Return what leaves a method in each of these rounds; what it keeps goes on from one to the next.

    The global model is of zeros.

    Args:
        link: the method: a rule, a stage or a check; or an attack, to which the updates are those of honest clients.
        rounds: at least one.
        seed: of its random draws.
    """
    if isinstance(link, Attack):
        return [crafted(link, cohort.rows, ATTACKERS) for cohort in rounds]
    layout = Layout.of(torch.nn.Linear(rounds[0].rows.shape[1], 1, bias=False))
    chain = Chain.of(link)
    whole = leaves_one(chain)
    stages = chain.whole if whole else tuple(map(as_stage, chain.stages))
    states: Sequence[State] = [stage.init(layout) for stage in stages]
    given: list[Answer] = []
    for number, cohort in enumerate(rounds, 1):
        address = Address.root(seed).at("round", number)
        lengths = norms(torch.from_numpy(cohort.rows))
        server = Server(number, torch.zeros(layout.size), layout, cohort.clients, address, lengths=lengths)
        if any(stage.needs_root for stage in stages):
            server = replace(server, root=torch.from_numpy(cohort.root))
        answer, states = _answer(stages, cohort, server, states, whole=whole)
        given.append(answer)
    return given


def acceptable(link: Method, cohort: Cohort) -> list[Answer]:
    """Return what a method says of the same rows in several orders, each answer once."""
    generator = Address.root(0).at("orders").generator()
    orders = [np.arange(len(cohort.rows)), *(generator.permutation(len(cohort.rows)) for _ in range(ORDERS))]
    given = [answers(link, (_reordered(cohort, order),)) for order in orders]
    return _different(answer for [answer] in given)


def draws(link: Method, rounds: Sequence[Cohort]) -> bool:
    """Tell whether the answers depend on random draws, so that nobody else's can equal them."""
    first, second = answers(link, rounds, 0), answers(link, rounds, 1)
    return not all(same(one, other) for one, other in zip(first, second, strict=True))


def same(one: Answer, other: Answer) -> bool:
    """Tell whether two answers are the same to the last bit."""
    if isinstance(one, Refusal) or isinstance(other, Refusal):
        return isinstance(one, Refusal) and isinstance(other, Refusal)
    return np.array_equal(one, other)


def filters(link: Method) -> bool:
    """Tell whether a method drops rows, and does nothing else."""
    return not isinstance(link, Attack) and as_stage(link).kind == "filter"


def leaves_one(chain: Chain) -> bool:
    """Tell whether a chain has a rule or an optimizer of its own, so that one row leaves it."""
    return any(as_stage(component).kind in {"rule", "optimizer"} for component in chain.stages)


def _answer(
    stages: Sequence[Stage], cohort: Cohort, server: Server, states: Sequence[State], *, whole: bool
) -> tuple[Answer, Sequence[State]]:
    weights = torch.from_numpy(cohort.alpha.copy())
    updates = Updates.received(torch.from_numpy(cohort.rows.copy()), weights)
    if whole:
        step = server_step(stages, updates, server, states)
        answer = Refusal(step.skipped) if step.skipped is not None else step.update.numpy()[None]
        return answer, step.states or states
    kept: list[State] = []
    for index, (stage, state) in enumerate(zip(stages, states, strict=True)):
        if len(updates.rows) < stage.needed(1):
            return Refusal(f"{len(updates.rows)} updates, and {stage.needed(1)} are needed"), states
        updates, after, report = stage.apply(updates, _at(server, index), state)
        if report.skipped is not None:
            return Refusal(report.skipped), states
        kept.append(after)
    return updates.rows.numpy(), kept


def _at(server: Server, index: int) -> Server:
    return replace(server, address=server.address.at("stage", index))


def _reordered(cohort: Cohort, order: NDArray[np.int64]) -> Cohort:
    clients = tuple(cohort.clients[row] for row in order)
    return Cohort(cohort.rows[order], clients, cohort.alpha[order], cohort.root)


def _different(given: Iterable[Answer]) -> list[Answer]:
    found: list[Answer] = []
    for answer in given:
        if not any(same(answer, other) for other in found):
            found.append(answer)
    return found
