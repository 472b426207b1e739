import numpy as np
import pytest
import torch
from helpers.received import normal
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.kernels import pairwise
from fedlens.kernels.cosine_distances import cosine_distances, row_lengths

few = settings(max_examples=30)
seeds = st.integers(0, 2**32)


def directly(rows: Tensor, origin: Tensor | None = None) -> np.ndarray:
    """1 - cos by its definition, with 80 bits where the platform has them."""
    models = rows.double().numpy().astype(np.longdouble)
    if origin is not None:
        models = models + origin.double().numpy()
    units = models / np.linalg.norm(models.astype(np.longdouble), axis=1, keepdims=True)
    return (((units[:, None] - units) ** 2).sum(axis=2) / 2).astype(float)


def test_by_hand() -> None:
    """(1, 0), (0, 2), (-3, 0) and (1, 1): at right angles, opposite, and at 45 degrees."""
    rows = torch.tensor([[1.0, 0], [0, 2], [-3, 0], [1, 1]])
    half = 1 - 0.5**0.5
    expected = [[0, 1, 2, half], [1, 0, 1, half], [2, 1, 0, 2 - half], [half, half, 2 - half, 0]]
    torch.testing.assert_close(cosine_distances(rows), torch.tensor(expected).double(), rtol=0, atol=1e-7)


@given(seed=seeds, count=st.integers(1, 12), size=st.integers(1, 40), length=st.floats(-4, 4), far=st.booleans())
@few
def test_by_definition(seed: int, count: int, size: int, length: float, far: bool) -> None:
    rows = normal(seed, count, size) * 10**length
    origin = normal(seed + 1, size) if far else None
    found = cosine_distances(rows, origin)
    np.testing.assert_allclose(found.numpy(), directly(rows, origin), rtol=1e-9, atol=1e-13)
    assert torch.equal(found, found.T)
    assert found.diagonal().tolist() == [0] * count


def test_models_that_differ_in_their_last_digits() -> None:
    """Cosines in float32 would all be 1."""
    updates, weights = 1e-3 * normal(0, 6, 500, dtype=torch.float32), 10 * normal(1, 500, dtype=torch.float32)
    found = cosine_distances(updates, weights)
    assert 0 < float(found[0, 1]) < 1e-7
    np.testing.assert_allclose(found.numpy(), directly(updates, weights), rtol=1e-6)


def test_blocks_and_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, origin = normal(0, 60, 50), normal(1, 50)
    whole = cosine_distances(rows, origin)
    monkeypatch.setattr(pairwise, "LEAST_COLUMNS", 7)
    monkeypatch.setattr(pairwise, "LINE", 1)
    monkeypatch.setattr("fedlens.kernels.cosine_distances.BLOCK_ENTRIES", 7)
    torch.testing.assert_close(cosine_distances(rows, origin), whole, rtol=1e-12, atol=1e-13)


def test_multiples_are_at_zero_exactly() -> None:
    row = normal(0, 300, dtype=torch.float32)
    rows = torch.stack([row, 3 * row, 0.1 * row, 1e20 * row, 1e-20 * row, -row])
    assert cosine_distances(rows)[:5, :5].count_nonzero() == 0
    assert cosine_distances(rows)[5, :5].tolist() == pytest.approx([2] * 5)


def test_zeros() -> None:
    rows = torch.tensor([[0.0, 0], [0, 0], [1, 0], [-1, 0]])
    assert cosine_distances(rows).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 2], [1, 1, 2, 0]]
    assert cosine_distances(rows, torch.tensor([1.0, 0]))[3].tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_lengths_out_of_the_range_of_their_squares(scale: float) -> None:
    rows = normal(0, 4, 6)
    torch.testing.assert_close(cosine_distances(scale * rows), cosine_distances(rows), rtol=1e-9, atol=0)
    torch.testing.assert_close(row_lengths(scale * rows) / scale, rows.norm(dim=1))
    torch.testing.assert_close(row_lengths(0 * rows), torch.zeros(4).double())
