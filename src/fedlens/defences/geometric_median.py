"""The geometric median: the point whose sum of distances to the updates is least.

K. Pillutla, S. M. Kakade, Z. Harchaoui, *Robust Aggregation for Federated Learning* (IEEE Transactions on Signal
Processing 2022; RFA), algorithm 2, the smoothed Weiszfeld algorithm: with z the aggregate and ν a small length,

    β_i = 1 / max(ν, ‖δ_i − z‖),    z ← Σ β_i δ_i / Σ β_i,

begun at the mean. Smoothing defines the step where z meets an update; in the sum that is minimised, it replaces a
distance r below ν by r²/(2ν) + ν/2.

Deviations from the source:

- The clients count equally, where RFA weighs them by their numbers of samples: a client that could choose its α_i would
  be a majority by itself. ``weighted=True`` is RFA's.
- RFA stops after a few steps, as each takes a round of messages. Here z is only the weights w with z = Σ w_i δ_i,
  and distances come from the updates' inner products, ‖δ_i − z‖² = G_ii − 2 (Gw)_i + wᵀGw. Steps are cheap, and go on
  until the gradient of the mean distance is shorter than `tolerance`. Its length is at most 1 whatever the updates'
  scale, and no outlier can make it small, as it can the relative change of the sum.
- G is taken about the update with the least sum of distances to the others, from which the result is not far away.
  About the mean, an outlier's own length would drown the distances between the others. Without outliers, G comes from
  the distances computed to choose that update; otherwise, from the updates again.

Its reach (`fedlens.defences.rule.Rule.reach`) follows from the gradient, which is zero at the aggregate: there, the
pulls of the honest clients add up to what the malicious ones pull against them, no longer than their share α of the
weights. If that is below 1/2, only some points are left (`fedlens.defences.reach.PullRegion`), each of which a
malicious client can have if it knows the others' updates. That is much less than the ball that is usually proven (S.
Minsker, *Geometric median and robust estimation in Banach spaces*, Bernoulli 2015, lemma 2.1), of r (1 − α) / √(1 − 2α)
about any point within r of the others' updates: of one client in ten that is all of r, where a ninth of it is left if
updates are as good as orthogonal. It holds where the steps end at the tolerance, by which the region is larger.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import PositiveFloat, PositiveInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.reach import PullRegion
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.kernels.pairwise import alike, products, products_from, squared_distances
from fedlens.kernels.weighted_sums import weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

HALF = 0.5
"""Whoever has so much of the weights can have the aggregate anywhere."""
FARTHEST = 1e140
"""The squares of longer distances overflow float64."""

_log = logging.getLogger("fedlens")


def weiszfeld(gram: Tensor, alpha: Tensor, smoothing: float, tolerance: float, steps: int) -> tuple[Tensor, bool]:
    """Compute the weights of the geometric median of points.

    Args:
        gram: the points' inner products about any origin, shape ``[n, n]``, float64.
        alpha: how much each point counts, shape ``[n]``, float64, adding up to 1.
        smoothing: distances below this are smoothed (ν).
        tolerance: stop once the gradient of the mean distance is no longer than this.
        steps: maximum number of steps.

    Returns:
        The weights, shape ``[n]``, adding up to 1, and whether the tolerance was reached.
    """
    weights, along = alpha, gram @ alpha
    for _ in range(steps):
        squares = gram.diagonal() - 2 * along + weights @ along
        pull = alpha / squares.clamp(min=0).sqrt().clamp(min=smoothing)
        before, weights = weights, pull / pull.sum()
        before_along, along = along, gram @ weights
        moved = ((weights - before) @ (along - before_along)).clamp(min=0).sqrt()
        if float(moved * pull.sum()) <= tolerance:
            return weights, True
    return weights, False


def geometric_median(
    updates: Tensor, alpha: Tensor, smoothing: float, tolerance: float, steps: int
) -> tuple[Tensor, Tensor, bool]:
    """Compute the point with the least weighted sum of distances to the rows of `updates`.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        alpha: how much each client counts, shape ``[n]``, float64, adding up to 1.
        smoothing: see `weiszfeld`.
        tolerance: see `weiszfeld`.
        steps: see `weiszfeld`.

    Returns:
        The point, shape ``[d]``, the weights that it is made with, shape ``[n]``, adding up to 1 unless an update is
        farther away than `FARTHEST`, and whether the tolerance was reached.
    """
    if updates.dtype == torch.float64 and float(updates.abs().max()) > FARTHEST:
        within = (FARTHEST / updates.abs().amax(dim=1)).clamp(max=1)  # of more distant updates, only directions count
        point, weights, reached = geometric_median(updates * within[:, None], alpha, smoothing, tolerance, steps)
        return point, weights * within, reached
    squares = squared_distances(updates)
    origin = int((squares.sqrt() @ alpha).argmin())
    gram = products_from(squares, origin) if alike(squares) else products(updates, origin)
    weights, reached = weiszfeld(gram, alpha, smoothing, tolerance, steps)
    return weighted_sum(weights, updates), weights, reached


class GeometricMedian(Rule):
    """The geometric median: the point with the least sum of distances to the updates.

    Attributes:
        weighted: True if a client counts by its number of samples, False if all count equally.
        smoothing: the distance below which a client's pull no longer grows (ν).
        tolerance: stop once the gradient of the mean distance, of length 1 at most, is no longer than this.
        steps: maximum number of steps; a warning tells when it is reached.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import GeometricMedian, Received
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.4], [9.0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> GeometricMedian().aggregate(Received(updates, alpha, layout, Address.root(0))).update.round(decimals=2)
        tensor([1.2000])
    """

    weighted: bool = False
    smoothing: PositiveFloat = 1e-6
    tolerance: PositiveFloat = 1e-8
    steps: PositiveInt = 1000

    @override
    def aggregate(self, received: Received) -> Aggregate:
        update, weights, reached = self._of(received.updates, self._counting(received))
        if not reached:
            _log.warning("geometric-median: tolerance not reached in %d steps; the last one is used", self.steps)
        return Aggregate(update, weights)

    @override
    def reach(self, received: Received, malicious_rows: Sequence[int]) -> PullRegion | None:
        """Return where honest pulls are no longer than the malicious rows' weights; ``None`` if these are a half.

        Args:
            received: as in `aggregate`.
            malicious_rows: the rows of its updates that may be anything finite.
        """
        alpha = self._counting(received)
        if (most := float(alpha[list(malicious_rows)].sum()) + self.tolerance) >= HALF:
            return None
        honest = [row for row in range(len(alpha)) if row not in set(malicious_rows)]
        points, counting = received.updates[honest], alpha[honest]
        centre, _, _ = self._of(points, counting / counting.sum())
        return PullRegion(points, counting, most, self.smoothing, centre)

    def _counting(self, received: Received) -> Tensor:
        """Return how much each client counts, shape ``[n]``."""
        return received.alpha if self.weighted else torch.full_like(received.alpha, 1 / len(received.alpha))

    def _of(self, updates: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor, bool]:
        return geometric_median(updates, alpha, self.smoothing, self.tolerance, self.steps)
