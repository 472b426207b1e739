from typing import Any

import numpy as np
import pytest
import torch
from helpers.received import normal
from helpers.staged import effective, one, staged
from hypothesis import given
from hypothesis import strategies as st

from fedlens.defences.fltrust import NO_TRUST, FLTrust, trust_scores

ROOT = torch.tensor([1.0, 0.0])
SENT = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [3.0, 4.0]])


def test_by_hand() -> None:
    """Cosines 1, 0, -1 and .6; of 1.6, (1, 0) has 1 and (.6, .8) has .6: (1.36, .48) / 1.6."""
    assert trust_scores(SENT, ROOT).tolist() == pytest.approx([1, 0, 0, 0.6])
    aggregate, _, _ = staged(FLTrust(), SENT, root=ROOT)
    assert one(aggregate).tolist() == pytest.approx([0.85, 0.3])
    assert effective(aggregate).tolist() == pytest.approx([1 / 1.6 / 2, 0, 0, 0.6 / 1.6 / 5])
    longer, _, _ = staged(FLTrust(), SENT, root=3 * ROOT)
    assert one(longer).tolist() == pytest.approx([2.55, 0.9])


def test_zeros_among_others_have_no_weight() -> None:
    aggregate, _, _ = staged(FLTrust(), torch.cat([SENT, torch.zeros(1, 2)]), root=ROOT)
    assert one(aggregate).tolist() == pytest.approx([0.85, 0.3])
    assert effective(aggregate).tolist() == pytest.approx([1 / 1.6 / 2, 0, 0, 0.6 / 1.6 / 5, 0])


@given(seed=st.integers(0, 2**32), count=st.integers(1, 8), size=st.floats(-6, 6))
def test_by_definition(seed: int, count: int, size: float) -> None:
    updates, root = normal(seed, count, 5) + 0.5, normal(seed + 1, 5) + 0.5
    updates[0] *= 10**size
    aggregate, _, report = staged(FLTrust(), updates, root=root)
    rows, own = updates.numpy(), root.numpy()
    lengths = np.linalg.norm(rows, axis=1)
    trust = np.maximum(0, rows @ own / lengths / np.linalg.norm(own))
    if not trust.any():
        assert report.skipped == NO_TRUST
        return
    expected = trust @ (rows / lengths[:, None]) * np.linalg.norm(own) / trust.sum()
    np.testing.assert_allclose(one(aggregate).numpy(), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(effective(aggregate) @ updates, one(aggregate))
    assert float(one(aggregate).norm()) <= float(root.norm()) * (1 + 1e-12)


@pytest.mark.parametrize(("rows", "root"), [(-SENT[:1], ROOT), (SENT, 0 * ROOT), (0 * SENT, ROOT), (SENT[1:3], ROOT)])
def test_where_no_update_is_trusted_the_round_is_skipped(rows: Any, root: Any) -> None:
    aggregate, _, report = staged(FLTrust(), rows, root=root)
    assert report.skipped == NO_TRUST
    assert one(aggregate).tolist() == [0, 0]


@pytest.mark.parametrize("length", [1e-39, 1e-20, 1e20, 1e38])
def test_length_does_not_matter(length: float) -> None:
    rows = torch.tensor([[0.6, 0.8], [length, 0]])
    aggregate, _, _ = staged(FLTrust(), rows, root=ROOT)
    assert one(aggregate).tolist() == pytest.approx([(0.36 + 1) / 1.6, 0.3], rel=1e-5)


def test_who_goes_against_the_root_counts_nothing() -> None:
    """Two of three go the other way, a hundred times as far: the third alone counts."""
    aggregate, _, _ = staged(FLTrust(), torch.tensor([[1.0, 0.0], [-100.0, 1.0], [-100.0, -1.0]]), root=ROOT)
    assert one(aggregate).tolist() == [1, 0]


def test_who_goes_along_with_the_root_is_trusted_wherever_else_it_goes() -> None:
    """Both attackers' cosine is .6: of (1 + .6 + .6) they turn the aggregate by .6 × .8 × 2 into the other entry."""
    aggregate, _, _ = staged(FLTrust(), torch.tensor([[1.0, 0.0], [30.0, 40.0], [30.0, 40.0]]), root=ROOT)
    assert one(aggregate).tolist() == pytest.approx([(1 + 0.36 + 0.36) / 2.2, 0.96 / 2.2])


def test_an_update_too_short_for_a_weight_counts_by_its_direction() -> None:
    """5e-324 is the least number of float64, and 1 / 5e-324 is beyond the largest."""
    rows = torch.tensor([[0.6, 0.8], [5e-324, 0]], dtype=torch.float64)
    aggregate, _, _ = staged(FLTrust(), rows, root=ROOT.double())
    assert one(aggregate).tolist() == pytest.approx([(0.36 + 1) / 1.6, 0.3])


def test_without_a_root_update_it_says_so() -> None:
    assert FLTrust.needs_root
    with pytest.raises(ValueError, match=r"Server\.root"):
        staged(FLTrust(), SENT)
