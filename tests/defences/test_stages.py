"""What holds for every stage, or for all of a kind."""

from dataclasses import replace
from random import Random

import pytest
import torch
from helpers.received import equal, normal
from helpers.staged import effective, server, staged
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.registry import BUILT_IN, describe, name_of
from fedlens.defences.adaptive_robust_clipping import AdaptiveRobustClipping
from fedlens.defences.bucketing import Bucketing
from fedlens.defences.centred_clipping import CentredClipping
from fedlens.defences.clip import Clip
from fedlens.defences.crfl import Crfl
from fedlens.defences.divide_and_conquer import DivideAndConquer
from fedlens.defences.equal_weights import EqualWeights
from fedlens.defences.fedadam import FedAdam
from fedlens.defences.fedavgm import FedAvgM
from fedlens.defences.flame import Flame, FlameFilter
from fedlens.defences.flanders import Flanders
from fedlens.defences.fldetector import FLDetector
from fedlens.defences.fltrust import FLTrust
from fedlens.defences.foolsgold import FoolsGold
from fedlens.defences.freqfed import FreqFed, FreqFedFilter
from fedlens.defences.median_clip import MedianClip
from fedlens.defences.median_noise import MedianNoise
from fedlens.defences.multi_metrics import MultiMetrics
from fedlens.defences.nearest_neighbour_mixing import NearestNeighbourMixing
from fedlens.defences.norm_clipping import norms
from fedlens.defences.rflbat import Rflbat, RflbatFilter
from fedlens.defences.robust_learning_rate import RobustLearningRate
from fedlens.defences.signguard import SignGuard
from fedlens.defences.signguard_filter import SignGuardFilter
from fedlens.defences.stage import Report, Stage, State, Updates

TOLD: list[Stage] = [
    Clip(max_norm=1.5),
    NearestNeighbourMixing(f=2),
    Bucketing(s=3),
    AdaptiveRobustClipping(f=2),
    MedianClip(),
    EqualWeights(),
]
"""Mixing of which the mixture is known."""
MIXING: list[Stage] = [*TOLD, RobustLearningRate(theta=3)]
RULES: list[Stage] = [CentredClipping(tau=1.5, iterations=2), FoolsGold(), FLTrust()]
OPTIMIZERS: list[Stage] = [FedAvgM(), FedAdam(), Crfl(sigma=0.001), MedianNoise(factor=1e-9)]
FILTERS: list[Stage] = [
    DivideAndConquer(f=2, iterations=2, entries=3),
    SignGuardFilter(share=1, variant="sim"),
    FLDetector(),
    Flanders(f=2),
    FlameFilter(),
    FreqFedFilter(),
    MultiMetrics(),
    RflbatFilter(references=3),
]
WHOLE: list[Stage] = [SignGuard(share=1), Flame(noise=0), FreqFed(), Rflbat(references=3)]
"""Whole methods."""
ASKING = {"deepsight", "deepsight-filter"}
"""Stages that ask the model, and have tests of their own."""
ALL = [*FILTERS, *WHOLE, *MIXING, *RULES, *OPTIMIZERS]

counts = st.integers(5, 9)
seeds = st.integers(0, 2**32)
few = settings(max_examples=25)


