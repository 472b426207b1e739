"""FLAME: its filter against HDBSCAN on models, whom it stops and whom it cannot, and the whole by a plain loop."""

import numpy as np
import pytest
import torch
from helpers.received import equal, normal
from helpers.staged import server, staged
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences import Updates, server_step
from fedlens.defences.chain import Chain
from fedlens.defences.flame import Flame, FlameFilter
from fedlens.defences.stage import Server, State

ANGLES = torch.tensor([[1, 0.0], [1, 0.01], [1, -0.01], [-1, 0.2], [-1, -0.2]], dtype=torch.float64)


def flags(rows: Tensor, weights: Tensor | None = None) -> list[bool]:
    at_hand = server(*rows.shape)
    at_hand = Server(
        1, at_hand.weights if weights is None else weights, at_hand.layout, at_hand.clients, at_hand.address
    )
    report, _ = FlameFilter().judge(Updates.received(rows, equal(len(rows))), at_hand, State())
    assert report.flagged is not None
    return report.flagged.tolist()


def test_by_hand() -> None:
    """Three of five within 0.02 rad, two opposite: the three are left."""
    left, _, report = staged(FlameFilter(), ANGLES)
    assert torch.equal(left.rows, ANGLES[:3])
    assert report.scores is not None
    near, far = 1 - 1 / 1.0001**0.5, 1 + (1 - 0.01 * 0.2) / (1.0001 * 1.04) ** 0.5
    assert report.scores.tolist() == pytest.approx([near, near, near, far, far], rel=1e-9)


def test_angles_are_those_of_models() -> None:
    """Opposite updates make models of the same direction; without a model, the fourth is nearer than the second."""
    weights, updates = torch.tensor([10.0, 0]), torch.tensor([[0.1, 0], [-0.1, 0], [0.2, 0], [0.5, 1.0]])
    assert flags(updates, weights) == [False, False, False, True]
    assert flags(updates) == [False, True, False, False]


def plain(rows: np.ndarray, weights: np.ndarray) -> tuple[list[int], np.ndarray]:
    """FLAME without noise, by scikit-learn's HDBSCAN and NumPy: who is accepted, and the step."""
    from sklearn.cluster import HDBSCAN
    from sklearn.metrics.pairwise import cosine_distances

    count = len(rows)
    clustering = HDBSCAN(
        min_cluster_size=count // 2 + 1, min_samples=1, metric="precomputed", allow_single_cluster=True, copy=True
    )
    accepted = np.flatnonzero(clustering.fit_predict(cosine_distances(weights + rows)) >= 0).tolist()
    lengths = np.linalg.norm(rows, axis=1)
    median = np.median(lengths)
    return accepted, np.mean([rows[i] * min(1, median / lengths[i]) for i in accepted], axis=0)


@given(seed=st.integers(0, 2**32), count=st.integers(3, 15), attackers=st.integers(0, 7))
@settings(max_examples=30, deadline=None)
def test_the_whole_as_a_plain_loop(seed: int, count: int, attackers: int) -> None:
    rows, weights = normal(seed, count, 6), 3 * normal(seed + 1, 6)
    rows[: min(attackers, count // 2)] += 4
    rows *= torch.logspace(-1, 1, count, dtype=torch.float64)[:, None]
    accepted, expected = plain(rows.numpy(), weights.numpy())
    chain, at_hand = Chain.of({"name": "flame", "noise": 0}).whole, server(count, 6)
    at_hand = Server(1, weights, at_hand.layout, at_hand.clients, at_hand.address)
    announced = torch.arange(1, count + 1, dtype=torch.float64)
    step = server_step(chain, Updates.received(rows, announced), at_hand, [State()] * 4)
    np.testing.assert_allclose(step.update.numpy(), expected, rtol=0, atol=1e-12)
    assert [row for row in range(count) if row not in step.judgements[0].dropped] == accepted


def honest(count: int, seed: int = 0) -> Tensor:
    """Updates with a direction in common, each with deviations of its own."""
    return normal(seed + 1, 200) + 0.5 * normal(seed, count, 200)


def test_noise_is_the_last_of_its_stages() -> None:
    assert Chain.of("flame").names == ["flame-filter", "median-clip", "equal-weights", "mean", "median-noise"]
    noisy, plainly = (staged(Flame(noise=noise), normal(0, 5, 2000))[0].rows for noise in (0.01, 0))
    deviation = 0.01 * float(normal(0, 5, 2000).norm(dim=1).median())
    assert float((noisy - plainly).std()) == pytest.approx(deviation, rel=0.1)
    assert len(Flame(noise=0, action="observe").whole) == 4


@pytest.mark.parametrize("boost", [1, 10])
def test_it_stops_colluders_who_point_elsewhere(boost: float) -> None:
    """Four of ten, all with the same update of another direction, whether it is boosted or not."""
    rows = honest(10)
    rows[:4] = boost * normal(99, 200)
    flagged = flags(rows, 5 * normal(7, 200))
    assert flagged[:4] == [True] * 4


def test_it_cannot_stop_a_majority() -> None:
    rows = honest(10)
    rows[:6] = normal(99, 200)
    assert flags(rows, 5 * normal(7, 200)) == [False] * 6 + [True] * 4


def test_it_cannot_stop_who_hides_among_the_honest() -> None:
    """The mean of the honest, moved a little to where the attackers want: the most central of all, so accepted."""
    rows = honest(10)
    rows[:4] = rows[4:].mean(dim=0) + 0.1 * normal(99, 200)
    assert flags(rows, 5 * normal(7, 200))[:4] == [False] * 4


@pytest.mark.parametrize("value", [0.0, 1e-300, 0.25, 1e30])
def test_of_updates_that_are_equal_none_is_flagged(value: float) -> None:
    assert flags(torch.full((7, 4), value, dtype=torch.float64)) == [False] * 7


@given(seed=st.integers(0, 2**32), exponent=st.sampled_from([-300, -30, 30, 300]))
@settings(max_examples=20)
def test_without_weights_scale_does_not_matter(seed: int, exponent: int) -> None:
    rows = normal(seed, 7, 5)
    assert flags(rows * 10.0**exponent) == flags(rows)


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_none_is_rejected(count: int) -> None:
    assert flags(normal(0, count, 4)) == [False] * count


def test_in_rounds_without_attack_it_rejects_up_to_half_of_the_honest() -> None:
    """As its page says: nearly 0.37 of ten, and never half."""
    shares = [sum(flags(honest(10, seed), 5 * normal(7, 200))) / 10 for seed in range(50)]
    assert max(shares) < 0.5
    assert float(np.mean(shares)) == pytest.approx(0.37, abs=0.04)
