"""The aggregation rule at work on the updates that passed the checks."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.errors import ClientError, named, shortened
from fedlens.core.given import is_dense, is_word, misfit, oddity
from fedlens.core.origin import at, told
from fedlens.core.random import Address, seeded
from fedlens.core.staying import staying
from fedlens.defences.detector import Inspection
from fedlens.defences.rule import Aggregate, Received, Rule, least_updates
from fedlens.simulation.receiving import gathered, renormalised


@dataclass(frozen=True)
class Combined:
    """What became of a round's updates.

    Attributes:
        update: what is added to the global weights, shape ``[d]``.
        shares: weight that each client's update got, 0 for a rejected one; ``None`` where the rule cannot tell.
        state: what the rule keeps for the next round.
        skipped: why the global model stays as it is, if it does.
    """

    update: Tensor
    shares: list[float] | None
    state: Mapping[str, Tensor]
    skipped: str | None = None


def combine(
    rule: Rule, seen: Inspection, rows_kept: list[int], address: Address, state: Mapping[str, Tensor]
) -> Combined:
    """Aggregate `rows_kept`, whose weights are renormalised; leave the model alone where the rule needs more.

    The rows are moved together within the updates, which are not what they were afterwards. A custom rule gets copies,
    and what it gives is copied: it may keep either.

    Of updates whose squares are out of range, what a rule gives may be so, too: the global model is destroyed then.

    Raises:
        ClientError: the rule failed, or gave no update, or of shorter ones none that is finite.
    """
    count, least = len(seen.updates), least_updates(rule)
    if len(rows_kept) < max(least, 1):
        reason = f"{len(rows_kept)} of {count} updates passed the checks, and the rule needs {least}"
        return Combined(torch.zeros_like(seen.weights), [0.0] * count, state, reason)
    updates, alpha = gathered(seen.updates, rows_kept), renormalised(seen.alpha, rows_kept)
    name = type(rule).__name__
    received = Received(updates, alpha, seen.layout, address, state)
    try:
        with staying(f"rule {name}, in round {seen.round},"):
            aggregate = _of_custom(rule, received) if is_custom(rule) else rule.aggregate(received)
    except ClientError:
        raise
    except Exception as error:
        raise ClientError(f"rule {name} failed in round {seen.round}: {told(error)}") from error
    if wrong := _wrong(aggregate, seen, received):
        result, remedy = wrong
        let = f"let aggregate{at(rule.aggregate)} return {remedy}"
        raise ClientError(f"rule {name}, in round {seen.round}, returned {result}: {let}")
    next_state = _copied_state(aggregate.state, name, seen.round)
    shares = None
    if aggregate.shares is not None and bool(torch.isfinite(aggregate.shares).all()):
        shares = [0.0] * count
        for row, share in zip(rows_kept, aggregate.shares.tolist(), strict=True):
            shares[row] = share
    return Combined(aggregate.update, shares, next_state)


def _copied_state(state: object, name: str, round_: int) -> Mapping[str, Tensor]:
    """Copy what a rule wants to keep, so that a checkpoint can hold it.

    Raises:
        ClientError: it is nothing that one could hold.
    """
    wrong = f"rule {name} wants to keep something else than tensors by their names in round {round_}"
    if not isinstance(state, Mapping):
        raise ClientError(f"{wrong}: a {type(state).__name__}; a dict of them is right")
    for word, tensor in state.items():
        if not is_word(word):
            raise ClientError(f"{wrong}: the name {shortened(word)}; words are right")
        if odd := oddity(tensor):
            raise ClientError(f"{wrong}: {shortened(word)} is {odd}; dense tensors of real numbers are right")
    return {word: tensor.detach().clone() for word, tensor in state.items()}


def _of_custom(rule: Rule, received: Received) -> Aggregate:
    """Let a custom rule aggregate a copy of what was received, with the global generators seeded."""
    with seeded(received.address.at("global")):
        return copy_tensors(rule.aggregate(copy_tensors(received)))


def _wrong(aggregate: object, seen: Inspection, received: Received) -> tuple[str, str] | None:
    """Say what is wrong with what a rule returned, and what to return instead; ``None`` if nothing is."""
    if not isinstance(aggregate, Aggregate):
        return f"{named(aggregate)}, not an Aggregate", "Aggregate(update, shares)"
    finite = not _out_of_range(aggregate, received.updates)
    shape, dtype, device = seen.weights.shape, seen.weights.dtype, str(seen.weights.device)
    if wrong := misfit(aggregate.update, shape, dtype, device, finite=finite):
        return f"an update {wrong}", "Aggregate(update, shares)"
    if aggregate.shares is not None and (wrong := misfit(aggregate.shares, received.alpha.shape, finite=finite)):
        return f"shares {wrong}", "Aggregate(update, shares), or Aggregate(update) where there are none"
    return None


def _out_of_range(aggregate: Aggregate, updates: Tensor) -> bool:
    """Tell whether an aggregate is not finite, but need not be: the squares of its updates are out of range."""
    both = [tensor for tensor in (aggregate.update, aggregate.shares) if is_dense(tensor)]
    if all(bool(tensor.isfinite().all()) for tensor in both):
        return False
    lowest, highest = updates.aminmax()
    return bool(max(-float(lowest), float(highest)) >= torch.finfo(updates.dtype).max ** 0.5)
