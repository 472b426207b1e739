"""Buffers that each client keeps to itself, on their way into a client's job and out of it.

A job begins at the global parameters and the client's own buffers. Behind the parameters, the row of its update then
has the buffers that the client's network ends with; the simulator takes them out before anybody sees the row
(`fedlens.simulation.client_buffers`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedlens.models.network import Network


def with_own(weights: Tensor, buffers: Tensor | None) -> Tensor:
    """Return `weights` (shape ``[d]``) with the client's own `buffers` (``[b]``) at the end, if it has any."""
    return weights if buffers is None else torch.cat([weights[: len(weights) - len(buffers)], buffers])


def leave_own(network: Network, row: Tensor) -> None:
    """Leave the buffers that a client's network ends with behind the parameters of its `row` (shape ``[d]``)."""
    count = len(network.vector)
    row[count:] = network.state()[count:]
