"""What a goal makes of samples: those that an attacker trains on, and the classes that a model is to give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.core.custom import is_custom
from fedlens.core.errors import ClientError, named
from fedlens.core.lazy import torch
from fedlens.core.origin import at
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.goals.goal import NOTHING, Goal
from fedlens.goals.success import TargetSamples

if TYPE_CHECKING:
    from torch import Tensor

MOST = 100
"""An attacker takes at most this many of its own samples in a round."""


def wanted_classes(goal: Goal, y: Tensor, classes: int) -> Tensor:
    """Return the classes wanted of samples of classes `y`, shape ``[n]``; `NOTHING` for those that do not count.

    Raises:
        ClientError: a custom goal names something else than classes.
    """
    if not is_custom(goal):
        return goal.wanted(y)
    result: object = goal.wanted(y.clone())
    name = f"goal {type(goal).__name__}: wanted{at(goal.wanted)}"
    if type(result) is not torch.Tensor or result.shape != y.shape or result.dtype != y.dtype:
        raise ClientError(f"{name} returned {named(result)}; return classes in a tensor like y")
    if int(result.min()) < NOTHING or int(result.max()) >= classes:
        raise ClientError(f"{name} returned classes outside 0 to {classes - 1}; -1 is for samples of no interest")
    return result


def changed_inputs(goal: Goal, x: Tensor, part: int | None = None) -> Tensor:
    """Return a copy of the inputs `x`, shape ``[n, ...]``, changed as `goal` does.

    Raises:
        ClientError: a custom goal returned anything but inputs of the same shape and type.
    """
    result: object = goal.inputs(x.clone(), part)
    if type(result) is not torch.Tensor or result.shape != x.shape or result.dtype != x.dtype:
        name = f"goal {type(goal).__name__}: inputs{at(goal.inputs)}"
        raise ClientError(f"{name} returned {named(result)}; return a tensor like x")
    return result


def malicious_samples(
    goal: Goal, shard: Samples, classes: int, address: Address, part: int | None = None
) -> TargetSamples:
    """Return changed copies of an attacker's own samples, at most `MOST`, of which the goal wants something.

    Args:
        goal: what attackers want, fitted to the data.
        shard: the attacker's samples.
        classes: number of classes.
        address: where samples are drawn if there are more.
        part: the only part of the trigger to stamp; ``None`` for the whole.
    """
    wanted = wanted_classes(goal, shard.y, classes)
    rows = (wanted != NOTHING).nonzero()[:, 0]
    if len(rows) > MOST:
        drawn = address.generator().permutation(len(rows))[:MOST]
        rows = rows[torch.from_numpy(drawn).to(rows.device)]
    samples = shard.take(rows)
    x = changed_inputs(goal, samples.x, part) if len(rows) else samples.x
    return TargetSamples(x, samples.y, wanted[rows], rows)
