"""Local training of several clients in a stack: the mathematics of `fedlens.training.local.train`, stacked.

Each client trains on the batches and with the masks that it would have alone; only rounding differs. The clients with
the most samples come first, so that the first rows are still training at every step.
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
    """Train n clients together.

    Args:
        stack: a copy of the network for each client, with `weights`.
        weights: the weights that every client begins with, shape ``[d]``.
        samples: the samples of all clients.
        plan: how to train.
        clients: for each the address of its draws in this round, and the indices of its `samples`.

    Returns:
        The updates δ, shape ``[n, d]``.
    """
    order = sorted(range(len(clients)), key=lambda row: -len(clients[row][1]))
    addresses, members = zip(*(clients[row] for row in order), strict=True)
    sizes = [plan.sizes_for(len(indices)) for indices in members]
    masks = Masks(stack.drops, sizes, addresses, weights)
    drawn = [draws(indices, plan, address) for address, indices in zip(addresses, members, strict=True)]
    optimizer = plan.new_optimizer(stack)
    for step in range(len(sizes[0])):
        active = sum(len(batch_sizes) > step for batch_sizes in sizes)
        if active < len(stack.vector):
            stack.narrow(active)
        batches = [next(batch) for batch in drawn[:active]]
        for rows in equal_runs([batch_sizes[step] for batch_sizes in sizes[:active]]):
            batch, count = samples.take(torch.cat(batches[rows])), rows.stop - rows.start
            x, y = batch.x.view(count, -1, *batch.x.shape[1:]), batch.y.view(count, -1)
            stack.backward(rows, x, y, masks.of(step, rows))
        optimizer.step()
    updates = torch.empty(len(order), len(weights), dtype=weights.dtype, device=weights.device)
    updates[order] = stack.trained() - weights
    return updates
