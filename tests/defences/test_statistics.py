from math import log10, sqrt
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
from fedlens.defences.histogram import histogram
from fedlens.defences.update_statistics import (
    StatisticsCheck,
    central_width,
    comparable,
    mean_of_others,
    measure_histograms,
    measure_norms,
)

seeds = st.integers(0, 2**32)


def inspect(updates: Tensor, check: StatisticsCheck | None = None) -> Verdict:
    count, size = updates.shape
    alpha = torch.full((count,), 1 / count, dtype=torch.float64)
    seen = Inspection(1, torch.zeros(size), updates, alpha, Layout(()))
    return (check or StatisticsCheck()).inspect(seen)


def honest(count: int = 10, size: int = 20_000, seed: int = 0) -> Tensor:
    """Updates whose entries are distributed alike."""
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed)) * 0.01


def flagged(updates: Tensor) -> list[int]:
    return inspect(updates).flagged.nonzero().flatten().tolist()


A, B = [0.05, 0.05, -0.05, 0.0], [0.15, 0.15, 0.15, 0.15]


def test_statistics_by_hand() -> None:
    found = measure_norms(torch.tensor([A, B]))
    assert found.norm.tolist() == pytest.approx([sqrt(3) * 0.05, 0.3])
    assert found.lowest.tolist() == pytest.approx([-0.05, 0.15])
    assert found.highest.tolist() == pytest.approx([0.05, 0.15])
    assert found.spread.tolist() == pytest.approx([0.1, 0])
    assert found.sparsity.tolist() == [0.25, 0]


def test_histograms_by_hand() -> None:
    found = measure_histograms(torch.tensor([A, B]), bins=4, limit=0.2)
    assert found.counts.tolist() == [[0, 1, 2, 0], [0, 0, 0, 4]]
    # the means of the bins' middles are 0.05 / 3 and 0.15, and everything moves upwards
    assert found.wasserstein.tolist() == pytest.approx([0.15 - 0.05 / 3] * 2)
    assert found.typical.tolist() == pytest.approx([0.15, 0.05])


def test_what_is_compared_by_hand() -> None:
    apart = 0.15 - 0.05 / 3
    expected = torch.tensor(
        [[sqrt(3) * 0.05, 0.1, 0.25 + 0.01, apart / 0.15 + 0.01], [0.3, 1e-7, 0 + 0.01, apart / 0.05 + 0.01]]
    )
    found = comparable(measure_norms(torch.tensor([A, B])), measure_histograms(torch.tensor([A, B]), bins=4, limit=0.2))
    torch.testing.assert_close(found, expected.double().log(), rtol=1e-6, atol=1e-6)


def test_the_others_mean_counts_every_client_alike() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    assert mean_of_others(rows).tolist() == [[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]]
    assert mean_of_others(rows[:1]).tolist() == [[1, 0]]


@pytest.mark.parametrize(("size", "width"), [(1999, 1998), (2000, 1997), (4000, 3995), (1, 0)])
def test_the_central_range_leaves_out_a_2000th_on_either_side(size: int, width: int) -> None:
    entries = torch.randperm(size, generator=torch.Generator().manual_seed(0)).float()
    assert central_width(entries) == width


def test_details_and_tables_describe_every_client() -> None:
    updates = honest(count=5, size=3000)
    updates[2, :600] = 0
    updates[3, 0] = 7.5
    verdict = inspect(updates, StatisticsCheck(bins=100, limit=0.05))
    assert verdict.details["sparsity"] == [0, 0, 0.2, 0, 0]
    assert verdict.details["highest"][3] == 7.5
    assert verdict.details["norm"] == pytest.approx(updates.double().norm(dim=1).tolist())
    assert [len(row) for row in verdict.details["residuals"]] == [4] * 5
    table = verdict.tables["histogram"]
    assert table.dtype == torch.int32
    assert table.shape == (5, 100)
    assert table.sum(1).tolist() == [3000, 3000, 2400, 3000, 3000]
    assert table[3].tolist() == histogram(updates[3], 100, 0.05).tolist()


def test_honest_clients_are_rarely_flagged() -> None:
    rounds = [flagged(honest(size=4000, seed=seed)) for seed in range(100)]
    assert sum(map(bool, rounds)) <= 4


@pytest.mark.parametrize("factor", [10.0, 1.5, 0.5, -2.0])
def test_a_scaled_update_is_flagged(factor: float) -> None:
    updates = honest()
    assert flagged(updates) == []
    updates[3] *= factor
    assert flagged(updates) == [3]


def test_a_sparse_update_of_usual_norm_is_flagged() -> None:
    updates = honest()
    norm = updates[3].norm()
    updates[3, 5000:] = 0
    updates[3] *= norm / updates[3].norm()
    assert flagged(updates) == [3]


