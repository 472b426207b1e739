"""Reaches that rules declare: whatever malicious clients send, the aggregate is within, and comes to every side."""

from collections.abc import Sequence

import pytest
import torch
from helpers.received import apply, column, normal, received
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences.coordinate_wise import Median, TrimmedMean
from fedlens.defences.geometric_median import GeometricMedian
from fedlens.defences.krum import Krum
from fedlens.defences.mean import Mean
from fedlens.defences.norm_clipping import NormClipping
from fedlens.defences.reach import Ball, Box, PullRegion, Reach
from fedlens.defences.rule import Received, Rule

RULES = ["median", "trimmed-mean", "norm-clipping", "geometric-median"]
SCALES = torch.tensor([-1e30, -3.0, 0.0, 0.5, 2.0, 1e30]).double()

few = settings(max_examples=25)


@st.composite
def rounds(draw: st.DrawFn, name: str) -> tuple[Rule, Received, list[int]]:
    """A rule below its breakdown, and a round in which some rows are malicious: near, far, beyond, or all that."""
    seed, count = draw(st.integers(0, 10_000)), draw(st.integers(3, 8))
    trimmed, generator = (count - 1) // 2, torch.Generator().manual_seed(seed)
    malicious = draw(st.integers(1, count - 1 if name == "norm-clipping" else trimmed))
    rows = torch.randperm(count, generator=generator)[:malicious].tolist()
    updates = normal(seed, count, draw(st.integers(1, 4)))
    chosen = torch.randint(len(SCALES), (malicious, updates.shape[1]), generator=generator)
    updates[rows] *= SCALES[chosen if draw(st.booleans()) else chosen[:, :1]]
    rule: Rule = Median()
    if name == "trimmed-mean":
        rule = TrimmedMean(f=draw(st.integers(malicious, trimmed)))
    if name == "norm-clipping":
        rule = NormClipping(max_norm=draw(st.sampled_from([0.1, 1.0, 5.0])), noise=draw(st.sampled_from([0.0, 0.3])))
    alpha = normal(seed + 1, count).abs() + 0.01
    alpha /= alpha.sum()
    if name == "geometric-median":
        rule = GeometricMedian(weighted=draw(st.booleans()), steps=100_000)
        assume(not rule.weighted or float(alpha[rows].sum()) < 0.49)
    return rule, received(updates, alpha, seed=seed), rows


def reach_of(rule: Rule, seen: Received, malicious: Sequence[int]) -> Reach:
    found = rule.reach(seen, malicious)
    assert found is not None
    return found


def outside(reach: Reach, point: Tensor) -> float:
    """How far a point is outside, by its farthest entry."""
    return float((reach.nearest(point) - point).abs().max())


def with_rows(seen: Received, rows: Sequence[int], values: Tensor | float) -> Received:
    updates = seen.updates.clone()
    updates[list(rows)] = values
    return Received(updates, seen.alpha, seen.layout, seen.address)


@pytest.mark.parametrize("name", RULES)
@few
@given(st.data())
def test_whatever_is_sent_the_aggregate_is_within(name: str, data: st.DataObject) -> None:
    """And the reach is the same, whatever was sent."""
    rule, seen, malicious = data.draw(rounds(name))
    reach = reach_of(rule, seen, malicious)
    assert outside(reach, rule.aggregate(seen).update) <= 1e-9
    other, way = reach_of(rule, with_rows(seen, malicious, 0.0), malicious), normal(3, seen.updates.shape[1])
    torch.testing.assert_close(reach.farthest(way), other.farthest(way))


@pytest.mark.parametrize("name", RULES)
@few
@given(st.data())
def test_rows_that_are_left_out_lead_nowhere_else(name: str, data: st.DataObject) -> None:
    """As a server leaves out what is not finite, and lets the others' weights add up to 1."""
    rule, seen, malicious = data.draw(rounds(name))
    reach, out = reach_of(rule, seen, malicious), malicious[: data.draw(st.integers(1, len(malicious)))]
    rest = [row for row in range(len(seen.updates)) if row not in out]
    assume(len(rest) >= rule.minimum)
    alpha = seen.alpha[rest] / seen.alpha[rest].sum()
    left = Received(seen.updates[rest], alpha, seen.layout, seen.address)
    assert outside(reach, rule.aggregate(left).update) <= 1e-9


