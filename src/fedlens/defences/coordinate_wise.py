"""Rules that look at one coordinate at a time: the median and the trimmed mean.

D. Yin, Y. Chen, K. Ramchandran, P. Bartlett, *Byzantine-Robust Distributed Learning: Towards Optimal Statistical
Rates* (ICML 2018), definitions 1 and 2. With x_(1) ≤ … ≤ x_(n) the clients' entries of a coordinate, in order:

- median: x_((n+1)/2), or for an even n the mean of the middle two, (x_(n/2) + x_(n/2+1)) / 2 (``torch.median`` gives
  the lower of them);
- trimmed mean: the mean of x_(f+1), …, x_(n−f). The paper trims a fraction β of the n entries from each end; here it is
  a number of clients, f = βn.

The median is the trimmed mean with as much trimmed as can be. Neither looks at the clients' weights α_i.

A client's share is the fraction of coordinates in which its entry was kept, divided by the number that are kept. Equal
entries that straddle the border of what is kept have equal parts in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt

from fedlens.core.lazy import torch
from fedlens.defences.effective_weights import Credit
from fedlens.defences.rule import Aggregate, Received, Rule, require_enough
from fedlens.kernels.order_statistics import GRAIN, arranged
from fedlens.kernels.sorting_network import UNWANTED

if TYPE_CHECKING:
    from torch import Tensor


def trimmed_mean(updates: Tensor, trimmed: int) -> tuple[Tensor, Tensor]:
    """The mean of each column without its `trimmed` smallest and as many largest entries.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        trimmed: how many entries are left out at each end; less than n / 2.

    Returns:
        The means, shape ``[d]``, and each client's share in them, shape ``[n]``, float64, adding up to 1.

    Raises:
        ValueError: there are not enough updates.
    """
    count, size = updates.shape
    require_enough("trimmed-mean", "2f + 1", trimmed, 2 * trimmed + 1, count)
    wanted = slice(trimmed, count - trimmed)
    groups = [UNWANTED] * trimmed + [0] * (count - 2 * trimmed) + [UNWANTED] * trimmed
    mean, credit = updates.new_empty(size), Credit(count, updates)
    for columns, block, ranks in arranged(updates, groups):
        mean[columns] = mean_of(ranks[wanted])
        credit.add(block, ranks[wanted])
    return mean, credit.total / size


def median(updates: Tensor) -> tuple[Tensor, Tensor]:
    """The median of each column of `updates` (shape ``[n, d]``): as `trimmed_mean` returns it."""
    return trimmed_mean(updates, (len(updates) - 1) // 2)


def mean_of(kept: Tensor) -> Tensor:
    """The mean of each column of `kept` (shape ``[k, b]``), computed in float32 at least.

    A few columns at a time, so that one thread does it: see `GRAIN`.
    """
    precision = torch.promote_types(kept.dtype, torch.float32)
    parts = torch.split(kept, max(GRAIN // len(kept), 1), dim=1)
    return torch.cat([_finite_mean(part, precision) for part in parts])


def _finite_mean(part: Tensor, precision: torch.dtype) -> Tensor:
    """The mean of each column of finite entries, which is finite even where their sum is not."""
    found = part.mean(dim=0, dtype=precision)
    return found if bool(found.isfinite().all()) else (part.double() / len(part)).sum(dim=0).to(precision)


class Median(Rule):
    """The coordinate-wise median; of an even number, the mean of the middle two."""

    def aggregate(self, received: Received) -> Aggregate:
        """See `Rule.aggregate`."""
        return Aggregate(*median(received.updates))


class TrimmedMean(Rule):
    """The coordinate-wise mean without the f largest and the f smallest entries.

    Attributes:
        f: how many entries to leave out at each end, at least the number of Byzantine clients.
    """

    f: NonNegativeInt

    @property
    def minimum(self) -> int:
        """At least one entry has to be left: 2f + 1."""
        return 2 * self.f + 1

    def aggregate(self, received: Received) -> Aggregate:
        """See `Rule.aggregate`.

        Raises:
            ValueError: there are fewer than `minimum` updates.
        """
        return Aggregate(*trimmed_mean(received.updates, self.f))
