"""Local training of several clients side by side: the mathematics of `fedlens.training.local.train`, stacked.

Each client trains on the batches and with the masks that it would have alone; only rounding differs. The clients with
the most samples come first, so that those which go on are the first rows at every step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.kernels.stack import Stack
from fedlens.training.dropout_masks import Masks, equal_runs
from fedlens.training.local import LocalTraining, draws


def train_stacked(
    stack: Stack, weights: Tensor, samples: Samples, plan: LocalTraining, clients: Sequence[tuple[Address, Tensor]]
) -> Tensor:
    """Train n clients.

    Args:
        stack: a copy of the network for each client, with `weights`.
        weights: where every client begins, shape ``[d]``.
        samples: those of all clients.
        plan: how to train.
        clients: for each where its draws of this round begin, and which of `samples` it holds.

    Returns:
        The updates δ, shape ``[n, d]``.
    """
    order = sorted(range(len(clients)), key=lambda place: -len(clients[place][1]))
    addresses, members = zip(*(clients[place] for place in order), strict=True)
    sizes = [plan.sizes_for(len(own)) for own in members]
    masks = Masks(stack.drops, sizes, addresses, weights)
    drawn = [draws(own, plan, address) for address, own in zip(addresses, members, strict=True)]
    optimizer = plan.new_optimizer(stack)
    for step in range(len(sizes[0])):
        active = sum(len(own) > step for own in sizes)
        if active < len(stack.vector):
            stack.narrow(active)
        batches = [next(batch) for batch in drawn[:active]]
        for rows in equal_runs([own[step] for own in sizes[:active]]):
            batch, count = samples.take(torch.cat(batches[rows])), rows.stop - rows.start
            x, y = batch.x.view(count, -1, *batch.x.shape[1:]), batch.y.view(count, -1)
            stack.backward(rows, x, y, masks.of(step, rows))
        optimizer.step()
    updates = torch.empty(len(order), len(weights), dtype=weights.dtype, device=weights.device)
    updates[order] = stack.trained() - weights
    return updates
