"""Local training of several clients in a stack: the mathematics of `fedlens.training.local.train`, stacked.

Each client trains on the batches and with the masks that it would have alone; only rounding differs. The clients with
the most batches come first, so that the first rows are still training at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.kernels.stack import Stack
from fedlens.training.augmentation import Augmenter
from fedlens.training.dropout_masks import Masks, equal_runs
from fedlens.training.local import LocalTraining, draws


@dataclass(frozen=True)
class StackedClient:
    """A client that trains in a stack.

    Attributes:
        address: of its draws in this round.
        indices: which of the `samples` it has, shape ``[m]``, int64; ``None`` for all of them.
        samples: where its samples are.
        work: the part of its batches that it trains on.
    """

    address: Address
    indices: Tensor | None
    samples: Samples
    work: float = 1.0

    @property
    def members(self) -> Tensor:
        """The indices of its samples, shape ``[m]``, int64."""
        return torch.arange(len(self.samples)) if self.indices is None else self.indices


def train_stacked(stack: Stack, weights: Tensor, plan: LocalTraining, clients: Sequence[StackedClient]) -> Tensor:
    """Train n clients together.

    Args:
        stack: a copy of the network for each client, with `weights`.
        weights: the weights that every client begins with, shape ``[d]``.
        plan: how to train.
        clients: who trains.

    Returns:
        The updates δ, shape ``[n, d]``.
    """
    plans = [plan.shortened(client.work) for client in clients]
    steps = [each.steps_for(len(client.members)) for each, client in zip(plans, clients, strict=True)]
    order = sorted(range(len(clients)), key=lambda row: (-steps[row], -len(clients[row].members)))
    plans = [plans[row] for row in order]
    addresses = [clients[row].address for row in order]
    members = [clients[row].members for row in order]
    sources = [clients[row].samples for row in order]
    sizes = [each.sizes_for(len(indices)) for each, indices in zip(plans, members, strict=True)]
    augmented = [Augmenter(plan.augmentation, address) for address in addresses]
    masks = Masks(stack.drops, sizes, addresses, weights)
    drawn = [draws(*drawing) for drawing in zip(members, plans, addresses, strict=True)]
    optimizer, criterion = plan.new_held_optimizer(stack), plan.criterion
    for step in range(len(sizes[0])):
        active = sum(len(batch_sizes) > step for batch_sizes in sizes)
        if active < len(stack.vector):
            stack.narrow(active)
        batches = [next(batch) for batch in drawn[:active]]
        for rows in equal_runs([batch_sizes[step] for batch_sizes in sizes[:active]]):
            batch, count = _taken(sources[rows], batches[rows]), rows.stop - rows.start
            x, y = batch.x.view(count, -1, *batch.x.shape[1:]), batch.y.view(count, -1)
            if plan.augmentation:
                x = torch.stack([change(part) for change, part in zip(augmented[rows], x, strict=True)])
            stack.backward(rows, x, y, masks.of(step, rows), criterion)
        optimizer.step()
    updates = torch.empty(len(order), len(weights), dtype=weights.dtype, device=weights.device)
    updates[order] = stack.trained() - weights
    return updates


def _taken(sources: Sequence[Samples], indices: Sequence[Tensor]) -> Samples:
    """Copy samples from each source, one after the other; at once where all are the same."""
    if all(source is sources[0] for source in sources):
        return sources[0].take(torch.cat(list(indices)))
    taken = [source.take(batch) for source, batch in zip(sources, indices, strict=True)]
    return Samples(torch.cat([part.x for part in taken]), torch.cat([part.y for part in taken]))
