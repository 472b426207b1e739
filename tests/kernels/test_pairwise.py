import pytest
import torch
from helpers.received import normal
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.kernels import pairwise
from fedlens.kernels.pairwise import alike, block_columns, products, products_from, squared_distances

TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-5, torch.float16: 3e-5, torch.bfloat16: 3e-5}

types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
seeds = st.integers(0, 2**32)


def directly(updates: Tensor, mask: Tensor | None = None) -> Tensor:
    """Squared distances by their definition, in float64."""
    rows = updates.double() if mask is None else updates.double()[:, mask]
    return (rows[:, None] - rows).square().sum(dim=2)


def check(updates: Tensor, mask: Tensor | None = None) -> None:
    """Compare with the definition, relative to each distance by itself."""
    kept = updates.clone()
    found, expected = squared_distances(updates, mask), directly(updates, mask)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=TOLERANCE[updates.dtype], atol=0)
    assert torch.equal(found, found.T)
    assert found.diagonal().tolist() == [0] * len(updates)
    assert torch.equal(updates, kept)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven columns in a block, so that small cases have many, and five rows in a strip."""
    monkeypatch.setattr(pairwise, "BLOCK_ENTRIES", 7)
    monkeypatch.setattr(pairwise, "LEAST_COLUMNS", 7)
    monkeypatch.setattr(pairwise, "LINE", 1)
    monkeypatch.setattr(pairwise, "STRIP_ROWS", 5)


def test_by_hand() -> None:
    updates = torch.tensor([[0.0, 0.0], [9.0, 12.0], [0.0, 36.0]])
    assert squared_distances(updates).tolist() == [[0, 225, 1296], [225, 0, 657], [1296, 657, 0]]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_any_number_of_updates_of_any_type(count: int, dtype: torch.dtype) -> None:
    check(normal(0, count, 50).to(dtype))


@types
def test_small_differences_at_a_large_offset(dtype: torch.dtype) -> None:
    check((normal(1, 20, 3000) * 1e-3 + 1e4 * normal(2, 3000)).to(dtype))


@types
@pytest.mark.parametrize("row", [0, 7, 19])
@pytest.mark.parametrize("factor", [1e2, 1e4, 1e6, 1e8])
def test_one_update_much_larger_than_the_others(factor: float, row: int, dtype: torch.dtype) -> None:
    updates = normal(3, 20, 3000, dtype=dtype)
    updates[row] *= factor
    check(updates)


@types
def test_each_update_much_larger_than_the_one_before(dtype: torch.dtype) -> None:
    check(normal(4, 8, 3000, dtype=dtype) * torch.logspace(0, 28, 8, dtype=dtype)[:, None])


@types
def test_squares_that_overflow(dtype: torch.dtype) -> None:
    updates = normal(5, 6, 3000, dtype=dtype)
    updates[2] *= 1e30
    updates[4] *= 1e30
    check(updates)


@types
def test_duplicates_are_at_distance_zero_exactly(dtype: torch.dtype) -> None:
    updates = normal(6, 20, 3000, dtype=dtype) * 0.1 + 1000
    updates[5] = updates[11] = updates[2]
    updates[17] = updates[3]
    check(updates)
    assert squared_distances(updates)[5, 11] == 0
    check(updates[:1].repeat(20, 1))


@types
def test_two_tight_clusters_far_apart(dtype: torch.dtype) -> None:
    updates = normal(7, 20, 3000, dtype=dtype) * 0.01
    updates[::2] += 100
    check(updates)


@types
def test_clusters_within_clusters(dtype: torch.dtype) -> None:
    updates = normal(8, 24, 3000, dtype=dtype) * 0.01
    updates[:12] += 1e4
    updates[6:18] += 1e2
    updates[::4] += 1
    check(updates)


@types
@pytest.mark.usefixtures("small_blocks")
def test_a_chain_that_no_centre_suits(dtype: torch.dtype) -> None:
    check((torch.arange(60.0)[:, None] + normal(9, 60, 50) * 1e-3).to(dtype))


@pytest.mark.usefixtures("small_blocks")
def test_a_mask_leaves_columns_out() -> None:
    updates = normal(10, 12, 50, dtype=torch.float32)
    updates[:, 20:40] *= 1e6
    mask = torch.ones(50, dtype=torch.bool)
    mask[20:40] = False
    mask[3] = False
    check(updates, mask)
    updates[6:] = updates[:6]
    updates[:, 20] = torch.arange(12.0)
    check(updates, mask)
    assert squared_distances(updates, mask)[0, 6] == 0
    assert squared_distances(updates)[0, 6] == 36


@given(seeds, st.integers(1, 12), st.floats(-6, 6), st.floats(-6, 6))
def test_distances_do_not_depend_on_the_origin(seed: int, count: int, scale: float, offset: float) -> None:
    updates = normal(seed, count, 30) * 10**scale
    moved = updates + normal(seed + 1, 30) * 10**offset
    check(moved)


@given(seeds, st.lists(st.sampled_from([0, 0, 0, 1, 3, 6]), min_size=1, max_size=12))
def test_updates_of_very_different_lengths(seed: int, exponents: list[int]) -> None:
    check(normal(seed, len(exponents), 40, dtype=torch.float32) * 10.0 ** torch.tensor(exponents)[:, None])


@types
@pytest.mark.usefixtures("small_blocks")
def test_products_are_seen_from_the_origin(dtype: torch.dtype) -> None:
    updates = (normal(11, 9, 50) + 1e3).to(dtype)
    updates[3] *= 1e8
    rows = updates.double() - updates[4].double()
    found = products(updates, 4)
    lengths = rows.square().sum(dim=1).sqrt()
    assert float(((found - rows @ rows.T).abs() / (lengths[:, None] * lengths).clamp(min=1)).max()) < 1e-6
    assert found[4].tolist() == found[:, 4].tolist() == [0] * 9


@types
def test_products_from_distances(dtype: torch.dtype) -> None:
    updates = (normal(11, 9, 500) + 1e3).to(dtype)
    rows = updates.double() - updates[4].double()
    squares = squared_distances(updates)
    assert alike(squares)
    found = products_from(squares, 4)
    torch.testing.assert_close(found, rows @ rows.T, rtol=0, atol=1e-9 if dtype == torch.float64 else 0.02)
    assert torch.equal(found, found.T)
    assert torch.equal(found.diagonal(), squares[4])
    assert found[4].tolist() == found[:, 4].tolist() == [0] * 9


def test_alike_are_distances_within_a_factor_of_four() -> None:
    def line(*places: float) -> Tensor:
        return squared_distances(torch.tensor(places, dtype=torch.float64)[:, None])

    assert alike(line(0, 1, 4))
    assert not alike(line(0, 1, 4.1))
    assert not alike(line(0, 0, 1))
    assert alike(line(2, 2, 2))
    assert alike(line(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [2, 47, 48, 49, 96, 97, 110])
def test_more_updates_than_a_strip_has(count: int, dtype: torch.dtype) -> None:
    check(normal(14, count, 70, dtype=dtype))


def test_blocks_have_an_odd_number_of_cache_lines() -> None:
    assert block_columns(2**18, 64) == 4096 + 16
    assert block_columns(2**18, 10) == 26208 + 16 * (26208 // 16 % 2 == 0)
    assert block_columns(2**18, 1000) == 1024 + 16


def test_components_of_close_pairs() -> None:
    close = torch.zeros(7, 7, dtype=torch.bool)
    for left, right in ((0, 4), (4, 2), (3, 6)):
        close[left, right] = close[right, left] = True
    assert [members.tolist() for members in pairwise._components(close)] == [[0, 2, 4], [3, 6]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e-15, 1e-19, 1e-21, 1e-30, 1e-37])
def test_squares_that_underflow(scale: float, dtype: torch.dtype) -> None:
    check((normal(20, 6, 3000) * scale).to(dtype))


class Counted:
    """Counts the calls of a function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.function = getattr(pairwise, name)
        self.calls = 0
        monkeypatch.setattr(pairwise, name, self)

    def __call__(self, *arguments: object) -> object:
        self.calls += 1
        return self.function(*arguments)


def plain() -> Tensor:
    return normal(12, 20, 3000, dtype=torch.float32)


def offset() -> Tensor:
    return plain() + 1e4 * normal(13, 3000, dtype=torch.float32)


def far_but_in_the_middle() -> Tensor:
    """The first row is ten times as far from the others as they are from each other."""
    updates = plain()
    updates[0] += 10
    return updates


def outlier() -> Tensor:
    updates = plain()
    updates[4] *= 1e6
    return updates


def duplicates() -> Tensor:
    updates = plain()
    updates[:7] = updates[11]
    return updates


def overflowing() -> Tensor:
    updates = plain()
    updates[4] *= 1e30
    return updates


@pytest.mark.parametrize(
    ("updates", "passes"),
    [(plain(), 1), (offset(), 1), (far_but_in_the_middle(), 1), (outlier(), 2), (duplicates(), 2), (overflowing(), 2)],
)
def test_usual_cases_are_fast(updates: Tensor, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more matrix product at most, and no differences entry by entry."""
    measured, differences = Counted(monkeypatch, "_measured"), Counted(monkeypatch, "_differences")
    squared_distances(updates)
    assert measured.calls == passes
    assert differences.calls == 0