@few
@given(st.data())
def test_a_ball_is_reached_in_any_direction(data: st.DataObject) -> None:
    """To within 1 % of its radius; rows as long as M, in the same direction, do it."""
    rule, seen, malicious = data.draw(rounds("norm-clipping"))
    assert isinstance(rule, NormClipping)
    reach = reach_of(rule, seen, malicious)
    assert isinstance(reach, Ball)
    way = normal(5, seen.updates.shape[1])
    sent = with_rows(seen, malicious, 7 * rule.max_norm * way / way.norm())
    found = rule.aggregate(sent).update - reach.centre
    assert float(found @ way / way.norm()) >= 0.99 * reach.radius > 0


@few
@given(st.data())
def test_a_region_of_pulls_is_reached_at_its_border(data: st.DataObject) -> None:
    """By malicious rows that lie, as seen from there, where the honest pull comes from a point opposite to them."""
    rule, seen, malicious = data.draw(rounds("geometric-median"))
    assume(seen.updates.shape[1] > 1)  # on a line, the median may be anywhere between two points
    region = reach_of(rule, seen, malicious)
    assert isinstance(region, PullRegion)
    border = region.farthest(normal(5, seen.updates.shape[1]))
    pull = region.pull(border)
    assume(float(pull.norm()) > 0.9 * region.most)  # else the border goes through an honest point, whose pull jumps
    sent = with_rows(seen, malicious, border - 3 * pull / pull.norm())
    torch.testing.assert_close(rule.aggregate(sent).update, border, atol=1e-4, rtol=1e-4)


def test_the_geometric_median_by_hand() -> None:
    """Two honest of three: one leads as far as to where both are seen at 60 degrees to the way. On a line, anywhere."""
    pair = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [9.0, 9.0]]).double()
    region = GeometricMedian().reach(received(pair), [2])
    assert region is not None
    assert region.farthest(torch.tensor([0.0, -5.0]).double()).tolist() == pytest.approx([0, -(3**-0.5)], abs=1e-5)
    line = GeometricMedian().reach(received(column(0, 1, 3, 99)), [3])
    assert line is not None
    reached = [line.farthest(torch.tensor([way]).double()).item() for way in (-1.0, 1.0)]
    assert reached == pytest.approx([0, 3], abs=1e-5)
    assert line.nearest(torch.tensor([2.0]).double()).item() == 2
    assert line.nearest(torch.tensor([7.0]).double()).item() == pytest.approx(3, abs=1e-5)


