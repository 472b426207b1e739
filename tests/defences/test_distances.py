from itertools import combinations
from math import inf, sqrt
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.defences.detector import Inspection, Verdict
from fedlens.defences.distance_ranges import DistanceCheck, benign_ranges, gaps, others_ranges, own_ranges, plain_ranges

seeds = st.integers(0, 2**32)


def inspect(updates: Tensor, margin: float = 0) -> Verdict:
    count, size = updates.shape
    alpha = torch.full((count,), 1 / count, dtype=torch.float64)
    return DistanceCheck(margin=margin).inspect(Inspection(1, torch.zeros(size), updates, alpha, Layout(())))


def normal(count: int, size: int, seed: int) -> Tensor:
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def on_a_line(*places: float) -> Tensor:
    """The distances between points on a line, exactly."""
    points = torch.tensor(places, dtype=torch.float64)
    return (points[:, None] - points).abs()


def test_ranges_by_hand() -> None:
    distances = on_a_line(0, 1, 2, 3, 10)
    # e.g. the client at 10 is 10, 9, 8 and 7 away from the others, who are 1, 2 or 3 apart
    assert own_ranges(distances).tolist() == [[1, 10], [1, 9], [1, 8], [1, 7], [7, 10]]
    assert others_ranges(distances).tolist() == [[1, 9], [1, 10], [1, 10], [1, 10], [1, 3]]


def test_gaps_by_hand() -> None:
    distances = on_a_line(0, 1, 2, 3, 10)
    # own least - others' greatest, others' least - own greatest:  1-9, 1-10;  1-10, 1-9;  1-10, 1-8;  1-10, 1-7;
    # 7-3, 1-10; the larger of the two, divided by the greatest distance, 10
    expected = [-0.8, -0.8, -0.7, -0.6, 0.4]
    assert gaps(own_ranges(distances), others_ranges(distances)).tolist() == pytest.approx(expected)


def test_the_verdict_by_hand() -> None:
    verdict = inspect(torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0]]))
    assert verdict.scores.tolist() == pytest.approx([-0.8, -0.8, -0.7, -0.6, 0.4], abs=1e-5)
    assert verdict.flagged.tolist() == [False] * 4 + [True]
    assert verdict.details["range"][4] == pytest.approx([7, 10], rel=1e-5)
    assert verdict.details["others"][4] == pytest.approx([1, 3], rel=1e-5)


def test_a_client_nearer_to_all_than_they_are_to_each_other_is_outside_too() -> None:
    # corners 2 e_i are √8 apart; their centre is √(1.5² + 3 · 0.5²) = √3 from each
    updates = torch.cat([2 * torch.eye(4), torch.full((1, 4), 0.5)])
    verdict = inspect(updates)
    assert verdict.scores.tolist() == pytest.approx([(sqrt(3) - sqrt(8)) / sqrt(8)] * 4 + [1 - sqrt(3 / 8)], abs=1e-6)
    assert verdict.flagged.tolist() == [False] * 4 + [True]


def test_ranges_that_touch_are_not_disjoint() -> None:
    distances = on_a_line(0, 1, 2, 3, 6)
    own, others = own_ranges(distances), others_ranges(distances)
    assert (own[4].tolist(), others[4].tolist()) == ([3, 6], [1, 3])
    assert gaps(own, others)[4] == 0
    verdict = inspect(torch.tensor([0.0, 1, 2, 3, 6], dtype=torch.float64)[:, None])
    assert (float(verdict.scores[4]), bool(verdict.flagged[4])) == (0, False)


def test_the_margin_is_a_share_of_the_greatest_distance() -> None:
    updates = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0]])
    assert inspect(updates, margin=0.39).flagged.tolist() == [False] * 4 + [True]
    assert not inspect(updates, margin=0.41).flagged.any()


def brute_force(distances: Tensor, out: int) -> list[float]:
    rest = [client for client in range(len(distances)) if client != out]
    apart = [float(distances[pair]) for pair in combinations(rest, 2)]
    return [min(apart, default=inf), max(apart, default=-inf)]


@given(st.integers(1, 9), seeds, st.integers(1, 20))
def test_the_others_ranges_are_those_of_all_pairs(count: int, seed: int, values: int) -> None:
    # few different values, so that ties between pairs and within rows are common
    drawn = torch.randint(values, (count, count), generator=torch.Generator().manual_seed(seed)).double()
    distances = drawn.triu(1) + drawn.triu(1).T
    assert others_ranges(distances).tolist() == [brute_force(distances, out) for out in range(count)]


