"""The aggregation rule at work on the updates that passed the checks."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedlens.aggregation.rule import Received, Rule
from fedlens.detection.detector import Inspection
from fedlens.errors import ClientError
from fedlens.random import Address


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


def combine(rule: Rule, seen: Inspection, kept: list[int], address: Address, state: Mapping[str, Tensor]) -> Combined:
    """Aggregate the rows `kept`, whose weights are renormalised; leave the model alone where the rule needs more.

    Raises:
        ClientError: the rule failed, or gave no finite update.
    """
    count = len(seen.updates)
    if len(kept) < rule.minimum:
        reason = f"{len(kept)} of {count} updates passed the checks, and the rule needs {rule.minimum}"
        return Combined(torch.zeros_like(seen.weights), [0.0] * count, state, reason)
    updates, alpha = seen.updates, seen.alpha
    if len(kept) < count:
        updates, alpha = updates[kept], alpha[kept] / alpha[kept].sum()
    name = type(rule).__name__
    try:
        aggregate = rule.aggregate(Received(updates, alpha, seen.layout, address, state))
    except Exception as error:
        raise ClientError(f"rule {name} failed in round {seen.round}: {type(error).__name__}: {error}") from error
    if aggregate.update.shape != seen.weights.shape or not bool(torch.isfinite(aggregate.update).all()):
        raise ClientError(f"rule {name} gave no finite update of {seen.layout.size} entries in round {seen.round}")
    shares = None
    if aggregate.shares is not None:
        shares = [0.0] * count
        for row, share in zip(kept, aggregate.shares.tolist(), strict=True):
            shares[row] = share
    return Combined(aggregate.update, shares, aggregate.state)
