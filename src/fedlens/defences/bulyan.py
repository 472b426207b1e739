"""Bulyan: choose updates by iterated Krum, then average each coordinate's entries nearest to their median.

E. M. El Mhamdi, R. Guerraoui, S. Rouault, *The Hidden Vulnerability of Distributed Learning in Byzantium* (ICML 2018),
section 4. With f Byzantine clients of n ≥ 4f + 3:

1. θ = n − 2f times, the update that Krum would choose among those left is taken out and selected;
2. of each coordinate of the θ selected updates, the β = θ − 2f entries nearest to their median are averaged.

Krum among m updates counts m − f − 2 neighbours, which is below 1 for the last ones, so that all scores would be 0. At
least one neighbour is counted here. With one, the nearest two updates have the same score: distances to further
neighbours break ties, and only then the clients' order.

Of an even number, the median is the mean of the middle two; of entries that are equally near to it, the smaller is
taken. The clients' weights α_i are ignored.

A client's share is the fraction of coordinates in which its entry was averaged, divided by β. Equal entries share
equally.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.coordinate_wise import mean_by_column, mean_of
from fedlens.defences.krum import to_others
from fedlens.defences.moderate import raised
from fedlens.defences.rule import Aggregate, Received, Rule, require_enough
from fedlens.kernels.pairwise import squared_distances

if TYPE_CHECKING:
    from torch import Tensor


def bulyan(updates: Tensor, f: int) -> tuple[Tensor, Tensor]:
    """Average each column's entries nearest to the median, of the updates that iterated Krum chooses.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        f: number of Byzantine clients.

    Returns:
        The means, shape ``[d]``, and each client's share in them, shape ``[n]``, float64, adding up to 1.

    Raises:
        ValueError: there are fewer than 4f + 3 updates.
    """
    count = len(updates)
    require_enough("bulyan", "4f + 3", f, 4 * f + 3, count)
    rows = iterated_krum(squared_distances(raised(updates)), f, count - 2 * f)
    averaged = len(rows) - 2 * f
    mean, of_rows = mean_by_column(updates, range(len(rows)), lambda ranks: nearest_to_median(ranks, averaged), rows)
    shares = torch.zeros(count, dtype=torch.float64, device=updates.device)
    shares[rows] = of_rows
    return mean, shares


def iterated_krum(squares: Tensor, f: int, count: int) -> list[int]:
    """Choose `count` updates, one after the other, by Krum among those that are left.

    Args:
        squares: squared distances between the updates, shape ``[n, n]``.
        f: number of Byzantine clients.
        count: number to choose; at most n.

    Returns:
        Their indices, in the order in which they were chosen.
    """
    left, chosen = list(range(len(squares))), []
    for _ in range(count):
        others = to_others(squares[left][:, left])
        scores = others[:, : max(len(left) - f - 2, 1)].sum(dim=1)
        best = (scores == scores.min()).nonzero()[:, 0].tolist()
        chosen.append(left.pop(min(best, key=lambda row: others[row].tolist())))
    return chosen


def nearest_to_median(ranks: Tensor, count: int) -> Tensor:
    """Return the `count` entries of each column that are nearest to its median.

    They are consecutive ranks: from the smallest on, an entry is replaced by the one `count` ranks above as long as
    that is nearer.

    Args:
        ranks: the columns' entries in order, a row for each rank, shape ``[n, b]``.
        count: number of entries to return.

    Returns:
        The nearest entries of each column, in any order, shape ``[count, b]``.
    """
    middle = mean_of(ranks[(len(ranks) - 1) // 2 : len(ranks) // 2 + 1])
    if ranks.dtype != torch.float64 and not bool((ranks[-1] - ranks[0]).isfinite().all()):
        return nearest_to_median(ranks.double(), count).to(ranks)
    nearest = ranks[:count].clone()
    for rank, higher in enumerate(ranks[count:]):
        nearer = higher - middle < middle - ranks[rank]
        nearest[rank % count] = torch.where(nearer, higher, nearest[rank % count])
    return nearest


class Bulyan(Rule):
    """Bulyan: iterated Krum, then each coordinate's mean around the median.

    Attributes:
        f: number of Byzantine clients that the rule assumes.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Bulyan, Received
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.3], [1.4], [1.5], [9.0]]), torch.ones(7).double() / 7
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> Bulyan(f=1).aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([1.3000])
    """

    f: NonNegativeInt

    @property
    def minimum(self) -> int:
        """The paper's 4f + 3."""
        return 4 * self.f + 3

    @override
    def aggregate(self, received: Received) -> Aggregate:
        """Apply `bulyan`.

        Raises:
            ValueError: there are fewer than `minimum` updates.
        """
        return Aggregate(*bulyan(received.updates, self.f))
