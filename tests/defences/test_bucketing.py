import pytest
import torch
from helpers.received import column, equal, normal
from helpers.staged import effective, staged
from hypothesis import given
from hypothesis import strategies as st

from fedlens.defences.bucketing import Bucketing, buckets


def test_by_hand() -> None:
    """In the order given, two at a time: of 0, 2, 4 and 10, the means are 1 and 7."""
    matrix, weights = buckets(equal(4), torch.arange(4), 2)
    assert (matrix @ column(0, 2, 4, 10)).flatten().tolist() == [1, 7]
    assert weights.tolist() == [0.5, 0.5]


def test_updates_count_by_their_weights_and_the_last_bucket_by_what_is_in_it() -> None:
    """Clients 4, 0 and 2, 1 and then 3; 0.1 and 0.3 of 0.4 are 1/4 and 3/4."""
    weights = torch.tensor([0.3, 0.1, 0.2, 0.3, 0.1], dtype=torch.float64)
    matrix, sums = buckets(weights, torch.tensor([4, 0, 2, 1, 3]), 2)
    assert matrix.tolist() == [
        pytest.approx([3 / 4, 0, 0, 0, 1 / 4]),
        pytest.approx([0, 1 / 3, 2 / 3, 0, 0]),
        [0, 0, 0, 1, 0],
    ]
    assert sums.tolist() == pytest.approx([0.4, 0.3, 0.3])


@given(seed=st.integers(0, 2**32), count=st.integers(1, 12), size=st.integers(1, 15))
def test_the_mean_of_buckets_is_the_mean_of_updates(seed: int, count: int, size: int) -> None:
    updates, alpha = normal(seed, count, 4), normal(seed + 1, count).square() + 0.1
    alpha /= alpha.sum()
    averaged, _, _ = staged(Bucketing(s=size), updates, alpha, seed=seed)
    assert len(averaged.rows) == -(-count // size)
    torch.testing.assert_close(averaged.weights @ averaged.rows, alpha @ updates)
    torch.testing.assert_close(effective(averaged), alpha)
    assert float(averaged.weights.sum()) == pytest.approx(1)
    assert averaged.mixture is not None
    torch.testing.assert_close(averaged.mixture @ updates, averaged.rows)


def test_buckets_of_one_are_the_updates_in_another_order() -> None:
    updates = normal(0, 6, 3)
    averaged, _, _ = staged(Bucketing(s=1), updates)
    assert sorted(averaged.rows.tolist()) == sorted(updates.tolist())
    assert averaged.rows.tolist() != updates.tolist()


def test_every_update_is_in_one_bucket_whatever_the_order() -> None:
    for seed in range(20):
        averaged, _, _ = staged(Bucketing(s=3), normal(0, 7, 3), seed=seed)
        assert averaged.mixture is not None
        assert (averaged.mixture > 0).sum(dim=0).tolist() == [1] * 7


def test_the_order_is_drawn_at_the_servers_address() -> None:
    first, again, other = (staged(Bucketing(s=2), normal(0, 8, 3), seed=seed)[0].rows for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_it_needs_enough_for_as_many_buckets() -> None:
    assert [Bucketing(s=2).needed(following) for following in (1, 2, 5)] == [1, 3, 9]
    assert [len(staged(Bucketing(s=2), normal(0, count, 3))[0].rows) for count in (8, 9)] == [4, 5]
