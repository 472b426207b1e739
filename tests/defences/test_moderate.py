import pytest
import torch

from fedlens.defences.moderate import moderate


@pytest.mark.parametrize("largest", [0.0, 1e-130, 1e-3, 1.0, 1e130])
def test_ordinary_rows_stay(largest: float) -> None:
    for sign in (1, -1):
        rows = torch.tensor([[sign * largest, 0.5 * largest]], dtype=torch.float64)
        assert moderate(rows) is rows


@pytest.mark.parametrize("largest", [1e-300, 0.9e-130, 1.1e130, 1e300])
def test_extreme_rows_are_divided_by_their_largest_entry(largest: float) -> None:
    for sign in (1, -1):
        rows = torch.tensor([[sign * largest, 0.5 * largest], [0, 0.25 * largest]], dtype=torch.float64)
        assert moderate(rows).flatten().tolist() == pytest.approx([sign, 0.5, 0, 0.25])


def test_single_precision_and_nothing_are_never_extreme() -> None:
    for rows in (torch.tensor([[1e-40]]), torch.zeros(2, 0).double()):
        assert moderate(rows) is rows
