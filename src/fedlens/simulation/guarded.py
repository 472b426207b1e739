"""Stages at work under guard: nothing that a custom one does to what it sees, keeps or returns reaches anybody else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.deadline import within
from fedlens.core.errors import ClientError, named
from fedlens.core.layout import Layout
from fedlens.core.origin import told
from fedlens.core.random import seeded
from fedlens.core.staying import staying
from fedlens.defences.adapters import FilterStage, RuleStage, link_of, method_of
from fedlens.defences.returned import ReturnedError, require_outcome, state_fault
from fedlens.defences.server_step import Outcome
from fedlens.defences.stage import Server, Stage, State, Updates


def guarded(stage: Stage, updates: Updates, server: Server, state: State, timeout: float | None = None) -> Outcome:
    """Apply a stage whose faults are named, with the round.

    A custom one gets copies, and what it gives is copied: it may keep either. It may draw from the global generators.
    Any other may write into the rows.

    Raises:
        ClientError: it failed, took more than `timeout` seconds, or returned nothing that one could go on with.
    """
    with _named(stage, f"in round {server.round}", timeout):
        given, (after, kept, report) = _applied(stage, updates, server, state)
        _require_state(kept)
    return after, settled(kept, state, given), report


def begun(stage: Stage, layout: Layout, timeout: float | None = None) -> State:
    """Return what a stage begins with.

    Raises:
        ClientError: it failed, took more than `timeout` seconds, or returned no state.
    """
    with _named(stage, "before the first round", timeout):
        state: object = stage.init(layout)
        if not isinstance(state, State):
            raise ReturnedError(stage.init, named(state), "a State")
        _require_state(state)
    return settled(state, State(), State())


@contextmanager
def _named(stage: Stage, when: str, timeout: float | None) -> Iterator[None]:
    """Turn a stage's failures into errors that say whose they are."""
    who = f"{called(stage)}, {when},"
    try:
        with within(timeout, who), staying(who):
            yield
    except ClientError:
        raise
    except ReturnedError as error:
        raise ClientError(f"{who} {error}") from None
    except UnkeepableError as error:
        what = f"{called(stage)} wants to keep something else than tensors by their names"
        raise ClientError(f"{what} {when}: {error}") from None
    except Exception as error:
        raise ClientError(f"{called(stage)} failed {when}: {told(error)}") from error


class UnkeepableError(ValueError):
    """No checkpoint could hold a stage's state."""


def _require_state(state: State) -> None:
    if fault := state_fault(state):
        raise UnkeepableError(fault)


def _applied(stage: Stage, updates: Updates, server: Server, state: State) -> tuple[State, Outcome]:
    """Apply the stage; return the state that it was given, too."""
    custom = is_custom(link_of(stage))
    given = (replace(updates, owned=not custom), server, state)
    if custom:
        given = copy_tensors(given)
    with seeded(server.address.at("global")) if custom else nullcontext():
        outcome = stage.apply(*given)
    count = len(updates.rows)
    least, most = {"filter": (0, count), "mixing": (1, count)}.get(stage.kind, (1, 1))
    require_outcome(method_of(stage), outcome, updates, least, most)
    after, kept, report = outcome
    return given[2], (copy_tensors(after), kept, copy_tensors(report)) if custom else (after, kept, report)


def called(stage: Stage) -> str:
    """Return what to call a stage where it fails."""
    word = "rule" if isinstance(stage, RuleStage) else "filter" if isinstance(stage, FilterStage) else "stage"
    return f"{word} {type(link_of(stage)).__name__}"


def settled(kept: State, before: State, given: State) -> State:
    """Copy what a stage wants to keep, but for the clients of whom it has changed nothing, which stay as they were.

    Args:
        kept: what it wants to keep.
        before: what it kept before.
        given: a copy of that, or that itself, which the stage had.
    """
    clients: dict[int, Mapping[str, Tensor]] = {}
    for client, tensors in kept.clients.items():
        was = before.clients.get(client)
        same = was is not None and tensors is given.clients.get(client) and _equal(tensors, was)
        clients[client] = was if same and was is not None else copy_tensors(dict(tensors))
    return replace(kept, tensors=copy_tensors(dict(kept.tensors)), clients=clients)


def _equal(tensors: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    """Tell whether both are the same, or a copy in which nothing has been written since."""
    if tensors is others:
        return True
    return tensors.keys() == others.keys() and all(torch.equal(tensors[name], others[name]) for name in others)
