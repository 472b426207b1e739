"""Clusters of a round's updates, from the distances of all pairs.

Single linkage joins the nearest two groups again and again. With ``min_cluster_size`` ⌊n/2⌋ + 1, ``min_samples`` 1 and
``allow_single_cluster``, HDBSCAN (R. J. G. B. Campello, D. Moulavi, J. Sander, PAKDD 2013) accepts the first group of
more than half of all and takes the rest for noise. So `majority_heights` needs no more than single linkage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def majority_heights(distances: Tensor) -> Tensor:
    """Return for each of n rows how far single linkage has to go until it is in a group of more than n / 2.

    Rows of the first such group have the least of these heights; so have those at the same distance from it.

    Args:
        distances: shape ``[n, n]``, symmetric, zeros on the diagonal.

    Returns:
        Shape ``[n]``, float64.
    """
    count = len(distances)
    heights = [0.0] * count
    if count > 1:
        from scipy.cluster.hierarchy import linkage
        from scipy.spatial.distance import squareform

        groups = {row: [row] for row in range(count)}
        waiting = set(range(count))
        merges = linkage(squareform(distances.cpu().numpy(), checks=False), "single")
        for place, (left, right, height, size) in enumerate(merges.tolist()):
            members = groups.pop(int(left)) + groups.pop(int(right))
            groups[count + place] = members
            if size > count // 2:
                for row in waiting.intersection(members):
                    heights[row] = height
                waiting.difference_update(members)
    return torch.tensor(heights, dtype=torch.float64, device=distances.device)


def density_clusters(distances: Tensor, min_cluster_size: int, min_samples: int) -> list[int]:
    """Return the cluster of each of n rows by HDBSCAN; a row that is in none has one of its own.

    Args:
        distances: shape ``[n, n]``, symmetric, zeros on the diagonal.
        min_cluster_size: the least number of rows in a cluster.
        min_samples: how many rows nearby density is measured by, the row itself not counted.
    """
    count = len(distances)
    if count < 2:
        return [0] * count
    from sklearn.cluster import HDBSCAN

    clustering = HDBSCAN(
        min_cluster_size=min_cluster_size, min_samples=min(min_samples + 1, count), metric="precomputed", copy=True
    )
    labels = clustering.fit_predict(distances.cpu().numpy())
    return [int(label) if label >= 0 else count + row for row, label in enumerate(labels)]