def test_a_ninth_of_what_is_proven_else_where_updates_are_orthogonal() -> None:
    """α r / √((1 − α)² − α²) from nine orthogonal updates as long as r, against one of ten."""
    updates = torch.eye(10, 12).double() * 5
    region = GeometricMedian().reach(received(updates), [9])
    assert region is not None
    way = torch.zeros(12).double()
    way[11] = 1
    radius = float((updates[0] - region.centre).norm())
    assert float(region.farthest(way)[11]) == pytest.approx(0.1 * radius / (0.81 - 0.01) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("name", RULES[:2])
@few
@given(st.data())
def test_a_box_is_reached_at_each_side(name: str, data: st.DataObject) -> None:
    rule, seen, malicious = data.draw(rounds(name))
    reach = reach_of(rule, seen, malicious)
    assert isinstance(reach, Box)
    assert bool((reach.high > reach.low).all())
    for value, side in ((-1e3, reach.low), (1e3, reach.high)):
        sent = with_rows(seen, malicious, value)
        assert float((rule.aggregate(sent).update - side).abs().max()) <= 0.01 * float((reach.high - reach.low).min())


def test_the_median_of_ten_by_hand() -> None:
    """Honest entries 1, 2, 4, 8, 16, 32, 64, 128, 256: from (8 + 16)/2 to (16 + 32)/2."""
    box = Median().reach(received(column(1, 2, 4, 8, 16, 32, 64, 128, 256, 999)), [9])
    assert box is not None
    assert (box.low.tolist(), box.high.tolist()) == ([12], [24])


def test_the_median_of_five_by_hand() -> None:
    """One malicious of five: from the second to the third of the honest 1, 2, 4, 8. Two: from the first to the last."""
    one = Median().reach(received(column(1, 2, 50, 4, 8)), [2])
    two = Median().reach(received(column(1, 2, 50, 4, 60)), [2, 4])
    assert one is not None
    assert two is not None
    assert (one.low.item(), one.high.item()) == (2, 4)
    assert (two.low.item(), two.high.item()) == (1, 4)


def test_the_trimmed_mean_by_hand() -> None:
    """Of 1, 2, 4, 9, 20, 40 and one more, f = 2: mean(2, 4, 9) to mean(4, 9, 20). Of two more: mean(1, 2, 4, 9) ..."""
    one = TrimmedMean(f=2).reach(received(column(1, 2, 4, 9, 20, 40, 0)), [6])
    two = TrimmedMean(f=2).reach(received(column(1, 2, 4, 9, 20, 40, 0, 0)), [6, 7])
    assert one is not None
    assert two is not None
    assert (one.low.item(), one.high.item()) == (5, 11)
    assert (two.low.item(), two.high.item()) == (4, 18.25)  # … to mean(4, 9, 20, 40)


def test_norm_clipping_by_hand() -> None:
    """(3, 4) is clipped to (0.6, 0.8), (0, 0.5) stays: half and a quarter of them are (0.3, 0.525). α M = 0.25."""
    updates, alpha = torch.tensor([[3.0, 4.0], [0.0, 0.5], [9.0, 9.0]]).double(), torch.tensor([0.5, 0.25, 0.25])
    ball = NormClipping(max_norm=1).reach(received(updates, alpha.double()), [2])
    assert ball.centre.tolist() == pytest.approx([0.3, 0.525])
    assert ball.radius == pytest.approx(0.25)


def test_noise_moves_the_ball() -> None:
    """The noise is the round's own: without malicious rows, the ball is the aggregate itself."""
    updates = normal(0, 3, 4)
    rule = NormClipping(max_norm=1, noise=0.5)
    ball = rule.reach(received(updates), [])
    assert (ball.radius, ball.centre.tolist()) == (0, apply(rule, updates).update.tolist())
    assert ball.centre.tolist() != NormClipping(max_norm=1).reach(received(updates), []).centre.tolist()


def test_beyond_the_breakdown_nothing_is_declared() -> None:
    updates = normal(0, 6, 2)
    assert Median().reach(received(updates), [0, 1]) is not None
    assert Median().reach(received(updates), [0, 1, 2]) is None  # f = 2 of 6
    assert TrimmedMean(f=1).reach(received(updates), [3, 5]) is None
    assert TrimmedMean(f=0).reach(received(updates), [3]) is None
    assert GeometricMedian().reach(received(updates), [0, 1]) is not None
    assert GeometricMedian().reach(received(updates), [0, 1, 2]) is None


def test_nor_where_it_is_unknown_or_everything() -> None:
    rules: list[Rule] = [Mean(), Krum(f=1)]
    assert [rule.reach(received(normal(0, 7, 2)), [6]) for rule in rules] == [None] * 2


def test_points_of_a_ball_and_a_box_by_hand() -> None:
    ball, box = Ball(torch.zeros(2), 2.0), Box(torch.tensor([0.0, -1.0]), torch.tensor([1.0, 3.0]))
    inside = torch.tensor([1.0, 1.0])
    assert ball.nearest(inside).tolist() == box.nearest(inside).tolist() == [1, 1]
    assert ball.nearest(torch.tensor([0.0, -5.0])).tolist() == [0, -2]
    assert ball.farthest(torch.tensor([3.0, 4.0])).tolist() == pytest.approx([1.2, 1.6])
    assert ball.farthest(torch.zeros(2)).tolist() == [0, 0]
    assert box.centre.tolist() == [0.5, 1]
    assert box.farthest(torch.tensor([-0.1, 0.0])).tolist() == [0, 1]
