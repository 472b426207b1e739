"""What holds for every rule, or for all of a kind."""

from random import Random

import pytest
import torch
from helpers.received import apply, column, equal, normal, shares
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.registry import BUILT_IN, describe, name_of
from fedlens.defences.bulyan import Bulyan, bulyan
from fedlens.defences.coordinate_wise import Median, TrimmedMean, trimmed_mean
from fedlens.defences.geometric_median import GeometricMedian
from fedlens.defences.krum import Krum, KrumAuthors, MultiKrum, krum_scores
from fedlens.defences.mean import Mean
from fedlens.defences.norm_clipping import NormClipping
from fedlens.defences.rule import Rule
from fedlens.experiment.experiment import Experiment

COMBINING: list[Rule] = [
    Mean(),
    Krum(f=2),
    KrumAuthors(f=2),
    MultiKrum(f=2),
    MultiKrum(f=1, m=3, squared=False, neighbours="n-f-1"),
    GeometricMedian(),
]
COORDINATEWISE: list[Rule] = [Median(), TrimmedMean(f=2), Bulyan(f=2)]
CLIPPING = NormClipping(max_norm=1.5)
ALL = [*COMBINING, *COORDINATEWISE, CLIPPING]
EQUIVARIANT = [*COMBINING, *COORDINATEWISE]
TOLERANT: list[Rule] = [*COMBINING[1:], *COORDINATEWISE]

counts = st.integers(11, 14)
seeds = st.integers(0, 2**32)
few = settings(max_examples=25)


