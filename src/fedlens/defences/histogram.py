"""Histograms of an update's entries, and the distance between two of them.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3 and figures 2, 4 and
9. From the authors' configuration: 500 bins over ±0.2; entries of absolute value below 1e-7 are left out.

Ours: entries beyond ±limit are counted in the end bins, so that nothing else is left out, and the distance is the
Wasserstein-1 distance W = ∫ |F_a − F_b| of the histograms scaled to 1, each bin's share lying in its middle. It is
that of the entries, clipped to ±limit, to within a bin's width. If a histogram is empty, all entries were left out as
zeros: it stands for a unit mass at 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-7
"""Entries of smaller absolute value are left out."""

BINS, LIMIT = 500, 0.2
"""The bins and the limit of the authors."""

_BLOCK = 2**18


def histogram(update: Tensor, bins: int, limit: float) -> Tensor:
    """Count the entries of an update (shape ``[d]``) in bins of equal width over [-limit, limit].

    A bin includes its lower edge. The first and the last bin include entries beyond.

    Returns:
        Shape ``[bins]``, int64.
    """
    counts = torch.zeros(bins + 1, dtype=torch.int64, device=update.device)
    for block in torch.split(update, _BLOCK):
        scaled = (block.double() + limit).mul_(bins / (2 * limit)).floor_().clamp_(0, bins - 1)
        indices = scaled.to(torch.int64).masked_fill_(block.abs() < TINY, bins)
        counts += torch.bincount(indices, minlength=bins + 1)
    return counts[:bins]


def left_out(update: Tensor) -> int:
    """Count the entries of an update (shape ``[d]``) that its histogram leaves out."""
    return sum(int((block.abs() < TINY).sum()) for block in torch.split(update, _BLOCK))


def shares(counts: Tensor) -> Tensor:
    """Scale histograms (shape ``[..., bins]``) to 1, float64; an empty one becomes a unit mass at 0."""
    bins = counts.shape[-1]
    zero = torch.zeros(bins, dtype=torch.float64, device=counts.device)
    zero[(bins - 1) // 2] += 0.5
    zero[bins // 2] += 0.5
    total = counts.double().sum(-1, keepdim=True)
    return torch.where(total > 0, counts / total.clamp_min(TINY), zero)


def centres(bins: int, limit: float) -> Tensor:
    """Return the middle of each bin, shape ``[bins]``, float64."""
    return (torch.arange(bins, dtype=torch.float64) + 0.5) * (2 * limit / bins) - limit


def wasserstein(counts_a: Tensor, counts_b: Tensor, limit: float) -> Tensor:
    """Compute the Wasserstein-1 distance of histograms over ±limit, in units of an update's entries.

    Args:
        counts_a: counts or shares, shape ``[..., bins]``.
        counts_b: likewise; leading dimensions broadcast.
        limit: where the last bin ends.

    Returns:
        Shape ``[...]``, float64.
    """
    width = 2 * limit / counts_a.shape[-1]
    return (shares(counts_a) - shares(counts_b)).cumsum(-1).abs().sum(-1) * width
