"""What rules and stages return: whether the chain can go on with it. That of a stranger's may be anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from fedlens.core.errors import named, shortened
from fedlens.core.given import faults_of_tensors, is_dense, is_word, misfit
from fedlens.core.lazy import torch
from fedlens.core.origin import at
from fedlens.defences.rule import Aggregate
from fedlens.defences.stage import Report, State, Updates
from fedlens.defences.verdicts import details_faults

if TYPE_CHECKING:
    from torch import Tensor


class ReturnedError(ValueError):
    """A method returned what cannot be worked with; the message goes on after who it was.

    Args:
        method: what returned it.
        what: what it returned.
        remedy: what to return instead.
    """

    def __init__(self, method: Callable[..., object], what: str, remedy: str) -> None:
        super().__init__(f"returned {what}: let {method.__name__}{at(method)} return {remedy}")


def require_aggregate(method: Callable[..., object], aggregate: object, updates: Updates) -> Aggregate:
    """Check what a rule returned for these updates.

    Raises:
        ReturnedError: it is no aggregate of theirs.
    """
    remedy, rows = "Aggregate(update, shares)", updates.rows
    if not isinstance(aggregate, Aggregate):
        raise ReturnedError(method, f"{named(aggregate)}, not an Aggregate", remedy)
    finite = _has_to_be_finite([aggregate.update, aggregate.shares], rows)
    if wrong := misfit(aggregate.update, rows.shape[1:], rows.dtype, str(rows.device), finite=finite):
        raise ReturnedError(method, f"an update {wrong}", remedy)
    if aggregate.shares is not None and (wrong := misfit(aggregate.shares, (len(rows),), finite=finite)):
        raise ReturnedError(method, f"shares {wrong}", f"{remedy}, or Aggregate(update) where there are none")
    if wrong := next(details_faults(aggregate.details, len(rows)), ""):
        raise ReturnedError(method, wrong, "numbers for each client, or no details")
    return aggregate


def require_outcome(method: Callable[..., object], outcome: object, updates: Updates, least: int, most: int) -> None:
    """Check what a stage returned for these updates, of which `least` to `most` rows may be left.

    Raises:
        ReturnedError: it is none that the next stage could go on with.
    """
    if not (isinstance(outcome, tuple) and len(outcome) == 3):
        raise ReturnedError(method, named(outcome), "updates, state, report")
    for value, right in zip(outcome, (Updates, State, Report), strict=True):
        if not isinstance(value, right):
            remedy = f"updates, state, report, of which the {right.__name__.lower()} is a{'n' * (right is Updates)}"
            raise ReturnedError(method, named(value), f"{remedy} {right.__name__}")
    after, _, report = outcome
    if wrong := next(_faults_of_updates(after, updates, least, most), ""):
        raise ReturnedError(method, wrong, "updates.keep(...), .mixed(...) or .single(...) as they are")
    if wrong := next(_faults_of_report(report, len(updates.rows)), ""):
        raise ReturnedError(method, f"a report with {wrong}", "Report(scores, flagged)")


def _faults_of_updates(after: Updates, before: Updates, least: int, most: int) -> Iterator[str]:
    count = len(after.rows) if is_dense(after.rows) and after.rows.dim() == 2 else least
    if not least <= count <= most:
        yield f"{count} rows, where {least if least == most else f'{least} to {most}'} are right"
    rows = before.rows
    finite = _has_to_be_finite([after.rows, after.weights, after.mixture], rows)
    if wrong := misfit(after.rows, (count, rows.shape[1]), rows.dtype, str(rows.device), finite=finite):
        yield f"rows {wrong}"
    if wrong := misfit(after.weights, (count,), torch.float64, finite=finite):
        yield f"weights {wrong}"
    if after.mixture is not None:
        if before.mixture is None:
            yield "a mixture, which a stage before could not tell; None is right"
        elif wrong := misfit(after.mixture, (count, before.mixture.shape[1]), torch.float64, finite=finite):
            yield f"a mixture {wrong}"


def _faults_of_report(report: Report, count: int) -> Iterator[str]:
    if report.scores is not None and (wrong := misfit(report.scores, (count,))):
        yield f"scores {wrong}"
    if report.flagged is not None and (wrong := misfit(report.flagged, (count,), torch.bool)):
        yield f"flagged {wrong}"
    yield from details_faults(report.details, count)
    if report.skipped is not None and not (is_word(report.skipped) and report.skipped):
        yield f"skipped as {named(report.skipped)}; a text that says why is right"


def _has_to_be_finite(results: list[Tensor | None], rows: Tensor) -> bool:
    """Tell whether results computed from these rows have to be finite: no square of a row's entry is out of range."""
    if all(bool(result.isfinite().all()) for result in results if is_dense(result)):
        return True
    largest = float(rows.abs().max()) if rows.numel() else 0.0
    return bool(largest < torch.finfo(rows.dtype).max ** 0.5)  # and not NaN


def state_fault(state: State) -> str:
    """Say what of a state no checkpoint could hold, and what is right; empty if it can hold all."""
    return next(_faults_of_state(state), "")


def _faults_of_state(state: State) -> Iterator[str]:
    yield from faults_of_tensors(state.tensors)
    if not isinstance(state.clients, Mapping):
        yield f"a {type(state.clients).__name__} by client; a dict of dicts is right"
        return
    for client, tensors in state.clients.items():
        if not isinstance(client, int) or isinstance(client, bool) or client < 0:
            yield f"the client {shortened(client)}; the numbers of server.clients are right"
        yield from (f"client {client}: {fault}" for fault in faults_of_tensors(tensors))
