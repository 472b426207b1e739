"""Bulyan: choose updates by iterated Krum, then average each coordinate's entries nearest to their median.

E. M. El Mhamdi, R. Guerraoui, S. Rouault, *The Hidden Vulnerability of Distributed Learning in Byzantium* (ICML 2018),
section 4. With f Byzantine clients of n ≥ 4f + 3:

1. θ = n − 2f times, the update that Krum would choose among those that are left is taken out and kept;
2. of each coordinate of the θ kept updates, the β = θ − 2f entries nearest to their median are averaged.

Krum among m updates counts m − f − 2 neighbours, which is below 1 for the last ones, so that all scores would be 0. At
least one neighbour is counted here. Where one counts, the nearest two updates have the same score: among equal scores
the distances to further neighbours decide, lest the clients' order should, which comes last.

Of an even number, the median is the mean of the middle two; of entries that are equally near to it, the smaller is
taken. The clients' weights α_i are not looked at.

A client's share is the fraction of coordinates in which its entry was averaged, divided by β. Equal entries have equal
parts in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt

from fedlens.core.lazy import torch
from fedlens.defences.coordinate_wise import mean_of
from fedlens.defences.effective_weights import Credit
from fedlens.defences.krum import to_others
from fedlens.defences.rule import Aggregate, Received, Rule, require_enough
from fedlens.kernels.order_statistics import arranged
from fedlens.kernels.pairwise import squared_distances

if TYPE_CHECKING:
    from torch import Tensor


def bulyan(updates: Tensor, f: int) -> tuple[Tensor, Tensor]:
    """The mean of each column's entries nearest to the median, of the updates that iterated Krum chooses.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        f: number of Byzantine clients.

    Returns:
        The means, shape ``[d]``, and each client's share in them, shape ``[n]``, float64, adding up to 1.

    Raises:
        ValueError: there are fewer than 4f + 3 updates.
    """
    count, size = updates.shape
    require_enough("bulyan", "4f + 3", f, 4 * f + 3, count)
    rows = iterated_krum(squared_distances(updates), f, count - 2 * f)
    mean, credit = updates.new_empty(size), Credit(len(rows), updates)
    for columns, block, ranks in arranged(updates, range(len(rows)), rows):
        kept = nearest_to_median(ranks, len(rows) - 2 * f)
        mean[columns] = mean_of(kept)
        credit.add(block, kept)
    shares = torch.zeros(count, dtype=torch.float64, device=updates.device)
    shares[rows] = credit.total / size
    return mean, shares


def iterated_krum(squares: Tensor, f: int, count: int) -> list[int]:
    """Choose `count` updates, one after the other, by Krum among those that are left.

    Args:
        squares: squared distances between the updates, shape ``[n, n]``.
        f: number of Byzantine clients.
        count: how many to choose; at most n.

    Returns:
        Their indices, in the order in which they were chosen.
    """
    left, chosen = list(range(len(squares))), []
    for _ in range(count):
        others = to_others(squares[left][:, left])
        scores = others[:, : max(len(left) - f - 2, 1)].sum(dim=1)
        best = (scores == scores.min()).nonzero()[:, 0].tolist()
        chosen.append(left.pop(min(best, key=lambda place: others[place].tolist())))
    return chosen


def nearest_to_median(ranks: Tensor, count: int) -> Tensor:
    """The `count` entries of each column that are nearest to its median.

    They are neighbours in order: from the smallest ones on, an entry makes room for the one `count` ranks above it as
    long as that one is nearer.

    Args:
        ranks: the columns' entries in order, a row for each rank, shape ``[n, b]``.
        count: how many to keep.

    Returns:
        What was kept of each column, in any order, shape ``[count, b]``.
    """
    middle = mean_of(ranks[(len(ranks) - 1) // 2 : len(ranks) // 2 + 1])
    if ranks.dtype != torch.float64 and not bool((ranks[-1] - ranks[0]).isfinite().all()):
        return nearest_to_median(ranks.double(), count).to(ranks)
    kept = ranks[:count].clone()
    for rank, higher in enumerate(ranks[count:]):
        nearer = higher - middle < middle - ranks[rank]
        kept[rank % count] = torch.where(nearer, higher, kept[rank % count])
    return kept


class Bulyan(Rule):
    """Bulyan: iterated Krum, then each coordinate's mean around the median.

    Attributes:
        f: number of Byzantine clients that the rule assumes.
    """

    f: NonNegativeInt

    @property
    def minimum(self) -> int:
        """The paper's 4f + 3."""
        return 4 * self.f + 3

    def aggregate(self, received: Received) -> Aggregate:
        """See `Rule.aggregate`.

        Raises:
            ValueError: there are fewer than `minimum` updates.
        """
        return Aggregate(*bulyan(received.updates, self.f))
