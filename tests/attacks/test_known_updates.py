"""What a team knows of honest updates: means, spreads and distances, at any scale and in any number of blocks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from teams import a_team, with_buffers
from torch import Tensor

from fedlens.attacks import known_updates
from fedlens.attacks.known_updates import KnownUpdates

MATRICES = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.floats(-50, 50, width=32))


def among(rows: object) -> KnownUpdates:
    tensor = rows if isinstance(rows, Tensor) else torch.tensor(rows)
    return KnownUpdates.among(tensor, tensor.shape[1])


@settings(max_examples=30, deadline=None)
@given(MATRICES)
def test_numbers_are_numpys(values: np.ndarray) -> None:
    known, exact = among(torch.from_numpy(values)), values.astype(np.float64)
    unit, centred = known.unit, exact - exact.mean(0)
    close = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(known.mean * unit, exact.mean(0), **close)
    np.testing.assert_allclose(known.deviation("population") * unit, exact.std(0), **close)
    if len(exact) > 1:
        np.testing.assert_allclose(known.deviation("sample") * unit, exact.std(0, ddof=1), **close)
    np.testing.assert_allclose(known.squares() * unit**2, (centred**2).sum(1), **close)
    np.testing.assert_allclose(known.products(torch.ones(exact.shape[1]).double()) * unit, centred.sum(1), **close)
    distances = ((exact[:, None] - exact) ** 2).sum(2)
    np.testing.assert_allclose(known.squared_distances() * unit**2, distances, rtol=1e-5, atol=1e-5)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    whole = among(rows)
    monkeypatch.setattr(known_updates, "BLOCK_ENTRIES", 21)
    parts = among(rows)
    assert len(list(parts.centred())) == 8
    for name in ("mean", "squares", "squared_distances"):
        one, other = (getattr(known, name) for known in (whole, parts))
        if callable(one):
            one, other = one(), other()
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(whole.deviation("sample"), parts.deviation("sample"))


@pytest.mark.parametrize(("scale", "kind"), [(1e-300, torch.float64), (1e300, torch.float64), (1e30, torch.float32)])
def test_nothing_is_lost_of_huge_and_tiny_updates(scale: float, kind: torch.dtype) -> None:
    rows = torch.tensor([[3.0, 0], [0, 4], [0, 0]], dtype=torch.float64)
    given_rows = (rows * scale).to(kind)
    known = among(given_rows)
    assert known.unit <= 4 * scale < 2 * known.unit
    ratio = scale / known.unit
    torch.testing.assert_close(known.squared_distances().sqrt() / ratio, torch.cdist(rows, rows), rtol=1e-6, atol=1e-6)
    sent = known.whole(known.mean + known.deviation("population"))
    assert sent.dtype == kind
    assert torch.equal(given_rows, (rows * scale).to(kind)), "as they were"
    torch.testing.assert_close(sent.double() / scale, rows.mean(0) + rows.std(0, correction=0), rtol=1e-6, atol=0)


def test_a_block_has_a_column_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_updates, "BLOCK_ENTRIES", 2)
    known = among([[1.0, 2, 3], [1, 2, 3], [1, 2, 6]])
    assert [(columns.start, columns.stop) for columns, _ in known.blocks()] == [(0, 1), (1, 2), (2, 3)]
    assert (known.mean * known.unit).tolist() == [1, 2, 4]


@pytest.mark.parametrize(("largest", "unit"), [(0.0, 1), (1, 1), (-1, 1), (1.5, 1), (2, 2), (-7, 4), (0.75, 0.5)])
def test_units_by_hand(largest: float, unit: float) -> None:
    assert among([[largest, 0], [0, 0]]).unit == unit


def test_what_is_not_finite_is_not_known() -> None:
    known = among([[1.0, 2], [float("nan"), 0], [3, 4], [float("inf"), 0]])
    assert known.rows.tolist() == [[1, 2], [3, 4]]
    assert len(among([[float("nan")]])) == 0


def test_of_nothing_the_mean_is_zero() -> None:
    known = among(torch.empty(0, 3))
    assert known.mean.tolist() == known.deviation("sample").tolist() == [0, 0, 0]
    assert list(known.blocks()) == []
    assert among(torch.empty(0, 3)).whole(torch.ones(3).double()).tolist() == [1, 1, 1]
    assert known.squares().shape == (0,)
    assert known.squared_distances().shape == (0, 0)


def test_one_update_has_no_spread() -> None:
    known = among([[5.0, -1]])
    assert known.deviation("sample").tolist() == known.deviation("population").tolist() == [0, 0]
    assert known.squares().tolist() == [0]


def test_the_sight_says_whose_they_are_and_buffers_are_sent_as_their_mean() -> None:
    honest, others = [[1.0, 2, 10, 20, 4], [3.0, 4, 30, 40, 4]], [[5.0, 6, 1, 2, 8]]
    alone = KnownUpdates.of(a_team(honest, cohort=3, network=with_buffers()))
    assert alone.rows.tolist() == honest
    assert alone.mean.mul(alone.unit).tolist() == [2, 3]
    assert alone.whole(torch.zeros(2).double()).tolist() == [0, 0, 20, 30, 4]
    team = a_team(honest, others, network=with_buffers())
    seen = KnownUpdates.of(team)
    assert seen.rows.tolist() == others
    assert seen.sent(team, torch.ones(2).double() / seen.unit).updates.tolist() == [[1, 1, 1, 2, 8]] * 2