def each(stages: list[Stage]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stage", stages, ids=lambda stage: str(describe("stage", stage)))


def passed(stage: Stage, rows: Tensor, state: State | None = None) -> tuple[Updates, State, Report]:
    """What leaves the stage, of whose server the root update is one in the direction of (1, …, 1)."""
    root = torch.full((rows.shape[1],), 0.5, dtype=rows.dtype)
    return staged(stage, rows, state=state, root=root)


def fitting(stage: Stage, rows: Tensor) -> Tensor:
    """The rows; for an optimizer, their mean."""
    return rows.mean(dim=0, keepdim=True) if stage.kind == "optimizer" else rows


def test_every_stage_is_tested_here() -> None:
    assert {name_of("stage", stage) for stage in ALL} | ASKING == BUILT_IN["stage"].keys()


@each(ALL)
def test_it_leaves_as_many_rows_as_its_kind_says(stage: Stage) -> None:
    left = passed(stage, fitting(stage, normal(0, 9, 5)))[0].rows
    if stage in FILTERS:
        assert (stage.kind, 0 < len(left) <= 9) == ("filter", True)
        return
    assert left.shape == (3 if stage == Bucketing(s=3) else 9 if stage in MIXING else 1, 5)
    assert stage.kind == ("mixing" if stage in MIXING else "rule" if stage in [*RULES, *WHOLE] else "optimizer")


@each([*FILTERS, *TOLD, *RULES])
@given(seed=seeds, count=counts)
@few
def test_the_rows_are_what_the_mixture_says(stage: Stage, seed: int, count: int) -> None:
    """In the first round: later, the aggregate before has a part in what centred clipping leaves."""
    updates = normal(seed, count, 5) + 1
    left, _, _ = passed(stage, updates)
    assert left.mixture is not None
    assert left.mixture.dtype == left.weights.dtype == torch.float64
    torch.testing.assert_close(left.mixture @ updates, left.rows)
    torch.testing.assert_close(effective(left) @ updates, left.weights @ left.rows)
    assert float(left.weights.sum()) == pytest.approx(1)


@each([stage for stage in [*MIXING, *RULES] if not isinstance(stage, Bucketing)])
@given(seed=seeds, count=counts, random=st.randoms())
@few
def test_the_order_of_the_clients_does_not_matter(stage: Stage, seed: int, count: int, random: Random) -> None:
    updates = normal(seed, count, 5) + 1
    order = list(range(count))
    random.shuffle(order)
    left, shuffled = passed(stage, updates)[0], passed(stage, updates[order])[0]
    rows = left.rows[order] if stage in MIXING else left.rows
    torch.testing.assert_close(shuffled.rows, rows, rtol=0, atol=1e-7)
    if left.mixture is not None:
        torch.testing.assert_close(effective(shuffled), effective(left)[order], rtol=0, atol=1e-7)


@each(ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_keep_their_type_and_nothing_is_written_to(stage: Stage, dtype: torch.dtype) -> None:
    rows = fitting(stage, normal(0, 9, 300, dtype=dtype))
    kept = rows.clone()
    state: State | None = None
    for _ in range(2):
        left, after, _ = passed(stage, rows, state)
        before = {name: tensor.clone() for name, tensor in after.tensors.items()}
        exact, _, _ = passed(stage, rows.double(), state)
        assert left.rows.dtype == dtype
        assert torch.equal(rows, kept)
        tolerance = 0.05 if dtype.itemsize == 2 else 1e-5
        if stage not in [*FILTERS, *WHOLE]:
            torch.testing.assert_close(left.rows.double(), exact.rows, rtol=0, atol=tolerance)
        again, _, _ = passed(stage, rows, after)
        assert all(torch.equal(after.tensors[name], tensor) for name, tensor in before.items())
        assert again.rows.shape == left.rows.shape
        state = after


@each(ALL)
def test_whether_it_may_write_into_the_rows_changes_no_bit(stage: Stage) -> None:
    rows = fitting(stage, normal(0, 9, 300, dtype=torch.float32))
    left, _, _ = passed(stage, rows)
    owned = replace(Updates.received(rows.clone(), equal(len(rows))), owned=True)
    at_hand = replace(server(*rows.shape, root=torch.full((300,), 0.5)), lengths=norms(rows))
    again, _, _ = stage.apply(owned, at_hand, stage.init(at_hand.layout))
    assert torch.equal(left.rows, again.rows)


@each(ALL)
def test_what_it_keeps_is_not_a_part_of_what_it_was_given(stage: Stage) -> None:
    """Else a server that reuses its buffer for updates would change the state."""
    rows = fitting(stage, normal(0, 9, 5))
    left, state, _ = passed(stage, rows)
    kept = [*state.tensors.values(), *(tensor for client in state.clients.values() for tensor in client.values())]
    before = [tensor.clone() for tensor in kept]
    rows.zero_()
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(kept, before, strict=True))
    assert left.rows.shape[1] == 5


@each(ALL)
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("value", [0.0, 0.25])
def test_clients_who_agree(stage: Stage, count: int, value: float) -> None:
    """Mixing leaves the update; so does a rule, unless it is there to distrust agreement, or has nothing to go by."""
    if count < stage.needed(1):
        return
    rows = fitting(stage, torch.full((count, 4), value))
    left, _, report = passed(stage, rows)
    assert bool(left.rows.isfinite().all())
    skips = (isinstance(stage, FoolsGold) and count > 1 and value > 0) or (isinstance(stage, FLTrust) and value == 0)
    assert (report.skipped is not None) == skips
    assert stage not in FILTERS or len(left.rows) == count
    if stage in TOLD or (isinstance(stage, CentredClipping | FoolsGold | FedAvgM) and not skips):
        torch.testing.assert_close(left.rows, torch.full_like(left.rows, value))


@each([*FILTERS, *WHOLE, *MIXING, *RULES, FedAdam(), Crfl()])
@pytest.mark.parametrize(("dtype", "value"), [(torch.float32, 1e38), (torch.float32, 3.4e38), (torch.float64, 1e300)])
def test_a_long_update_leaves_everything_finite(stage: Stage, dtype: torch.dtype, value: float) -> None:
    rows = normal(3, 9, 40, dtype=dtype)
    rows[3] = value * normal(4, 40, dtype=dtype).sign()
    rows, state = fitting(stage, rows), None
    for _ in range(3):
        left, state, _ = passed(stage, rows, state)
        assert bool(left.rows.isfinite().all())
        assert left.mixture is None or bool(left.mixture.isfinite().all())
        kept = [*state.tensors.values(), *(tensor for client in state.clients.values() for tensor in client.values())]
        assert all(bool(tensor.isfinite().all()) for tensor in kept)
    if stage in RULES:
        assert float(left.rows.abs().max()) < (1e-9 + 4 if not isinstance(stage, FoolsGold | FreqFed) else value)


@each(ALL)
def test_as_few_updates_as_it_needs_are_enough(stage: Stage) -> None:
    for following in (1, 3):
        count = 1 if stage.kind == "optimizer" else stage.needed(following)
        left = passed(stage, normal(0, count, 5))[0].rows
        assert bool(left.isfinite().all())
        assert stage.kind != "mixing" or len(left) >= following


@each(FILTERS)
@given(seed=seeds, random=st.randoms())
@few
def test_who_is_flagged_is_so_in_any_order_and_at_any_scale(stage: Stage, seed: int, random: Random) -> None:
    updates = normal(seed, 9, 5) + 1
    order = list(range(9))
    random.shuffle(order)
    _, _, report = passed(stage, updates)
    _, _, other = passed(stage, 1e30 * updates[order])
    assert report.scores is not None
    assert report.flagged is not None
    assert other.flagged is not None
    torch.testing.assert_close(other.scores, report.scores[order])
    assert torch.equal(other.flagged, report.flagged[order])


def test_of_a_stage_that_averages_an_update_has_the_weight_that_it_announced() -> None:
    alpha = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    for stage in [*MIXING, *RULES]:
        if stage.averages:
            left, _, _ = staged(stage, normal(0, 4, 5).sign() / 10, alpha)
            torch.testing.assert_close(effective(left), alpha)
    averaging = {name_of("stage", stage) for stage in [*MIXING, *RULES, *OPTIMIZERS] if stage.averages}
    assert averaging == {"clip", "bucketing", "median-noise"}
    assert all(stage.averages for stage in FILTERS)  # who passes has the weight of the average
