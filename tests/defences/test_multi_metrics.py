import numpy as np
import pytest
import torch
from helpers.received import column, equal, normal
from helpers.staged import server
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences.multi_metrics import MultiMetrics, metrics_of, whitened_scores
from fedlens.defences.stage import Report, Server, State, Updates


def judged(rows: Tensor, weights: Tensor | None = None, **options: float) -> Report:
    """What it says of the rows of a model of these weights, by default of ones."""
    count, size = rows.shape
    found = server(count, size)
    at_hand = Server(
        1, torch.ones(size).double() if weights is None else weights, found.layout, found.clients, found.address
    )
    return MultiMetrics(**options).judge(Updates.received(rows, equal(count)), at_hand, State())[0]  # type: ignore[arg-type]


def flagged(report: Report) -> list[int]:
    assert report.flagged is not None
    return report.flagged.nonzero().flatten().tolist()


def test_by_hand() -> None:
    """Lengths 1, 1, 1 and 4 are apart by 3, 3, 3 and 9 in all, of variance 9: L1 and L2 say the same, cosines nothing.

    The pseudo-inverse of [[9, 9], [9, 9]] is 1/36 of ones, so that (3, 3) scores √(36 / 36) and (9, 9) 3.
    """
    report = judged(column(1, 1, 1, 4))
    assert report.scores is not None
    assert report.scores.tolist() == pytest.approx([1, 1, 1, 3])
    assert flagged(report) == [3]
    assert report.details == {"l1": [1, 1, 1, 4], "l2": [1, 1, 1, 4], "cosine": [1, 1, 1, 1]}


def test_metrics_by_hand() -> None:
    """From (3, 4), the update (-6, 4) leads to (-3, 8), and (0, 0) nowhere."""
    found = metrics_of(torch.tensor([[-6.0, 4], [0, 0]]), torch.tensor([3.0, 4]))
    assert found[0].tolist() == pytest.approx([10, 52**0.5, (-9 + 32) / 5 / 73**0.5])
    assert found[1].tolist() == pytest.approx([0, 0, 1])
    assert metrics_of(torch.ones(1, 2), torch.zeros(2))[0, 2] == 0


@given(seed=st.integers(0, 2**32), count=st.integers(5, 12))
@settings(max_examples=20)
def test_scores_by_definition(seed: int, count: int) -> None:
    rows, weights = normal(seed, count, 6).numpy(), normal(seed + 1, 6).numpy()
    models = weights + rows
    cosines = models @ weights / np.linalg.norm(models, axis=1) / np.linalg.norm(weights)
    metrics = np.stack([abs(rows).sum(axis=1), np.linalg.norm(rows, axis=1), cosines], axis=1)
    apart = abs(metrics[:, None] - metrics).sum(axis=1)
    inverse = np.linalg.inv(np.cov(apart.T))
    expected = [np.sqrt(own @ inverse @ own) for own in apart]
    report = judged(torch.from_numpy(rows), torch.from_numpy(weights))
    assert report.scores is not None
    np.testing.assert_allclose(report.scores.numpy(), expected, rtol=1e-5)
    last = sorted(expected)[max(int(0.3 * count), 1) - 1]
    assert flagged(report) == [place for place, score in enumerate(expected) if score > last * (1 + 1e-6)]  # ties stay


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e300])
def test_nobody_is_flagged_where_all_agree(count: int, value: float) -> None:
    report = judged(torch.full((count, 3), value, dtype=torch.float64))
    assert flagged(report) == []
    assert report.scores is not None
    assert report.scores.tolist() == [0] * count


def test_of_two_both_are_as_far_from_the_other() -> None:
    """The covariance of equal rows is 0, and so are scores."""
    report = judged(column(1, 5))
    assert report.scores is not None
    assert report.scores.tolist() == [0, 0]
    assert flagged(report) == []


def test_the_scale_of_a_metric_does_not_matter() -> None:
    metrics = normal(2, 7, 3).abs()
    scaled = metrics * torch.tensor([1e-30, 1, 1e30]).double()
    torch.testing.assert_close(whitened_scores(scaled), whitened_scores(metrics))


def test_a_boosted_update_goes_and_one_that_matches_in_all_metrics_stays() -> None:
    honest = normal(3, 8, 60)
    weights = 3 * normal(4, 60)
    boosted = torch.cat([honest, 5 * normal(5, 1, 60)])
    assert 8 in flagged(judged(boosted, weights, keep=0.8))
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    ordinary = int(judged(honest, weights).scores.argmin())  # type: ignore[union-attr]
    alike = torch.cat([honest, honest[ordinary][None] + 1e-3 * normal(6, 60)[order]])
    assert 8 not in flagged(judged(alike, weights, keep=0.8))