def test_a_histogram_of_another_shape_is_flagged() -> None:
    updates = honest()
    # the inner entries become ±c, where norm, spread and sparsity stay as they are
    inner = (updates[3] > updates[3].kthvalue(11).values) & (updates[3] < updates[3].kthvalue(20_000 - 10).values)
    before = inspect(updates)
    updates[3, inner] = updates[3, inner].sign() * updates[3, inner].norm() / inner.sum().sqrt()
    after = inspect(updates)
    for same in ("norm", "spread", "sparsity"):
        assert after.details[same] == pytest.approx(before.details[same])
    assert after.flagged.nonzero().tolist() == [[3]]


def test_the_threshold_is_the_expected_number_of_false_alarms() -> None:
    updates = honest(size=2000)
    updates[3] *= 1.1
    score = float(inspect(updates).scores[3])
    assert inspect(updates, StatisticsCheck(false_alarms=10 ** -(score - 0.01))).flagged[3]
    assert not inspect(updates, StatisticsCheck(false_alarms=10 ** -(score + 0.01))).flagged[3]


def test_who_is_at_the_boundary_is_not_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = honest(size=2000)
    updates[3] *= 1.1
    scores = inspect(updates).scores
    monkeypatch.setattr(StatisticsCheck, "boundary", float(scores[3]))
    assert inspect(updates).flagged.tolist() == (scores > float(scores[3])).tolist()


@given(st.integers(3, 8), seeds, st.randoms())
def test_the_order_of_the_clients_does_not_matter(count: int, seed: int, random: Random) -> None:
    updates = honest(count, 200, seed)
    order = random.sample(range(count), count)
    before, after = inspect(updates), inspect(updates[order])
    torch.testing.assert_close(after.scores, before.scores[order], rtol=0, atol=1e-6)
    assert torch.equal(after.tables["histogram"], before.tables["histogram"][order])


@given(st.integers(3, 8), seeds, st.floats(0.5, 4))
def test_what_scales_all_scales_neither_norm_nor_spread_apart(count: int, seed: int, factor: float) -> None:
    updates = honest(count, 200, seed).double()
    before, after = (torch.tensor(inspect(some).details["residuals"]) for some in (updates, updates * factor))
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_clients_are_not_flagged(count: int) -> None:
    updates = honest(count, 100)
    updates[0] *= 100
    verdict = inspect(updates)
    assert not verdict.flagged.any()
    assert verdict.scores.tolist() == pytest.approx([-log10(4 * count)] * count)


def test_a_client_that_is_alone_is_no_distance_from_the_others() -> None:
    assert inspect(honest(1, 100)).details["wasserstein"] == [0]


def test_two_honest_clients_can_tell_on_a_third_only_where_it_is_far_off() -> None:
    updates = honest(3, 1000)
    assert flagged(updates) == []
    updates[1] *= 1e30
    assert flagged(updates) == [1]


@pytest.mark.parametrize("value", [0.0, 0.3, -1e-3])
def test_equal_updates_are_not_flagged(value: float) -> None:
    verdict = inspect(torch.full((6, 50), value))
    assert not verdict.flagged.any()
    assert verdict.scores.tolist() == pytest.approx([-log10(24)] * 6)


@pytest.mark.parametrize("bins", [500, 501])
def test_an_update_of_zeros_stands_out_among_others(bins: int) -> None:
    updates = honest()
    updates[3] = 0
    verdict = inspect(updates, StatisticsCheck(bins=bins))
    assert verdict.flagged.nonzero().tolist() == [[3]]
    assert verdict.scores.isfinite().all()
    assert verdict.tables["histogram"][3].sum() == 0


@pytest.mark.parametrize("bins", [500, 501])
def test_one_that_is_not_zero_stands_out_among_zeros(bins: int) -> None:
    updates = torch.zeros(5, 100)
    updates[3] = 0.01
    verdict = inspect(updates, StatisticsCheck(bins=bins))
    assert verdict.flagged.nonzero().tolist() == [[3]]
    assert verdict.scores.isfinite().all()


def test_scores_are_finite_for_the_largest_numbers() -> None:
    updates = honest(5, 100)
    updates[3] = updates[3].sign() * torch.finfo(torch.float32).max
    verdict = inspect(updates)
    assert verdict.flagged.nonzero().tolist() == [[3]]
    assert verdict.scores.isfinite().all()
    assert verdict.details["spread"][3] == pytest.approx(2 * torch.finfo(torch.float32).max)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_the_updates_stay_as_they_are(precision: torch.dtype) -> None:
    updates = honest(4, 100).to(precision)
    kept = updates.clone()
    inspect(updates)
    assert torch.equal(updates, kept)


@pytest.mark.parametrize("option", [{"bins": 0}, {"limit": 0.0}, {"false_alarms": 0.0}, {"false_alarms": 1.5}])
def test_impossible_options_are_refused(option: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(option))):
        validate(StatisticsCheck, option)
