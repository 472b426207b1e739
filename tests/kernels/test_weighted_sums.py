"""Mixing in place; what `weighted_sum` is for is tested with the rules (`tests/defences/test_long_updates.py`)."""

import pytest
import torch
from helpers.received import normal

from fedlens.kernels import weighted_sums
from fedlens.kernels.weighted_sums import mix


def test_mixing_by_hand() -> None:
    rows = torch.tensor([[1.0, 2.0], [3.0, 8.0]])
    mix(torch.tensor([[0.5, 0.5], [0.0, 2.0]], dtype=torch.float64), rows)
    assert rows.tolist() == [[2, 5], [6, 16]]


@pytest.mark.parametrize("size", [1, 6, 7, 8, 50])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_blocks_are_mixed_as_the_whole_would_be(dtype: torch.dtype, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighted_sums, "block_columns", lambda entries, rows: 7)
    matrix, rows = normal(0, 5, 5), normal(1, 5, size).to(dtype)
    expected, place = matrix @ rows.double(), rows.data_ptr()
    mix(matrix, rows)
    assert rows.data_ptr() == place
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    torch.testing.assert_close(rows.double(), expected, rtol=0, atol=tolerance)
