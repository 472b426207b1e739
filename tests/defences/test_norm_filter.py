import pytest
import torch
from helpers.received import column, equal, layout, normal
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.errors import ConfigError
from fedlens.core.registry import build, describe
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.norm_filter import NormFilter


def judged(check: NormFilter, updates: Tensor) -> Verdict:
    size = updates.shape[1]
    return check.inspect(Inspection(1, torch.zeros(size), updates, equal(len(updates)), layout(size)))


def test_by_hand() -> None:
    """The median of 1, 2, 3 and 100 is 2.5, not the lower of the middle two."""
    verdict = judged(NormFilter(factor=40), column(1, -2, 3, -100))
    assert verdict.scores.tolist() == pytest.approx([0.4, 0.8, 1.2, 40])
    assert verdict.flagged.tolist() == [False] * 4
    assert judged(NormFilter(factor=39.9), column(1, -2, 3, -100)).flagged.tolist() == [False, False, False, True]
    assert judged(NormFilter(factor=0.8), column(1, -2, 3, -100)).flagged.tolist() == [False, False, True, True]


def test_a_threshold_is_one_of_the_norm_itself() -> None:
    verdict = judged(NormFilter(max_norm=5), torch.tensor([[3.0, 4.0], [3.0, 4.1]]))
    assert verdict.scores[0] == 5
    assert verdict.flagged.tolist() == [False, True]


def test_three_times_the_median_where_nothing_is_given() -> None:
    check = NormFilter()
    assert check.boundary == 3
    assert judged(check, column(1, 1, 1, 3, 3.1)).flagged.tolist() == [False, False, False, False, True]


def test_both_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"give max_norm or factor, not both; e\.g\. -o 'checks="):
        NormFilter(max_norm=1, factor=3)
    check = NormFilter(max_norm=2, action="reject")
    assert build("checks", describe("checks", check), Detector) == check


@given(seed=st.integers(0, 2**32), count=st.integers(1, 9), size=st.floats(-3, 30))
def test_scores_do_not_depend_on_the_scale(seed: int, count: int, size: float) -> None:
    updates = normal(seed, count, 4)
    first, scaled = judged(NormFilter(), updates), judged(NormFilter(), updates * 10**size)
    torch.testing.assert_close(scaled.scores, first.scores)
    assert int(first.flagged.sum()) <= count // 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [1e38, 3e38])
def test_a_long_one_is_flagged(dtype: torch.dtype, length: float) -> None:
    updates = normal(0, 5, 9, dtype=dtype)
    updates[2] = length
    verdict = judged(NormFilter(), updates)
    assert verdict.flagged.tolist() == [False, False, True, False, False]
    assert bool(verdict.scores.isfinite().all())


def test_among_zeros_one_that_moves_is_flagged() -> None:
    verdict = judged(NormFilter(), column(0, 0, 1))
    assert verdict.flagged.tolist() == [False, False, True]
    assert verdict.scores[:2].tolist() == [0, 0]
    assert judged(NormFilter(), column(5)).flagged.tolist() == [False]
