import numpy as np
import pytest
import torch
from helpers.received import normal
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlens.defences.clusters import density_clusters, majority_heights

seeds = st.integers(0, 2**32)


def test_by_hand() -> None:
    """On a line at 0, 1, 3, 3.5 and 9: 3 and 3.5 join at .5, 0 and 1 at 1, both at 2, and 9 at 5.5."""
    points = torch.tensor([0.0, 1.0, 3.0, 3.5, 9.0])
    assert majority_heights((points[:, None] - points).abs()).tolist() == [2, 2, 2, 2, 5.5]


def test_of_few_none_is_apart() -> None:
    """One is a majority from the start, and two are one as soon as they join, at 3."""
    assert majority_heights(torch.zeros(1, 1)).tolist() == [0]
    assert majority_heights(torch.tensor([[0.0, 3.0], [3.0, 0.0]])).tolist() == [3, 3]


def test_the_last_digits_of_distances_may_differ() -> None:
    """As those of [i, j] and [j, i] do, and of each row from itself."""
    distances = torch.tensor([[1e-17, 1.0, 2.0], [1 + 1e-15, 0.0, 3.0], [2.0, 3.0, 0.0]], dtype=torch.float64)
    assert majority_heights(distances).tolist() == pytest.approx([1, 1, 2])


def test_dense_clusters_by_hand() -> None:
    """Two groups of three and a loner; there is no cluster of all, so that two alone are two clusters."""
    points = torch.tensor([0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 50.0])
    distances = (points[:, None] - points).abs().double()
    before = distances.clone()
    found = density_clusters(distances, 3, 1)
    assert torch.equal(distances, before)
    assert found == [found[0]] * 3 + [found[3]] * 3 + [found[6]]
    assert len(set(found)) == 3
    assert density_clusters(torch.zeros(0, 0), 2, 1) == []
    assert density_clusters(torch.zeros(1, 1), 2, 1) == [0]
    assert len(set(density_clusters(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 2, 1))) == 2


def test_rows_at_the_same_distance_come_along() -> None:
    """At 0, 1, 2, 3 and 10: 0 to 3 join at the same height, whichever three of them are first."""
    points = torch.tensor([10.0, 0.0, 1.0, 2.0, 3.0])
    assert majority_heights((points[:, None] - points).abs()).tolist() == [7, 1, 1, 1, 1]
    assert majority_heights(torch.zeros(5, 5)).tolist() == [0] * 5


@given(seed=seeds, count=st.integers(3, 30), apart=st.floats(0, 4))
@settings(max_examples=40, deadline=None)
def test_the_same_as_hdbscan(seed: int, count: int, apart: float) -> None:
    from sklearn.cluster import HDBSCAN

    points = normal(seed, count, 3)
    points[: count // 3] += apart
    distances = torch.cdist(points, points).fill_diagonal_(0)
    distances = (distances + distances.T) / 2
    clustering = HDBSCAN(
        min_cluster_size=count // 2 + 1, min_samples=1, metric="precomputed", allow_single_cluster=True, copy=True
    )
    labels = clustering.fit_predict(distances.numpy())
    heights = majority_heights(distances).numpy()
    np.testing.assert_array_equal(heights > heights.min(), labels < 0)
