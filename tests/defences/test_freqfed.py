"""FreqFed's filter: transforms by hand, the whole by SciPy and scikit-learn, whom it stops and whom it cannot."""

import numpy as np
import pytest
import torch
from helpers.received import equal, normal
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fedlens.core.layout import Layout, Slice
from fedlens.core.random import Address
from fedlens.defences import Chain, FlameFilter, FreqFedFilter, Server, State, Updates, server_step
from fedlens.defences.filter import Filter
from fedlens.defences.freqfed import fingerprints, low_frequencies

LAYOUT = Layout.of(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(6, 4)))
seeds = st.integers(0, 2**32)


def flags(rows: Tensor, stage: Filter, weights: Tensor | None = None, layout: Layout = LAYOUT) -> list[bool]:
    weights = torch.zeros(rows.shape[1]) if weights is None else weights
    server = Server(1, weights, layout, tuple(range(len(rows))), Address.root(0))
    report, _ = stage.judge(Updates.received(rows, equal(len(rows))), server, State())
    assert report.flagged is not None
    return report.flagged.tolist()


def test_transforms_by_hand() -> None:
    """Of four equal entries, all is in the first frequency; of 1, -1, 1, -1, nothing in it and in the third."""
    assert low_frequencies(np.ones((1, 4)), 1) == pytest.approx([2, 0, 0, 0])
    assert low_frequencies(np.array([[1.0, -1, 1, -1]]), 1) == pytest.approx([0, 0.765367, 0, 1.847759], abs=1e-6)
    assert low_frequencies(np.ones((2, 2)), 1) == pytest.approx([2, 0, 0, 0])


def test_which_frequencies_are_low() -> None:
    """Of 4 × 8 at c = 1/4: rows to 2, columns to 4 but to 3 by their sum, so 4 + 3 + 2; of a row of 8, to 2."""
    matrix = np.random.default_rng(0).normal(size=(4, 8))
    from scipy.fft import dctn

    whole = dctn(matrix, norm="ortho")
    expected = [whole[u, v] for u in range(3) for v in range(5) if u + v <= 3]
    assert low_frequencies(matrix, 0.25) == pytest.approx(expected)
    assert len(expected) == 9
    assert len(low_frequencies(np.ones((1, 8)), 0.25)) == 3
    assert len(low_frequencies(np.ones((1, 1)), 0.25)) == 1


def test_all_parameters_are_matrices() -> None:
    """A kernel is a row for each output of what it takes from channels, heights and widths, in this order."""
    row = normal(0, 1, LAYOUT.size)
    found = fingerprints(row, LAYOUT, 0.25)[0]
    named = LAYOUT.split(row[0])
    matrices = [named["0.weight"].reshape(3, 18), named["0.bias"][None], named["1.weight"], named["1.bias"][None]]
    torch.testing.assert_close(
        found, torch.from_numpy(np.concatenate([low_frequencies(one.numpy(), 0.25) for one in matrices]))
    )


def test_what_is_too_large_for_single_precision_is_computed_in_double() -> None:
    """Of eight equal entries, the first frequency is √8 times as large; the next three are 0."""
    layout = Layout.of(nn.Linear(8, 1, bias=False))
    found = fingerprints(torch.full((1, 8), 3e38), layout, 0.25)
    assert found.dtype == torch.float64
    assert found[0].tolist() == pytest.approx([float(torch.tensor(3e38)) * 8**0.5, 0, 0], abs=1e25)
    assert fingerprints(torch.ones(1, 8), layout, 0.25).dtype == torch.float32


def test_empty_parameters_and_single_numbers() -> None:
    parts = (
        Slice("empty", "empty", "weight", 0, 0, (0, 3)),
        Slice("scale", "scale", "weight", 0, 1, ()),
        Slice("bias", "bias", "bias", 1, 3, (2,)),
    )
    assert fingerprints(torch.tensor([[5.0, 1, 1]]), Layout(parts), 1)[0].tolist() == pytest.approx([5, 2**0.5, 0])


@given(seed=seeds, count=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_with_all_frequencies_it_judges_as_flame_does(seed: int, count: int) -> None:
    rows, weights = normal(seed, count, LAYOUT.size), 2 * normal(seed + 1, LAYOUT.size)
    assert flags(rows, FreqFedFilter(cutoff=1), weights) == flags(rows, FlameFilter(), weights)


@given(seed=seeds, count=st.integers(3, 12), attackers=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_as_a_plain_loop(seed: int, count: int, attackers: int) -> None:
    from scipy.fft import dctn
    from sklearn.cluster import HDBSCAN
    from sklearn.metrics.pairwise import cosine_distances

    rows, weights = normal(seed, count, 48), 2 * normal(seed + 1, 48)
    rows[: min(attackers, count // 2)] += 3
    layout = Layout.of(nn.Linear(8, 6, bias=False))
    place = np.add.outer(np.arange(6), np.arange(8)) <= 3.5
    place[4:], place[:, 5:] = False, False
    found = [dctn(model.reshape(6, 8), norm="ortho")[place] for model in (weights + rows).numpy()]
    clustering = HDBSCAN(
        min_cluster_size=count // 2 + 1, min_samples=1, metric="precomputed", allow_single_cluster=True, copy=True
    )
    labels = clustering.fit_predict(cosine_distances(found))
    assert flags(rows, FreqFedFilter(), weights, layout) == (labels < 0).tolist()
    chain = Chain.of("freqfed").whole
    server = Server(1, weights, layout, tuple(range(count)), Address.root(0))
    step = server_step(chain, Updates.received(rows, equal(count)), server, [State()] * 3)
    np.testing.assert_allclose(step.update.numpy(), rows.numpy()[labels >= 0].mean(axis=0), atol=1e-12)


def honest(count: int, seed: int = 0) -> Tensor:
    return normal(seed + 1, LAYOUT.size) + 0.3 * normal(seed, count, LAYOUT.size)


def test_it_stops_colluders_with_other_low_frequencies() -> None:
    rows = honest(10)
    rows[:4] = 0.5 * normal(99, LAYOUT.size)
    assert flags(rows, FreqFedFilter(), normal(7, LAYOUT.size))[:4] == [True] * 4


def test_it_cannot_see_high_frequencies() -> None:
    """What alternates from column to column in the layers' last quarter is none of a fingerprint's business."""
    layout = Layout.of(nn.Linear(64, 1, bias=False))
    rough = torch.from_numpy(np.cos(np.pi * (np.arange(64) + 0.5) * 60 / 64))
    smooth = torch.from_numpy(np.cos(np.pi * (np.arange(64) + 0.5) * 3 / 64))
    rows = smooth + 0.01 * normal(0, 7, 64)
    rows[:3] = smooth + 5 * rough
    assert flags(rows, FreqFedFilter(), layout=layout)[:3] == [False] * 3
    assert flags(rows, FlameFilter(), layout=layout) == [True] * 3 + [False] * 4


@pytest.mark.parametrize("value", [0.0, 1e-300, 0.25, 1e300])
def test_of_updates_that_are_equal_none_is_flagged(value: float) -> None:
    assert flags(torch.full((7, LAYOUT.size), value, dtype=torch.float64), FreqFedFilter()) == [False] * 7


def test_in_rounds_without_attack_it_rejects_up_to_half_of_the_honest() -> None:
    """As its page says: nearly 0.37 of ten, and never half."""
    weights = normal(7, LAYOUT.size)
    shares = [sum(flags(honest(10, seed), FreqFedFilter(), weights)) / 10 for seed in range(40)]
    assert max(shares) < 0.5
    assert float(np.mean(shares)) == pytest.approx(0.37, abs=0.04)
