import numpy as np
import pytest
import torch
from helpers.received import column, normal
from helpers.staged import effective, staged
from hypothesis import given
from hypothesis import strategies as st

from fedlens.defences.nearest_neighbour_mixing import NearestNeighbourMixing, nearest_neighbours

seeds = st.integers(0, 2**32)


def test_by_hand() -> None:
    """Three of 0, 1, 2 and 10 each: for 10, these are 10, 2 and 1."""
    mixed, _, _ = staged(NearestNeighbourMixing(f=1), column(0, 1, 2, 10))
    assert mixed.rows.flatten().tolist() == pytest.approx([1, 1, 1, 13 / 3])
    assert effective(mixed).tolist() == pytest.approx([3 / 12, 4 / 12, 4 / 12, 1 / 12])
    assert mixed.mixture is not None
    assert mixed.mixture[3].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])


def test_without_byzantine_clients_all_are_the_mean() -> None:
    mixed, _, _ = staged(NearestNeighbourMixing(f=0), normal(0, 5, 3))
    torch.testing.assert_close(mixed.rows, normal(0, 5, 3).mean(dim=0).expand(5, 3))


def test_an_update_is_its_own_neighbour_also_where_others_are_as_near() -> None:
    """Of five that are alike, with f = 2, the last takes itself and the first two."""
    matrix = nearest_neighbours(torch.ones(5, 2), 2)
    assert matrix[4].tolist() == pytest.approx([1 / 3, 1 / 3, 0, 0, 1 / 3])


@given(seed=seeds, f=st.integers(0, 3), more=st.integers(0, 5))
def test_neighbours_by_definition(seed: int, f: int, more: int) -> None:
    updates = normal(seed, 2 * f + 1 + more, 4)
    rows = updates.numpy()
    expected = []
    for row in rows:
        nearest = sorted(rows, key=lambda other, row=row: float(np.linalg.norm(other - row)))  # type: ignore[misc]
        expected.append(np.mean(nearest[: len(rows) - f], axis=0))
    mixed, _, _ = staged(NearestNeighbourMixing(f=f), updates)
    np.testing.assert_allclose(mixed.rows.numpy(), np.stack(expected), rtol=0, atol=1e-12)


@given(seed=seeds, shift=st.floats(-100, 100), factor=st.floats(-10, 10))
def test_what_all_clients_add_or_scale_is_added_and_scaled(seed: int, shift: float, factor: float) -> None:
    updates, offset, stage = normal(seed, 7, 5), shift * normal(seed + 1, 5), NearestNeighbourMixing(f=2)
    mixed = staged(stage, updates)[0].rows
    torch.testing.assert_close(staged(stage, updates + offset)[0].rows, mixed + offset, rtol=0, atol=1e-6)
    if abs(factor) > 0.01:
        torch.testing.assert_close(staged(stage, updates * factor)[0].rows, mixed * factor, rtol=0, atol=1e-6)


def test_it_needs_an_honest_majority() -> None:
    assert [NearestNeighbourMixing(f=2).needed(following) for following in (1, 5, 7)] == [5, 5, 7]
    with pytest.raises(ValueError, match=r"^nnm needs n >= 2f \+ 1 updates: f = 2 needs 5, got 4$"):
        staged(NearestNeighbourMixing(f=2), normal(0, 4, 3))
