from typing import Any

import pytest
import torch
from helpers.received import column, normal
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences import effective_weights as module
from fedlens.defences.coordinate_wise import median, trimmed_mean
from fedlens.defences.effective_weights import EffectiveWeights
from fedlens.kernels import order_statistics as arrange
from fedlens.kernels import pairwise

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def by_hand(block: Tensor, low: int, count: int) -> list[float]:
    """Shares entry by entry, of the `count` entries of each column that are `low` or more from the smallest."""
    totals = [0.0] * len(block)
    for entries in block.T.tolist():
        kept = sorted(entries)[low : low + count]
        for row, entry in enumerate(entries):
            totals[row] += kept.count(entry) / entries.count(entry) / count
    return totals


def credited(block: Tensor, low: int, count: int) -> list[float]:
    weights = EffectiveWeights(len(block), block)
    weights.add(block, block.sort(dim=0).values[low : low + count].flip(0))
    assert weights.total.dtype == torch.float64
    return weights.total.tolist()


class Dealt:
    """Counts the blocks whose ties were dealt out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.function = module.count_with_ties
        self.blocks = 0
        monkeypatch.setattr(module, "count_with_ties", self)

    def __call__(self, *arguments: Tensor) -> Tensor:
        self.blocks += 1
        return self.function(*arguments)


@pytest.fixture
def dealt(monkeypatch: pytest.MonkeyPatch) -> Dealt:
    """And blocks are of 48 columns."""
    monkeypatch.setattr(arrange, "BLOCK_ENTRIES", 0)
    monkeypatch.setattr(pairwise, "LEAST_COLUMNS", 48)
    return Dealt(monkeypatch)


@given(
    st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 11), st.integers(1, 12), st.sampled_from([1, 2, 4, 1000])
)
def test_any_neighbours_are_credited(seed: int, count: int, low: int, kept: int, values: int) -> None:
    low = min(low, count - 1)
    kept = min(kept, count - low)
    block = torch.randint(0, values, (count, 20), generator=torch.Generator().manual_seed(seed)).double()
    found = credited(block, low, kept)
    assert found == pytest.approx(by_hand(block, low, kept), abs=1e-12)
    assert sum(found) == pytest.approx(20, abs=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kept", [1, 2, 3, 8])
@pytest.mark.parametrize("values", [1, 3, 1000])
def test_any_type(dtype: torch.dtype, kept: int, values: int) -> None:
    block = torch.randint(-values, values, (10, 2000), generator=torch.Generator().manual_seed(0)).to(dtype) / 4
    found = credited(block, 1, kept)
    assert found == pytest.approx(by_hand(block, 1, kept), rel=1e-12 if dtype == torch.float64 else 3e-7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_and_both_zeros(dtype: torch.dtype) -> None:
    inf = torch.inf
    block = torch.tensor([[inf, -inf, 0], [inf, 2, -0.0], [1, 1, -1], [inf, 4, 1], [-inf, 3, 0]], dtype=dtype)
    for low, count in ((2, 1), (1, 2), (1, 3), (0, 5), (3, 2)):
        assert credited(block, low, count) == pytest.approx(by_hand(block, low, count), rel=3e-7)


def test_ties_that_were_all_kept_need_not_be_dealt_out(dealt: Dealt) -> None:
    assert credited(column(0, 1, 1, 1, 2), 1, 3) == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])
    assert credited(column(0, 1, 1, 2, 2), 1, 4) == pytest.approx([0, 1 / 4, 1 / 4, 1 / 4, 1 / 4])
    assert dealt.blocks == 0
    assert credited(column(1, 1, 1, 1, 2), 1, 3) == pytest.approx([1 / 4] * 4 + [0])
    assert dealt.blocks == 1


def test_entries_beyond_one_bound_do_not_make_up_for_ties_at_the_other(dealt: Dealt) -> None:
    """Three columns: a tie at the lower bound, at the upper one, at both."""
    block = torch.tensor([[1.0, 0, 1], [1, 1, 1], [2, 2, 2], [3, 2, 2]])
    assert credited(block, 1, 2) == pytest.approx(by_hand(block, 1, 2))
    assert by_hand(block, 1, 2) == [0.25 + 0 + 0.25, 0.25 + 0.5 + 0.25, 0.5 + 0.25 + 0.25, 0 + 0.25 + 0.25]
    assert dealt.blocks == 1


@pytest.mark.parametrize("place", [0, 47, 48, 95, 96, 99])
@pytest.mark.parametrize("count", [9, 10])
def test_a_single_tie_is_dealt_out_in_its_block_alone(dealt: Dealt, place: int, count: int) -> None:
    updates = normal(1, count, 100)
    updates[:, place] = torch.tensor([0.0] * 4 + [5.0] * (count - 4))
    found = median(updates)[1]
    assert dealt.blocks == 1
    kept = 2 - count % 2
    expected = by_hand(updates, (count - 1) // 2, kept)
    assert found.tolist() == pytest.approx([share / 100 for share in expected], abs=1e-14)
    assert trimmed_mean(updates, 0)[1].tolist() == pytest.approx([1 / count] * count, abs=1e-14)
    assert dealt.blocks == 1


def test_without_ties_shares_are_whole_counts_in_single_precision(dealt: Dealt) -> None:
    updates = normal(2, 10, 1000, dtype=torch.float32)
    shares = median(updates)[1] * 2 * 1000
    assert dealt.blocks == 0
    torch.testing.assert_close(shares, shares.round(), rtol=0, atol=1e-10)
    assert float(shares.sum()) == pytest.approx(2000, abs=1e-9)


def test_shares_of_many_ties_add_up_to_one_in_single_precision() -> None:
    generator = torch.Generator().manual_seed(3)
    updates = torch.randn(10, 50_000, generator=generator) * (torch.rand(10, 50_000, generator=generator) < 0.3)
    assert float(median(updates)[1].sum()) == pytest.approx(1, abs=2e-7)


@pytest.mark.parametrize(("count", "size"), [(3, 70_000), (10, 40_000), (100, 7_000)])
def test_the_number_of_threads_changes_nothing(count: int, size: int) -> None:
    generator = torch.Generator().manual_seed(4)
    plain = torch.randn(count, size, generator=generator)
    threads = torch.get_num_threads()
    for updates in (plain, plain * (torch.rand(count, size, generator=generator) < 0.3), plain.bfloat16()):
        found = []
        for number in (1, 2):
            torch.set_num_threads(number)
            try:
                found.append([*median(updates), *trimmed_mean(updates, 1)])
            finally:
                torch.set_num_threads(threads)
        for one, two in zip(*found, strict=True):
            assert torch.equal(one, two)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [3, 9, 10, 100])
def test_calls_are_too_small_to_be_split_among_threads(monkeypatch: pytest.MonkeyPatch, count: int, ties: bool) -> None:
    sizes: dict[str, int] = {}

    def watch(owner: object, name: str) -> None:
        function = getattr(owner, name)

        def called(left: Tensor, *others: Tensor, **options: Any) -> Tensor:
            sizes[name] = max(sizes.get(name, 0), options["out"].numel() if "out" in options else left.numel())
            result: Tensor = function(left, *others, **options)
            return result

        monkeypatch.setattr(owner, name, called)

    updates = normal(5, count, 40_000, dtype=torch.float32)
    updates = updates.round() if ties else updates
    arrange.program.cache_clear()
    for name in ("minimum", "maximum", "ge", "gt", "eq"):
        watch(torch, name)
    watch(Tensor, "mean")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        trimmed_mean(updates, 1)
    finally:
        torch.set_num_threads(threads)
        arrange.program.cache_clear()
    assert set(sizes) == {"minimum", "maximum", "ge", "gt", "mean"} | ({"eq"} if ties else set())
    assert arrange.GRAIN // 4 < max(sizes.values()) <= arrange.GRAIN
