"""What a server does to buffers that training changes, such as the running statistics of batch normalisation.

Stages see parameters alone, and decide whom to believe by these. The b buffers of an update are combined once, outside
of all stages, by what the chain has decided:

- where the rule is coordinate-wise (`Stage.coordinatewise`), as the median is, by the rule itself, of the rows that
  filters and mixing made of the buffers, too;
- else by the effective weights of the updates received, as they are behind the rule. So a selecting rule takes the
  buffers of the clients that it chooses, and an update that is clipped counts less in the buffers as well.

A server optimizer does not touch them. Counters are the median of the updates that have a weight at all, rounded to
whole numbers. Where neither way exists, there is no safe one: a plain mean beside a robust rule would let any client
put anything into the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.defences.stage import Report, Server, Stage, State, Updates
from fedlens.kernels.weighted_sums import weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

Apply = Callable[[Stage, Updates, Server, State], tuple[Updates, State, Report]]
"""Applies a stage."""

UNTOLD = "does not say how much of each update is in what it leaves, by which buffers would be combined"


class BuffersError(ValueError):
    """A chain leaves no way to combine buffers."""


def combined_buffers(
    stage: Stage, before: Updates, after: Updates, received: Tensor, server: Server, *, apply: Apply
) -> Tensor:
    """Combine the buffers of a round's updates.

    Args:
        stage: the chain's rule.
        before: the rows of parameters that it got.
        after: the row that it left.
        received: the buffers of the updates received, shape ``[n, b]``.
        server: what else the server has, with the buffers alone as `Server.weights` and `Server.layout`.
        apply: applies a stage.

    Returns:
        The change of the global model's buffers, shape ``[b]``.

    Raises:
        BuffersError: the chain says neither how to combine them nor whose they are.
    """
    if stage.coordinatewise and before.mixture is not None:
        rows = replace(before, rows=before.mixture.to(received) @ received)
        mean = apply(stage, rows, server, stage.init(server.layout))[0].rows[0].clone()
        kept = (before.mixture != 0).any(dim=0)
    elif (weights := after.effective_weights) is not None:
        if not bool(weights.isfinite().all()):  # the parameters are destroyed, which is recorded
            return torch.zeros_like(server.weights)
        mean, kept = weighted_sum(weights, received), weights != 0
    else:
        raise BuffersError(UNTOLD)
    return _with_counters(mean, received[kept], server.layout)


def mean_of_buffers(weights: Tensor, rows: Tensor, layout: Layout) -> Tensor:
    """Return the mean of buffers (shape ``[n, b]``) by `weights` (``[n]``, float64) of sum 1; counters: the median."""
    return _with_counters(weighted_sum(weights, rows), rows, layout)


def _with_counters(mean: Tensor, rows: Tensor, layout: Layout) -> Tensor:
    """Put the medians of counters into the `mean` of buffers (``[b]``)."""
    counters = layout.mask({"counter"}).to(rows.device)
    mean[counters] = median_of_counters(rows[:, counters])
    return mean


def median_of_counters(counters: Tensor) -> Tensor:
    """Return the median of each column of whole numbers (shape ``[k, c]``), a whole number; zeros if k is 0."""
    if not counters.numel():
        return counters.new_zeros(counters.shape[1])
    return counters.double().quantile(0.5, dim=0).round().to(counters)


def buffers_of(server: Server, layout: Layout) -> Server:
    """Return the server with its buffers alone, whose `layout` this is."""
    count = len(server.weights) - layout.size
    root = None if server.root is None else server.root[count:]
    return replace(server, weights=server.weights[count:], layout=layout, root=root)


def parameters_of(server: Server, count: int) -> Server:
    """Return the server with the first `count` entries alone, the parameters, which are all that stages see."""
    root = None if server.root is None else server.root[:count]
    return replace(server, weights=server.weights[:count], layout=server.layout.parameters, root=root)
