"""What a server has received, for tests of aggregation rules."""

import torch
from torch import Tensor

from fedlens.core.layout import Layout, Slice
from fedlens.core.random import Address
from fedlens.defences.rule import Aggregate, Received, Rule


def equal(count: int) -> Tensor:
    """The clients' weights where all have equally many samples."""
    return torch.full((count,), 1 / count, dtype=torch.float64)


def layout(weights: int, biases: int = 0) -> Layout:
    """A layer of this many weights, followed by its biases."""
    size = weights + biases
    parts = (
        Slice("0.weight", "0", "weight", 0, weights, (weights,)),
        Slice("0.bias", "0", "bias", weights, size, (biases,)),
    )
    return Layout(parts)


def received(updates: Tensor, alpha: Tensor | None = None, biases: int = 0, seed: int = 0) -> Received:
    """The updates, whose last entries are biases."""
    count, size = updates.shape
    alpha = equal(count) if alpha is None else alpha
    return Received(updates, alpha, layout(size - biases, biases), Address.root(seed))


def apply(rule: Rule, updates: Tensor, alpha: Tensor | None = None, biases: int = 0) -> Aggregate:
    """What `rule` makes of the updates."""
    return rule.aggregate(received(updates, alpha, biases))


def shares(rule: Rule, updates: Tensor, alpha: Tensor | None = None) -> Tensor:
    """The shares that `rule` gives the updates."""
    found = apply(rule, updates, alpha).shares
    assert found is not None
    return found


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Independent draws of N(0, 1)."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def column(*values: float) -> Tensor:
    """Updates of one entry each."""
    return torch.tensor(values, dtype=torch.float64)[:, None]
