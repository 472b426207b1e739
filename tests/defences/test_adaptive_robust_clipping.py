import numpy as np
import pytest
import torch
from helpers.received import column, normal
from helpers.staged import effective, staged
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlens.defences.adaptive_robust_clipping import AdaptiveRobustClipping
from fedlens.defences.norm_clipping import norms

seeds = st.integers(0, 2**32)
few = settings(max_examples=25)


def test_by_hand() -> None:
    """Of lengths 1, 2, 3 and 100, with f = 1, the ⌊2 · 1/4 · 3⌋ = 1 longest is clipped to 3."""
    clipped, _, report = staged(AdaptiveRobustClipping(f=1), column(1, -2, 3, 100))
    assert clipped.rows.flatten().tolist() == [1, -2, 3, 3]
    assert effective(clipped).tolist() == pytest.approx([0.25, 0.25, 0.25, 0.25 * 0.03])
    assert report.details == {"length": [1, 2, 3, 100], "clipped": [0, 0, 0, 1]}


@given(seed=seeds, f=st.integers(0, 4), more=st.integers(0, 5))
@few
def test_by_definition(seed: int, f: int, more: int) -> None:
    rows = normal(seed, 2 * f + 1 + more, 4).numpy()
    lengths, count = np.linalg.norm(rows, axis=1), len(rows)
    k = int(np.floor(2 * f * (count - f) / count))
    limit = np.sort(lengths)[count - k - 1]
    expected = rows * np.minimum(1, limit / lengths)[:, None]
    clipped, _, _ = staged(AdaptiveRobustClipping(f=f), torch.from_numpy(rows))
    np.testing.assert_allclose(clipped.rows.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e300])
def test_scales_do_not_matter(factor: float) -> None:
    rows = normal(0, 7, 5)
    clipped = staged(AdaptiveRobustClipping(f=2), rows)[0].rows
    again = staged(AdaptiveRobustClipping(f=2), factor * rows)[0].rows
    torch.testing.assert_close(again / factor, clipped)


def test_zeros_and_ties() -> None:
    stage = AdaptiveRobustClipping(f=1)
    assert staged(stage, torch.zeros(3, 2))[0].rows.tolist() == torch.zeros(3, 2).tolist()
    assert staged(stage, column(0, 0, 8))[0].rows.flatten().tolist() == [0, 0, 0]  # the limit is 0
    assert staged(stage, column(2, -2, 2))[0].rows.flatten().tolist() == [2, -2, 2]
    assert staged(AdaptiveRobustClipping(f=0), column(7))[0].rows.tolist() == [[7]]


def test_it_limits_whoever_is_long_and_nobody_who_is_not() -> None:
    """However long f attackers are, the mean is no longer than the honest are; as short as these, they pass."""
    honest = normal(1, 7, 20)
    for length in (10, 1e3, 1e9):
        boosted = torch.cat([honest, length * normal(2, 2, 20)])
        clipped = staged(AdaptiveRobustClipping(f=2), boosted)[0].rows
        assert float(norms(clipped).max()) <= float(norms(honest).max())
    against = torch.cat([honest, -0.5 * honest[:2]])
    clipped = staged(AdaptiveRobustClipping(f=2), against)[0].rows
    assert torch.equal(clipped[7:], against[7:])


def test_it_needs_an_honest_majority() -> None:
    assert [AdaptiveRobustClipping(f=2).needed(following) for following in (1, 7)] == [5, 7]
    with pytest.raises(ValueError, match=r"^arc needs n >= 2f \+ 1 updates: f = 2 needs 5, got 4$"):
        staged(AdaptiveRobustClipping(f=2), normal(0, 4, 3))
