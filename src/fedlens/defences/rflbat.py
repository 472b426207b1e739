"""RFLBAT: look at updates along their two principal components, and keep the group that is least alike.

Y. Wang, D.-H. Zhan, Y. Zhao, Y. Xia, *RFLBAT: A Robust Federated Learning Algorithm against Backdoor Attack* (2022,
arXiv 2201.03772), whose steps and defaults are from memory. Of the points x_i that principal component analysis makes
of the n updates in two dimensions, with D_i = Σ_j ‖x_i − x_j‖:

1. drop updates with D_i > ε₁ · median(D), ε₁ = 10;
2. divide the others by k-means, with as many groups as the gap statistic says (R. Tibshirani, G. Walther, T. Hastie,
   Journal of the Royal Statistical Society B 63, 2001): the least k with Gap(k) ≥ Gap(k + 1) − s_{k+1};
3. keep the group with the least similarity, the median of its members' mean cosines with each other: attackers share a
   goal, and honest clients differ;
4. within that, drop updates with D_i > ε₂ · median(D), ε₂ = 4, both over the group alone.

Δ is the mean of what is left: `rflbat` is all of this, `rflbat-filter` the four steps, which `equal-weights` and `mean`
follow there.

- The points come from distances of all pairs, by classical scaling; they are those of principal component analysis.
- A group of one has the similarity 1, so that a loner is not what is kept. Where points are equal, there are no more
  groups than distinct points.
- Reference sets for the gap statistic are drawn from the box around the points, and k-means starts from points far
  apart.
- A row's score is the distance of its point from the mean of those accepted, in units of the accepted's median; there
  is no boundary that is the same in every round.
- It sees single updates, needs no number of attackers and keeps nothing. It assumes that attackers' updates are a group
  in two dimensions, and more alike than the honest ones are. Whoever deviates where honest updates vary little has no
  part in the two components, and passes. It limits no lengths. Of one or two updates none is rejected.
- In 30 rounds without attack, of ten updates drawn from a normal distribution, it rejected none. But where attackers
  are a tight group, the gap statistic often divides the honest as well, of whom all but one group are then rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.defences.composed import Composed
from fedlens.defences.equal_weights import EqualWeights
from fedlens.defences.filter import Filter
from fedlens.defences.links import Link
from fedlens.defences.mean import Mean
from fedlens.defences.moderate import moderate
from fedlens.defences.stage import Report, Server, State, Updates
from fedlens.defences.two_means import gap
from fedlens.kernels.cosine_distances import cosine_distances
from fedlens.kernels.pairwise import squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

DECIMALS = 7
"""Points that agree in as many digits of the longer side of the box around them are the same."""


def principal_points(rows: Tensor) -> NDArray[np.float64]:
    """Return the two principal components of `rows` (shape ``[n, d]``), shape ``[n, 2]``; each up to its sign."""
    squares = squared_distances(rows).cpu().numpy()
    means = squares.mean(axis=0)
    values, vectors = np.linalg.eigh((means[:, None] + means - squares - means.mean()) / 2)
    order = [-1, -2][: len(values)]
    points = np.zeros((len(rows), 2))
    points[:, : len(order)] = vectors[:, order] * np.sqrt(np.maximum(values[order], 0))
    return points


def far_out(points: NDArray[np.float64], factor: float) -> NDArray[np.bool_]:
    """Tell whose sum of distances from all others is above `factor` times the median, of `points` ``[n, 2]``."""
    sums = np.linalg.norm(points[:, None] - points, axis=2).sum(axis=1)
    far: NDArray[np.bool_] = sums > factor * np.median(sums)
    return far


def groups(points: NDArray[np.float64], most: int, references: int, address: Address) -> NDArray[np.int64]:
    """Divide `points` (shape ``[n, 2]``) by k-means into as many groups as the gap statistic says.

    Args:
        points: in any order, which makes no difference.
        most: the largest number of groups.
        references: how many sets of points are drawn to compare with.
        address: where draws begin.

    Returns:
        The group of each, shape ``[n]``.
    """
    order = np.lexsort(points.T)
    placed = points[order] - points.min(axis=0)
    placed = np.round(placed / (placed.max(initial=0) or 1), DECIMALS)
    drawn = address.generator().random((references, *placed.shape)) * placed.max(axis=0)
    labels, within = _means(placed, 1)
    so_far, _ = gap(within, np.array([_means(one, 1)[1] for one in drawn]))
    for count in range(2, min(most, len(np.unique(placed, axis=0))) + 1):
        more, within = _means(placed, count)
        following, deviation = gap(within, np.array([_means(one, count)[1] for one in drawn]))
        if so_far >= following - deviation:
            break
        labels, so_far = more, following
    found = np.empty_like(labels)
    found[order] = labels
    return found


def _means(points: NDArray[np.float64], count: int) -> tuple[NDArray[np.int64], float]:
    """Return the groups of k-means, shape ``[n]``, and the sum of squares within them.

    It starts from the point farthest from the mean, and then always from the one farthest from those chosen.
    """
    from scipy.cluster.vq import kmeans, vq

    distances = np.linalg.norm(points - points.mean(axis=0), axis=1)
    chosen: list[int] = []
    while count > 1 and len(chosen) < count:
        chosen.append(int(distances.argmax()))
        distances = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
    centres = kmeans(points, points[chosen])[0] if chosen else points.mean(axis=0)[None]
    labels, apart = vq(points, centres)
    return labels.astype(np.int64), float((apart**2).sum())


def similarity(cosines: NDArray[np.float64]) -> float:
    """Return the median of the mean cosines of each member of a group with the others (``[m, m]``); 1 of one member."""
    count = len(cosines)
    if count == 1:
        return 1.0
    return float(np.median((cosines.sum(axis=1) - np.diag(cosines)) / (count - 1)))


class RflbatFilter(Filter):
    """RFLBAT's filter: keep the group of updates that is least alike along the two principal components.

    Attributes:
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.
        far: of how many times the median an update's sum of distances is too large (ε₁).
        far_within: the same within the group that is kept (ε₂).
        most_groups: the largest number of groups.
        references: how many sets of points are drawn to find their number.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import RflbatFilter, Server, State, Updates
        >>> sent = torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.1, 0.0], [0.9, 0.2], [1, 9], [1, 9.1], [1, 9.2]])
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> server = Server(1, torch.zeros(2), layout, (0, 1, 2, 3, 4, 5, 6), Address.root(0))
        >>> RflbatFilter().apply(Updates.received(sent, torch.ones(7).double() / 7), server, State())[2].flagged
        tensor([False, False, False, False,  True,  True,  True])
    """

    far: PositiveFloat = 10.0
    far_within: PositiveFloat = 4.0
    most_groups: int = Field(default=5, ge=2)
    references: PositiveInt = 10

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        rows = moderate(updates.rows)
        points = principal_points(rows)
        left = np.flatnonzero(~far_out(points, self.far))
        labels = groups(points[left], self.most_groups, self.references, server.address.at("groups"))
        cosines = 1 - cosine_distances(rows).cpu().numpy()
        members = [left[labels == label] for label in np.unique(labels)]
        kept = min(members, key=lambda group: similarity(cosines[np.ix_(group, group)]))
        kept = kept[~far_out(points[kept], self.far_within)]
        distances = np.linalg.norm(points - points[kept].mean(axis=0), axis=1)
        scores = distances / (np.median(distances[kept]) or distances.max() or 1)
        flagged = np.ones(len(rows), dtype=bool)
        flagged[kept] = False
        device = updates.rows.device
        return Report(torch.from_numpy(scores).to(device), torch.from_numpy(flagged).to(device)), state


class Rflbat(Composed):
    """RFLBAT: the mean of the group of updates that is least alike along the two principal components.

    Attributes:
        action: ``reject`` drops what the filter flags; ``observe`` keeps all, and records scores and decisions.
        far: of how many times the median an update's sum of distances is too large (ε₁).
        far_within: the same within the group that is kept (ε₂).
        most_groups: the largest number of groups.
        references: how many sets of points are drawn to find their number.

    Example:
        >>> from fedlens.defences import Chain
        >>> Chain.of("rflbat").names
        ['rflbat-filter', 'equal-weights', 'mean']
    """

    action: Literal["reject", "observe"] = "reject"
    far: PositiveFloat = 10.0
    far_within: PositiveFloat = 4.0
    most_groups: int = Field(default=5, ge=2)
    references: PositiveInt = 10

    @override
    def stages(self) -> tuple[Link, ...]:
        return RflbatFilter(**dict(self)), EqualWeights(), Mean()
