"""Coordinate-wise rules: the median and the trimmed mean.

D. Yin, Y. Chen, K. Ramchandran, P. Bartlett, *Byzantine-Robust Distributed Learning: Towards Optimal Statistical
Rates* (ICML 2018), definitions 1 and 2. With x_(1) ≤ … ≤ x_(n) the clients' entries of a coordinate, in order:

- median: x_((n+1)/2), or for an even n the mean of the middle two, (x_(n/2) + x_(n/2+1)) / 2 (``torch.median`` gives
  the lower of them);
- trimmed mean: the mean of x_(f+1), …, x_(n−f). The paper trims a fraction β of the n entries from each end; here it is
  a number of clients, f = βn.

The median is the trimmed mean with as much trimmed as possible. Neither uses the clients' weights α_i.

A client's share is the fraction of coordinates in which its entry is averaged, divided by the number of entries
averaged. Equal entries that straddle the border share equally.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.effective_weights import EffectiveWeights
from fedlens.defences.reach import Box
from fedlens.defences.rule import Aggregate, Received, Rule, require_enough
from fedlens.kernels.order_statistics import GRAIN, grouped_columns
from fedlens.kernels.sorting_network import UNUSED

if TYPE_CHECKING:
    from torch import Tensor


def trimmed_mean(updates: Tensor, trimmed: int) -> tuple[Tensor, Tensor]:
    """Average each column without its `trimmed` smallest and as many largest entries.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        trimmed: number of entries left out at each end; less than n / 2.

    Returns:
        The means, shape ``[d]``, and each client's share in them, shape ``[n]``, float64, adding up to 1.

    Raises:
        ValueError: there are not enough updates.
    """
    count = len(updates)
    require_enough("trimmed-mean", "2f + 1", trimmed, 2 * trimmed + 1, count)
    groups = [UNUSED] * trimmed + [0] * (count - 2 * trimmed) + [UNUSED] * trimmed
    return mean_by_column(updates, groups, lambda ranks: ranks[trimmed : count - trimmed])


def trimmed_reach(updates: Tensor, trimmed: int, malicious_rows: Sequence[int]) -> Box | None:
    """Return the bounds of each column's trimmed mean, whatever the malicious rows are; ``None`` if there are none.

    With h_(1) ≤ … ≤ h_(m) the honest entries of a column and k = n − m malicious ones, of which f ≥ k are trimmed at
    each end, the bounds are

        mean(h_(f+1−k), …, h_(m−f))  and  mean(h_(f+1), …, h_(m−f+k)).

    Proof. Every x_(i) is monotone in every entry, and so is their mean: it is least if all malicious entries are at the
    lower end, and greatest at the upper end. At the lower end they are the first k of the order, so that x_(i) is
    h_(i−k) for i > k, and the ranks f+1, …, n−f that are kept are the honest f+1−k, …, n−f−k = m−f. At the upper end
    they are the last k, and x_(i) = h_(i) for i ≤ m. An end as far as h_(1) or h_(m) will do, as k ≤ f entries there
    are trimmed. The mean is continuous, and columns are free of each other: each point of the box is had, and no other.
    With k > f, one malicious entry is never trimmed, and drags the mean anywhere.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        trimmed: the number f.
        malicious_rows: rows that may be anything.
    """
    rows = list(malicious_rows)
    if len(rows) > trimmed:
        return None
    sent, honest = updates.clone(), updates[[row for row in range(len(updates)) if row not in set(rows)]]
    sent[rows] = honest.amin(dim=0)
    low, _ = trimmed_mean(sent, trimmed)
    sent[rows] = honest.amax(dim=0)
    return Box(low, trimmed_mean(sent, trimmed)[0])


def mean_by_column(
    updates: Tensor, groups: Sequence[int], choose: Callable[[Tensor], Tensor], rows: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """Average those entries of each column that `choose` takes.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        groups: the group of each rank, and
        rows: the rows to use: see `grouped_columns`.
        choose: returns k consecutive ranks, in any order, ``[k, b]``, of entries with a row for each rank.

    Returns:
        The means, shape ``[d]``, and the share of each row in them, float64, adding up to 1.
    """
    size = updates.shape[1]
    mean, averaged = updates.new_empty(size), EffectiveWeights(len(groups), updates)
    for columns, block, ranks in grouped_columns(updates, groups, rows):
        chosen = choose(ranks)
        mean[columns] = mean_of(chosen)
        averaged.add(block, chosen)
    return mean, averaged.total / size


def median(updates: Tensor) -> tuple[Tensor, Tensor]:
    """Return each column's median, and each client's share, of `updates` (shape ``[n, d]``); see `trimmed_mean`."""
    return trimmed_mean(updates, (len(updates) - 1) // 2)


def mean_of(entries: Tensor) -> Tensor:
    """Average each column of `entries` (shape ``[k, b]``), in float32 at least.

    It takes a few columns at a time, so that one thread does it: see `GRAIN`.
    """
    precision = torch.promote_types(entries.dtype, torch.float32)
    parts = torch.split(entries, max(GRAIN // len(entries), 1), dim=1)
    return torch.cat([_finite_mean(part, precision) for part in parts])


def _finite_mean(part: Tensor, precision: torch.dtype) -> Tensor:
    """Average each column of finite entries; the mean is finite even where their sum is not."""
    mean = part.mean(dim=0, dtype=precision)
    return mean if bool(mean.isfinite().all()) else (part.double() / len(part)).sum(dim=0).to(precision)


class Median(Rule):
    """The coordinate-wise median; of an even number, the mean of the middle two.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Median, Received
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.4], [9.0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> Median().aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([1.2000])
    """

    coordinatewise: ClassVar[bool] = True

    @override
    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(*median(received.updates))

    @override
    def reach(self, received: Received, malicious_rows: Sequence[int]) -> Box | None:
        """Return `trimmed_reach`, as the median trims f = ⌊(n − 1)/2⌋ entries; ``None`` if more are malicious.

        If rows are left out, the median v of the others is also that of all with v in these rows, for copies of a
        median do not move it. So it is in the box.
        """
        return trimmed_reach(received.updates, (len(received.updates) - 1) // 2, malicious_rows)


class TrimmedMean(Rule):
    """The coordinate-wise mean without the f largest and the f smallest entries.

    Attributes:
        f: number of entries to leave out at each end, at least the number of Byzantine clients.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Received, TrimmedMean
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.4], [9.0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> TrimmedMean(f=1).aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([1.2333])
    """

    coordinatewise: ClassVar[bool] = True

    f: NonNegativeInt

    @property
    def minimum(self) -> int:
        """2f + 1, so that at least one entry is left."""
        return 2 * self.f + 1

    @override
    def aggregate(self, received: Received) -> Aggregate:
        """Apply `trimmed_mean`.

        Raises:
            ValueError: there are fewer than `minimum` updates.
        """
        return Aggregate(*trimmed_mean(received.updates, self.f))

    @override
    def reach(self, received: Received, malicious_rows: Sequence[int]) -> Box | None:
        """Return `trimmed_reach`; ``None`` if more than f rows are malicious.

        If j of k malicious rows are left out, the bounds for the other k − j are means of h_(f+1−k+j), …, h_(m−f) and
        of h_(f+1), …, h_(m−f+k−j). The box's own lower bound has smaller entries besides, and its upper one larger:
        it holds them.

        Raises:
            ValueError: there are fewer than `minimum` updates.
        """
        return trimmed_reach(received.updates, self.f, malicious_rows)