def test_ranges_leave_the_distances_as_they_are() -> None:
    distances = on_a_line(0, 1, 2, 3, 10)
    kept = distances.clone()
    own_ranges(distances), others_ranges(distances)
    assert torch.equal(distances, kept)


@given(st.integers(5, 9), seeds, st.randoms())
def test_the_order_of_the_clients_does_not_matter(count: int, seed: int, random: Random) -> None:
    updates = normal(count, 3, seed)
    order = random.sample(range(count), count)
    before, after = inspect(updates), inspect(updates[order])
    torch.testing.assert_close(after.scores, before.scores[order], rtol=0, atol=1e-9)


@given(st.integers(5, 9), seeds, st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_neither_scale_nor_a_common_shift_matters(count: int, seed: int, factor: float, shift: float) -> None:
    updates = normal(count, 3, seed)
    scores = inspect(updates).scores
    torch.testing.assert_close(inspect(updates * factor).scores, scores, rtol=0, atol=1e-9)
    torch.testing.assert_close(inspect(updates + shift).scores, scores, rtol=0, atol=1e-9)


@given(st.integers(5, 9), seeds)
def test_scores_are_positive_exactly_where_the_ranges_are_disjoint(count: int, seed: int) -> None:
    verdict = inspect(normal(count, 2, seed))
    for score, flagged, own, others in zip(
        verdict.scores.tolist(), verdict.flagged.tolist(), *verdict.details.values(), strict=True
    ):
        disjoint = own[0] > others[1] or own[1] < others[0]
        assert (score > 0) == flagged == disjoint
        assert -1 <= score <= 1


def test_a_boosted_update_is_flagged_and_an_honest_one_is_not() -> None:
    updates = normal(10, 1000, 0)
    assert not inspect(updates).flagged.any()
    updates[3] *= 10
    assert inspect(updates).flagged.nonzero().tolist() == [[3]]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_clients_are_not_judged(count: int) -> None:
    updates = torch.arange(count)[:, None] ** 3.0
    verdict = inspect(updates)
    assert verdict.scores.tolist() == [0] * count
    assert not verdict.flagged.any()


def test_without_a_pair_there_is_no_range() -> None:
    assert inspect(torch.ones(1, 2)).details == {"range": [[]], "others": [[]]}
    two = inspect(torch.tensor([[0.0], [2.0]])).details
    assert two == {"range": [[2, 2], [2, 2]], "others": [[], []]}
    three = inspect(torch.tensor([[0.0], [1.0], [3.0]])).details
    assert three["range"] == [pytest.approx(pair) for pair in ([1, 3], [1, 2], [2, 3])]
    assert three["others"] == [pytest.approx(pair) for pair in ([2, 2], [3, 3], [1, 1])]


@pytest.mark.parametrize("row", [[0.0, 0.0], [0.1, -7.3]])
def test_equal_updates_are_not_flagged(row: list[float]) -> None:
    verdict = inspect(torch.tensor(row).expand(6, 2))
    assert verdict.scores.tolist() == [0] * 6
    assert not verdict.flagged.any()


def test_one_that_differs_from_equal_ones_has_the_highest_score() -> None:
    updates = torch.zeros(6, 2)
    updates[0, 0] = 1e-3
    verdict = inspect(updates)  # the others lie 0 apart, or 0 to 0.001 where it is among them
    assert verdict.scores.tolist() == [1, -1, -1, -1, -1, -1]
    assert verdict.flagged.tolist() == [True] + [False] * 5


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_margins_are_shares(margin: float) -> None:
    with pytest.raises(ConfigError, match="margin"):
        validate(DistanceCheck, {"margin": margin})


def test_distances_of_several_attackers_are_those_from_benign_updates() -> None:
    points = torch.tensor([[0.0], [10.0], [1.0], [10.5], [3.0]])
    assert benign_ranges(points, [1, 3]).flatten().tolist() == pytest.approx([1, 3, 7, 10, 7.5, 10.5])
    [among, *own] = plain_ranges(benign_ranges(points, [0, 1, 3, 4]))
    assert among == []
    assert own == [pytest.approx([place, place]) for place in (1, 9, 9.5, 2)]
    assert benign_ranges(points[:2], [0, 1]).tolist() == [[inf, -inf]] * 3
