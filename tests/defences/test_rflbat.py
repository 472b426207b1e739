"""RFLBAT's filter: components, groups and similarities, whom it stops and whom it cannot."""

import numpy as np
import pytest
import torch
from helpers.received import column, equal, normal
from helpers.staged import server, staged
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.random import Address
from fedlens.defences import Chain, RflbatFilter, State, Updates, rflbat, server_step
from fedlens.defences.rflbat import far_out, groups, principal_points, similarity

seeds = st.integers(0, 2**32)


def flags(rows: Tensor) -> list[bool]:
    report = staged(RflbatFilter(), rows)[2]
    assert report.flagged is not None
    return report.flagged.tolist()


@given(seed=seeds, count=st.integers(3, 9), size=st.integers(2, 20))
@settings(max_examples=8, deadline=None)
def test_points_are_those_of_principal_component_analysis(seed: int, count: int, size: int) -> None:
    from sklearn.decomposition import PCA

    rows = normal(seed, count, size) + 3
    expected = PCA(2, svd_solver="full").fit_transform(rows.numpy())
    np.testing.assert_allclose(np.abs(principal_points(rows)), np.abs(expected), rtol=0, atol=1e-7)


def test_points_of_one_and_two() -> None:
    assert principal_points(torch.ones(1, 3)).tolist() == [[0, 0]]
    two = np.abs(principal_points(torch.tensor([[0.0, 0], [6, 8]])))
    assert two == pytest.approx(np.array([[5, 0], [5, 0]]), abs=1e-6)


def test_who_is_far_out_by_hand() -> None:
    """On a line at 0, 1, 2 and 30, sums are 33, 31, 31 and 87, of median 32."""
    points = np.array([[0.0, 0], [1, 0], [2, 0], [30, 0]])
    assert far_out(points, 2).tolist() == [False, False, False, True]
    assert far_out(points, 3).tolist() == [False] * 4
    assert far_out(np.zeros((3, 2)), 4).tolist() == [False] * 3
    assert far_out(points[:3], 1).tolist() == [False] * 3  # sums are 3, 2 and 3


def test_scores_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 0, 1, 5 and 90, the last is far out; from the others' mean 2, all are 2, 1, 3 and 88, of median 2."""
    monkeypatch.setattr(rflbat, "groups", lambda points, *_: np.zeros(len(points), dtype=np.int64))
    report = staged(RflbatFilter(far=2), column(0, 1, 5, 90))[2]
    assert report.scores is not None
    assert report.scores.tolist() == pytest.approx([1, 0.5, 1.5, 44])
    assert report.flagged is not None
    assert report.flagged.tolist() == [False, False, False, True]


def test_points_that_agree_in_seven_digits_are_one() -> None:
    """Four at each of three corners, but for one."""
    points = np.repeat([[0.0, 0], [3, 0], [0, 3]], 4, axis=0)
    for apart, count in ((1e-7, 3), (1e-6, 4)):  # of 3
        points[0, 0] = apart
        assert len(set(groups(points, 5, 10, Address.root(0)))) == count


def test_groups() -> None:
    """Three clouds are three groups, one is one; the order of the points makes no difference."""
    cloud = np.random.default_rng(0).normal(size=(8, 2))
    three = np.concatenate([cloud, cloud + np.array([30, 0]), cloud + np.array([0, 30])])
    found = groups(three, 5, 10, Address.root(0))
    assert [len(set(found[start : start + 8])) for start in (0, 8, 16)] == [1, 1, 1]
    assert len(set(found)) == 3
    order = np.random.default_rng(1).permutation(24)
    assert groups(three[order], 5, 10, Address.root(0)).tolist() == found[order].tolist()
    assert set(groups(cloud, 5, 10, Address.root(0))) == {0}
    assert len(set(groups(three, 2, 10, Address.root(0)))) == 2
    assert groups(np.zeros((4, 2)), 5, 10, Address.root(0)).tolist() == [0] * 4


def test_similarity_by_hand() -> None:
    """Mean cosines .5, .4 and .3 of three, whose median is .4."""
    cosines = np.array([[1, 0.6, 0.4], [0.6, 1, 0.2], [0.4, 0.2, 1]])
    assert similarity(cosines) == pytest.approx(0.4)
    assert similarity(np.ones((1, 1))) == 1


def honest(count: int, seed: int = 0) -> Tensor:
    return 0.5 * normal(seed + 1, 50) + normal(seed, count, 50)


def test_it_stops_colluders_who_are_alike() -> None:
    """Four of ten, with nearly the same update of another direction; the step is the mean of those that stay."""
    rows = honest(10)
    rows[:4] = 2 * normal(99, 50) + 0.1 * rows[:4]
    flagged = torch.tensor(flags(rows))
    assert flagged[:4].tolist() == [True] * 4
    assert not bool(flagged[4:].all())
    chain = Chain.of("rflbat").whole
    at_hand = server(10, 50)
    step = server_step(chain, Updates.received(rows, equal(10)), at_hand, [State()] * 3)
    dropped = torch.tensor([row in step.judgements[0].dropped for row in range(10)])
    assert dropped[:4].tolist() == [True] * 4
    torch.testing.assert_close(step.update, rows[~dropped].mean(dim=0))


def test_it_stops_one_that_is_boosted() -> None:
    rows = honest(12)
    rows[5] *= 100
    assert flags(rows)[5]


def test_it_cannot_see_what_is_not_in_the_two_components() -> None:
    """Honest updates vary along the first two entries, and attackers deviate in the third, by less."""
    rows = 0.1 * normal(0, 10, 50)
    rows[:, :2] += 10 * normal(2, 10, 2)
    before = flags(rows)
    rows[:3, 2] += 3
    assert flags(rows) == before == [False] * 10


def test_in_rounds_without_attack_it_rejects_nobody() -> None:
    assert sum(sum(flags(honest(10, seed))) for seed in range(30)) == 0


@pytest.mark.parametrize("value", [0.0, 1e-300, 0.25, 1e300])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_of_updates_that_are_equal_none_is_flagged(count: int, value: float) -> None:
    assert flags(torch.full((count, 4), value, dtype=torch.float64)) == [False] * count


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_scale_does_not_matter(scale: float) -> None:
    rows = honest(8)
    rows[:3] = 2 * normal(99, 50) + 0.1 * rows[:3]
    assert flags(scale * rows) == flags(rows)
    assert flags(rows)[:3] == [True] * 3
