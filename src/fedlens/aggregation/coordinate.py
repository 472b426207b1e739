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

from collections.abc import Callable

import torch
from pydantic import NonNegativeInt
from torch import Tensor

from fedlens.aggregation.network import UNWANTED, arranged
from fedlens.aggregation.rule import Aggregate, Received, Rule, require_enough


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
    wanted = range(trimmed, count - trimmed)
    mean, shares = updates.new_empty(size), torch.zeros(count, dtype=torch.float64, device=updates.device)
    for columns, ranks in arranged(updates, [0 if rank in wanted else UNWANTED for rank in range(count)]):
        kept = torch.stack([ranks[rank] for rank in wanted])
        mean[columns] = mean_of(kept)
        shares += credit(updates[:, columns], kept)
    return mean, shares / size


def median(updates: Tensor) -> tuple[Tensor, Tensor]:
    """The median of each column of `updates` (shape ``[n, d]``): as `trimmed_mean` returns it."""
    return trimmed_mean(updates, (len(updates) - 1) // 2)


def mean_of(kept: Tensor) -> Tensor:
    """The mean of each column of `kept` (shape ``[k, b]``), computed in float32 at least."""
    return kept.mean(dim=0, dtype=torch.promote_types(kept.dtype, torch.float32))


def credit(block: Tensor, kept: Tensor) -> Tensor:
    """Each row's share in the mean of what was kept of a block, summed over columns.

    Args:
        block: the entries, shape ``[n, b]``.
        kept: what was kept of each column, in any order, shape ``[k, b]``: k neighbours of the column's sorted entries.

    Returns:
        The sums of shares, shape ``[n]``, float64, adding up to b.
    """
    low, high = kept.amin(dim=0), kept.amax(dim=0)
    total = _parts(block, kept, low)
    if len(kept) > 1:
        total += _parts(block, kept, high, apart=_holds(torch.gt, high, low))
    if len(kept) > 2:
        total += _holds(torch.gt, block, low).mul_(_holds(torch.lt, block, high)).sum(dim=1)
    return total.double() / len(kept)


def _parts(block: Tensor, kept: Tensor, value: Tensor, apart: Tensor | float = 1) -> Tensor:
    """How many entries equal to `value` were kept, dealt out equally to the rows that have it, summed over columns."""
    equal = _holds(torch.eq, block, value)
    return equal @ (_holds(torch.eq, kept, value).sum(dim=0) / equal.sum(dim=0) * apart)


def _holds(relation: Callable[..., Tensor], left: Tensor, right: Tensor) -> Tensor:
    """Where `relation` holds, as ones and zeros: on a CPU, sums of these are much faster than sums of truths."""
    precision = torch.promote_types(left.dtype, torch.float32)
    return relation(left, right, out=torch.empty(left.shape, dtype=precision, device=left.device))


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
