"""Finite updates of any length: every rule and check does its sums so that they neither overflow nor underflow."""

import pytest
import torch
from helpers.received import apply, equal, layout, normal, received
from torch import Tensor

from fedlens.core.registry import BUILT_IN, describe, name_of
from fedlens.defences.bulyan import Bulyan
from fedlens.defences.coordinate_wise import Median, TrimmedMean
from fedlens.defences.detector import Detector, Inspection
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.geometric_median import GeometricMedian
from fedlens.defences.krum import Krum, KrumAuthors, MultiKrum
from fedlens.defences.mean import Mean
from fedlens.defences.nearest_neighbour_mixing import nearest_neighbours
from fedlens.defences.norm_clipping import NormClipping, norms
from fedlens.defences.rule import Rule
from fedlens.defences.update_statistics import StatisticsCheck
from fedlens.kernels.pairwise import squared_distances
from fedlens.kernels.weighted_sums import weighted_sum

ROBUST: list[Rule] = [
    Krum(f=1),
    Krum(f=1, squared=False),
    KrumAuthors(f=1),
    MultiKrum(f=1),
    Median(),
    TrimmedMean(f=1),
    GeometricMedian(),
    Bulyan(f=1),
    NormClipping(max_norm=1),
]
LENGTHS = [(torch.float32, 1e38), (torch.float32, 3.4e38), (torch.float64, 1e38), (torch.float64, 1e300)]


def with_one(dtype: torch.dtype, value: float, count: int = 9, size: int = 40) -> Tensor:
    """Honest updates of normal entries, of which the fourth is replaced by one as long as that, of both signs."""
    updates = normal(3, count, size, dtype=dtype)
    updates[3] = value * normal(4, size, dtype=dtype).sign()
    return updates


def each(rules: list[Rule]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rule", rules, ids=lambda rule: str(describe("aggregation", rule)))


def test_every_rule_is_tested_here() -> None:
    assert {name_of("aggregation", rule) for rule in [*ROBUST, Mean()]} == set(BUILT_IN["aggregation"])


@each(ROBUST)
@pytest.mark.parametrize(("dtype", "value"), LENGTHS, ids=str)
def test_one_long_update_leaves_a_robust_rule_near_the_others(rule: Rule, dtype: torch.dtype, value: float) -> None:
    found = apply(rule, with_one(dtype, value))
    assert found.update.dtype == dtype
    assert float(found.update.abs().max()) < 4
    assert found.shares is not None
    assert bool(found.shares.isfinite().all())
    assert float(found.shares[3]) < 0.12


@each(ROBUST)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_how_long_it_is_makes_no_difference(rule: Rule, dtype: torch.dtype) -> None:
    long, longest = (apply(rule, with_one(dtype, value)).update for value in (1e30, 1e38))
    torch.testing.assert_close(long, longest, rtol=1e-3, atol=1e-3)


@each([Krum(f=1), Krum(f=1, squared=False), KrumAuthors(f=1), MultiKrum(f=1, m=3), Bulyan(f=1)])
@pytest.mark.parametrize(("dtype", "scale"), [(torch.float32, 2.0**-100), (torch.float64, 2.0**-1000)], ids=str)
def test_who_is_nearest_does_not_depend_on_the_unit(rule: Rule, dtype: torch.dtype, scale: float) -> None:
    """Of squares that are all 0, the first would be the nearest; a power of two rounds nothing."""
    updates = normal(4, 9, 40, dtype=dtype)
    assert torch.equal(apply(rule, updates * scale).update / scale, apply(rule, updates).update)


def test_mixing_does_not_depend_on_the_unit() -> None:
    for dtype, scale in ((torch.float32, 2.0**-100), (torch.float64, 2.0**-1000)):
        updates = normal(4, 9, 40, dtype=dtype)
        assert torch.equal(nearest_neighbours(updates * scale, 2), nearest_neighbours(updates, 2))


def test_what_is_not_finite_has_no_finite_length() -> None:
    assert norms(torch.tensor([[1.0, torch.inf], [3.0, 4.0]], dtype=torch.float64)).tolist() == [torch.inf, 5]


def test_a_clipped_update_has_the_largest_norm_however_long_it_was() -> None:
    for dtype, value in LENGTHS:
        alone = with_one(dtype, value)[3:4]
        clipped = apply(NormClipping(max_norm=0.01), alone).update
        assert float(clipped.norm()) == pytest.approx(0.01, rel=1e-5)
        assert float(norms(alone)[0]) == pytest.approx(value * 40**0.5, rel=1e-6)


def test_the_mean_is_the_mean() -> None:
    updates = torch.zeros(4, 5)
    updates[0], updates[1] = 3e38, 3e38  # whose sum is no float32
    assert apply(Mean(), updates).update.tolist() == pytest.approx([1.5e38] * 5)
    assert apply(TrimmedMean(f=0), updates).update.tolist() == pytest.approx([1.5e38] * 5)
    assert apply(Median(), updates[:2]).update.tolist() == pytest.approx([3e38] * 5)


def test_bulyan_finds_what_is_near_among_the_farthest() -> None:
    far = torch.tensor([-3e38, -1.0, 0.0, 1.0, 2.0, 3.0, 3e38])[:, None]
    assert float(apply(Bulyan(f=1), far).update[0]) == pytest.approx(1, abs=1)


def test_weights_too_small_for_float32_count() -> None:
    updates = torch.stack([torch.full((3,), 1e38), torch.ones(3)])
    weights = torch.tensor([3e-39, 0.5], dtype=torch.float64)
    assert weighted_sum(weights, updates).tolist() == pytest.approx([0.8] * 3, rel=1e-6)


def test_distances_of_the_others_are_as_before() -> None:
    updates = with_one(torch.float32, 3e38)
    honest = [row for row in range(9) if row != 3]
    squares = squared_distances(updates)
    expected = torch.cdist(updates[honest].double(), updates[honest].double()).square()
    torch.testing.assert_close(squares[honest][:, honest], expected, rtol=1e-5, atol=0)
    assert bool(squares.isfinite().all())
    assert float(squares[3, 0]) == pytest.approx(40 * 9e76, rel=1e-6)


@pytest.mark.parametrize("check", [DistanceCheck(), StatisticsCheck()], ids=lambda check: type(check).__name__)
@pytest.mark.parametrize("value", [1e30, 1e38, 3.4e38])
def test_checks_see_nothing_but_who_it_is(check: Detector, value: float) -> None:
    updates = with_one(torch.float32, value)
    seen = Inspection(1, torch.zeros(40), updates, equal(9), layout(40))
    verdict = check.inspect(seen)
    assert bool(verdict.scores.isfinite().all())
    assert verdict.flagged.tolist() == [row == 3 for row in range(9)]


def test_rules_with_a_minimum_say_so_as_before() -> None:
    with pytest.raises(ValueError, match="needs n >="):
        Krum(f=3).aggregate(received(with_one(torch.float32, 1e38, count=5)))