def each(rules: list[Rule]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rule", rules, ids=lambda rule: str(describe("aggregation", rule)))


def test_every_rule_is_tested_here() -> None:
    assert {name_of("aggregation", rule) for rule in ALL} == set(BUILT_IN["aggregation"])


@each(ALL)
@given(seed=seeds, count=counts, random=st.randoms())
@few
def test_the_order_of_the_clients_does_not_matter(rule: Rule, seed: int, count: int, random: Random) -> None:
    updates = normal(seed, count, 5)
    order = list(range(count))
    random.shuffle(order)
    torch.testing.assert_close(apply(rule, updates[order]).update, apply(rule, updates).update, rtol=0, atol=1e-7)
    torch.testing.assert_close(shares(rule, updates[order]), shares(rule, updates)[order], rtol=0, atol=1e-7)


@each(EQUIVARIANT)
@given(seed=seeds, count=counts, shift=st.floats(-100, 100))
@few
def test_what_all_clients_add_is_added(rule: Rule, seed: int, count: int, shift: float) -> None:
    updates = normal(seed, count, 5)
    offset = shift * normal(seed + 1, 5)
    moved, before = apply(rule, updates + offset), apply(rule, updates)
    torch.testing.assert_close(moved.update, before.update + offset, rtol=0, atol=1e-6)


@each(EQUIVARIANT)
@given(seed=seeds, count=counts, factor=st.floats(0.1, 10), mirror=st.booleans())
@few
def test_what_all_clients_scale_is_scaled(rule: Rule, seed: int, count: int, factor: float, mirror: bool) -> None:
    updates = normal(seed, count, 5)
    factor = -factor if mirror else factor
    scaled, before = apply(rule, updates * factor), apply(rule, updates)
    torch.testing.assert_close(scaled.update, before.update * factor, rtol=0, atol=1e-5)


@each(COMBINING)
@given(seed=seeds, count=counts)
@few
def test_the_update_is_what_the_shares_say(rule: Rule, seed: int, count: int) -> None:
    updates = normal(seed, count, 5)
    aggregate = apply(rule, updates)
    assert aggregate.shares is not None
    torch.testing.assert_close(aggregate.shares @ updates, aggregate.update)


@each(EQUIVARIANT)
@given(seed=seeds, count=counts, size=st.sampled_from([0, 1, 1e6]))
@few
def test_shares_add_up_to_one(rule: Rule, seed: int, count: int, size: float) -> None:
    found = shares(rule, normal(seed, count, 5) * size)
    assert found.dtype == torch.float64
    assert float(found.sum()) == pytest.approx(1)
    assert bool((found >= 0).all())


def test_clipped_shares_add_up_to_less() -> None:
    assert float(shares(CLIPPING, normal(0, 8, 50)).sum()) < 0.5


@each(ALL)
def test_clients_who_agree_get_what_they_want(rule: Rule) -> None:
    update = normal(0, 5) / 10
    torch.testing.assert_close(apply(rule, update.repeat(12, 1)).update, update)


@each(ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_updates_keep_their_type_and_stay_as_they_are(rule: Rule, dtype: torch.dtype) -> None:
    updates, alpha = normal(0, 12, 300, dtype=dtype), equal(12)
    kept = updates.clone(), alpha.clone()
    update = apply(rule, updates, alpha).update
    assert update.dtype == dtype
    assert torch.equal(updates, kept[0])
    assert torch.equal(alpha, kept[1])
    exact = apply(rule, updates.double()).update
    torch.testing.assert_close(update.double(), exact, rtol=0, atol=0.05 if dtype.itemsize == 2 else 1e-5)


@each(ALL)
def test_as_few_updates_as_it_says_are_enough(rule: Rule) -> None:
    assert torch.isfinite(apply(rule, normal(0, rule.minimum, 5)).update).all()


def test_one_update_less_is_told() -> None:
    with pytest.raises(ValueError, match=r"^krum needs n >= 2f \+ 3 updates: f = 2 needs 7, got 6$"):
        krum_scores(normal(0, 6, 5), 2)
    with pytest.raises(ValueError, match=r"^trimmed-mean needs n >= 2f \+ 1 updates: f = 2 needs 5, got 4$"):
        trimmed_mean(normal(0, 4, 5), 2)
    with pytest.raises(ValueError, match=r"^bulyan needs n >= 4f \+ 3 updates: f = 2 needs 11, got 10$"):
        bulyan(normal(0, 10, 5), 2)


@each([rule for rule in ALL if rule.minimum > 1])
def test_rules_refuse_one_update_less_than_they_need(rule: Rule) -> None:
    with pytest.raises(ValueError, match=rf"needs {rule.minimum}, got {rule.minimum - 1}$"):
        apply(rule, normal(0, rule.minimum - 1, 5))


@pytest.mark.parametrize("name", ["krum", "krum-authors", "multi-krum", "trimmed-mean", "bulyan"])
def test_f_has_to_be_told(name: str) -> None:
    with pytest.raises(ValueError, match=r"aggregation\.f is required"):
        Experiment.model_validate({"aggregation": name})


@each(TOLERANT)
@given(seed=seeds, count=counts, size=st.floats(2, 12), colluding=st.booleans())
@few
def test_a_few_far_away_updates_cannot_pull_the_result_out(
    rule: Rule, seed: int, count: int, size: float, colluding: bool
) -> None:
    """Two of at least eleven; the benign ones lie within 0.1 of a point, and so does what the rule makes of them."""
    updates = normal(seed, 5) + 0.1 * (2 * torch.rand(count, 5, generator=_generator(seed), dtype=torch.float64) - 1)
    benign = updates[[row for row in range(count) if row not in {1, 6}]]
    evil = 10**size * normal(seed + 1, 1 if colluding else 2, 5)
    updates[[1, 6]] = evil
    low, high = benign.amin(dim=0), benign.amax(dim=0)
    allowed = 0.2 if isinstance(rule, GeometricMedian) else 1e-9
    update = apply(rule, updates).update
    assert bool((update >= low - allowed).all())
    assert bool((update <= high + allowed).all())
    assert not _inside(apply(Mean(), updates).update, low, high)


@given(seed=seeds, count=st.integers(1, 15), size=st.floats(-3, 6))
def test_fewer_than_half_cannot_pull_the_median_out(seed: int, count: int, size: float) -> None:
    byzantine = (count - 1) // 2
    updates = normal(seed, count, 5)
    updates[:byzantine] *= 10**size
    benign = updates[byzantine:]
    for rule in (Median(), TrimmedMean(f=byzantine)):
        assert _inside(apply(rule, updates).update, benign.amin(dim=0), benign.amax(dim=0))


@each([Krum(f=3), KrumAuthors(f=3), MultiKrum(f=3)])
@given(seed=seeds, count=st.integers(9, 12), size=st.floats(2, 6), colluding=st.booleans())
@few
def test_krum_chooses_none_of_the_byzantine_updates(
    rule: Rule, seed: int, count: int, size: float, colluding: bool
) -> None:
    updates = normal(seed, count, 20)
    updates[:3] = 10**size * normal(seed + 1, 1 if colluding else 3, 20)
    assert shares(rule, updates)[:3].tolist() == [0, 0, 0]


def test_a_majority_has_its_way() -> None:
    """The other side: a rule that is told of too few Byzantine clients is overcome."""
    updates = column(0, 0.1, -0.1, 0.2, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6)
    for rule in (Krum(f=2), MultiKrum(f=2), Median(), TrimmedMean(f=2), Bulyan(f=2), GeometricMedian()):
        assert float(apply(rule, updates).update) > 1e5


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _inside(update: Tensor, low: Tensor, high: Tensor) -> bool:
    return bool((update >= low).all() and (update <= high).all())
