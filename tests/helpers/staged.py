"""What a server has in a round, for tests of stages."""

from dataclasses import replace

import torch
from torch import Tensor

from fedlens.core.random import Address
from fedlens.defences.norm_clipping import norms
from fedlens.defences.stage import Report, Server, Stage, State, Updates
from helpers.received import equal, layout


def server(
    count: int, size: int, biases: int = 0, seed: int = 0, clients: list[int] | None = None, root: Tensor | None = None
) -> Server:
    """A server of a model of `size` entries, the last of them biases, that has received `count` updates."""
    address = Address.root(seed)
    at_hand = tuple(range(count) if clients is None else clients)
    return Server(1, torch.zeros(size), layout(size - biases, biases), at_hand, address, root)


def staged(
    stage: Stage,
    rows: Tensor,
    weights: Tensor | None = None,
    state: State | None = None,
    *,
    biases: int = 0,
    seed: int = 0,
    clients: list[int] | None = None,
    root: Tensor | None = None,
) -> tuple[Updates, State, Report]:
    """What `stage` makes of the rows, received as they are; without a state, in its first round."""
    count, size = rows.shape
    at_hand = replace(server(count, size, biases, seed, clients, root), lengths=norms(rows))
    updates = Updates.received(rows, equal(count) if weights is None else weights)
    return stage.apply(updates, at_hand, stage.init(at_hand.layout) if state is None else state)


def one(updates: Updates) -> Tensor:
    """The single row that is left, shape ``[d]``."""
    (row,) = updates.rows
    return row


def effective(updates: Updates) -> Tensor:
    """The effective weights, which have to exist, shape ``[n]``."""
    found = updates.effective_weights
    assert found is not None
    return found
