"""Distance ranges: does a client lie outside the others' distances from each other?

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3 and figure 3: with
d_ij = ‖δ_i − δ_j‖ (L2), client i has the range [min_j d_ij, max_j d_ij], the others have the range of d_jk over all
pairs j, k ≠ i; client i is anomalous if the two are disjoint. If i is the malicious client, the others' range is
that of the pairwise distances among benign updates, and the two are the paper's figure.

The score is the gap between the ranges (below 0 where they overlap) as a share of the greatest distance of the round,
so that updates may shrink over the rounds. It is ours; the paper only tells whether there is a gap.

How often the paper's criterion accuses an honest client depends on their number n. In many dimensions d_ij² is close
to s_i + s_j with independent s_i; then two of three clients are always anomalous, one of four, and there is one in
about 55 % of rounds with n = 5, 32 % with 6, 12 % with 8, 5 % with 10 and 0.3 % with 20 (simulated, normal s_i).
Deviation: fewer than five clients are therefore not judged.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.over import Over, over_entries
from fedlens.kernels.pairwise import squared_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

FEWEST = 5


def own_ranges(distances: Tensor) -> Tensor:
    """Return the least and the greatest distance of each client from another one.

    Args:
        distances: of every two clients, symmetric, shape ``[n, n]``.

    Returns:
        Shape ``[n, 2]``; infinite for a single client.
    """
    diagonal = torch.eye(len(distances), dtype=torch.bool, device=distances.device)
    return torch.stack(
        [distances.masked_fill(diagonal, inf).amin(1), distances.masked_fill(diagonal, -inf).amax(1)], dim=1
    )


def others_ranges(distances: Tensor) -> Tensor:
    """Return the least and the greatest distance among all clients but one, for each client left out.

    Args:
        distances: of every two clients, symmetric, shape ``[n, n]``.

    Returns:
        Shape ``[n, 2]``; infinite if there are fewer than two others.
    """
    return torch.stack([-_greatest_without(-distances), _greatest_without(distances)], dim=1)


def _greatest_without(values: Tensor) -> Tensor:
    """Return the greatest off-diagonal value of ``[n, n]`` outside row and column i, for each i, in O(n²)."""
    count = len(values)
    pairs = values.clone().fill_diagonal_(-inf)
    top, columns = pairs.topk(min(2, count), dim=1)
    is_top = columns[:, :1] == torch.arange(count, device=values.device)
    without_column = torch.where(is_top, top[:, -1:], top[:, :1])
    return without_column.fill_diagonal_(-inf).amax(0)


def measure_distances(updates: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ranges of each client and of the others, of updates of shape ``[n, d]``.

    Returns:
        Those of `own_ranges` and those of `others_ranges`.
    """
    distances = squared_distances(updates).sqrt()
    return own_ranges(distances), others_ranges(distances)


def benign_ranges(updates: Tensor, attackers: Sequence[int]) -> Tensor:
    """Return the range of distances among benign updates, and that of each attacker's distances from these.

    No server can tell them: it does not know who attacks.

    Args:
        updates: shape ``[n, d]``.
        attackers: their rows.

    Returns:
        Shape ``[1 + attackers, 2]``, the range among benign updates first; infinite where there is no such pair.
    """
    distances = squared_distances(updates).sqrt()
    benign = [row for row in range(len(updates)) if row not in attackers]
    off_diagonal = ~torch.eye(len(benign), dtype=torch.bool, device=updates.device)
    among = distances[benign][:, benign][off_diagonal]
    return torch.stack([_range(among), *(_range(distances[row, benign]) for row in attackers)])


def _range(values: Tensor) -> Tensor:
    """Return the least and the greatest value; infinite if there is none."""
    return torch.stack([values.min(), values.max()]) if len(values) else values.new_tensor([inf, -inf])


def gaps(own: Tensor, others: Tensor) -> Tensor:
    """Return the gap between two ranges as a share of the greatest distance; positive exactly if they are disjoint.

    Args:
        own: of `own_ranges`, shape ``[n, 2]``, finite.
        others: of `others_ranges`, shape ``[n, 2]``, finite.

    Returns:
        Shape ``[n]``, in [-1, 1]; 0 if all updates are equal.
    """
    apart = torch.maximum(own[:, 0] - others[:, 1], others[:, 0] - own[:, 1])
    greatest = own[:, 1].max()
    return apart / greatest if greatest > 0 else torch.zeros_like(apart)


class DistanceCheck(Detector):
    """A check for updates whose distances to the others lie outside the others' distances to each other.

    Fewer than five clients all get the score 0, and none is flagged; see the module.

    Attributes:
        margin: flag a gap between the ranges above this share of the greatest distance; 0 is the paper's criterion.
        over: the entries that count: ``parameters``, ``all`` (with running statistics), ``weights`` (without biases) or
            those of the ``last-layer``.

    Example:
        >>> import torch
        >>> from fedlens import Layout
        >>> from fedlens.defences import DistanceCheck, Inspection
        >>> layout = Layout.of(torch.nn.Linear(4, 1, bias=False))
        >>> updates = torch.cat([torch.linspace(-1, 1, 20).view(5, 4), torch.full((1, 4), 9.0)])
        >>> alpha = torch.ones(6).double() / 6
        >>> DistanceCheck().inspect(Inspection(1, torch.zeros(4), updates, alpha, layout)).flagged
        tensor([False, False, False, False, False,  True])
    """

    later: ClassVar[frozenset[str]] = frozenset({"over"})

    margin: float = Field(default=0.0, ge=0, lt=1)
    over: Over = "parameters"

    @property
    @override
    def sees_buffers(self) -> bool:
        return self.over == "all"

    @property
    @override
    def boundary(self) -> float:
        return self.margin

    @override
    def inspect(self, seen: Inspection) -> Verdict:
        """Score by the gap; the details are both ranges, empty if there is no pair."""
        own, others = measure_distances(over_entries(seen.updates, seen.layout, self.over))
        scores = gaps(own, others) if len(own) >= FEWEST else torch.zeros_like(own[:, 0])
        return Verdict(scores, scores > self.boundary, {"range": plain_ranges(own), "others": plain_ranges(others)})


def plain_ranges(ranges: Tensor) -> list[list[float]]:
    """Convert ranges (shape ``[n, 2]``) for the record; infinite ones become empty."""
    return [row.tolist() if bool(row.isfinite().all()) else [] for row in ranges]
