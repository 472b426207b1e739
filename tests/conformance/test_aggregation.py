"""Our rules beside those of ByzFL 0.0.11, where its definitions are ours, and beside brute force in plain Python.

Where they differ:

- Krum and Multi-Krum: ByzFL counts n - f - 1 neighbours, the paper n - f - 2; ours does so by an option. Both average
  m = n - f. ByzFL's asks only for n > 2f.
- Geometric median: ByzFL starts at zero and takes a fixed number of steps, 3 unless it is told otherwise.
- There is no Bulyan in ByzFL, and its clipping is centred on the result before.
"""

from types import ModuleType

import numpy as np
import pytest
import torch
from elsewhere import byzfl_aggregators
from helpers.received import apply, normal
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences.bulyan import Bulyan
from fedlens.defences.coordinate_wise import Median, TrimmedMean
from fedlens.defences.geometric_median import GeometricMedian
from fedlens.defences.krum import Krum, KrumAuthors, MultiKrum
from fedlens.defences.rule import Rule

seeds = st.integers(0, 2**32)
sizes = st.integers(1, 30)
many = settings(max_examples=40)


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    return byzfl_aggregators()


def same(rule: Rule, updates: Tensor, expected: object, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(apply(rule, updates).update.numpy(), np.asarray(expected), rtol=0, atol=tolerance)


@given(seed=seeds, count=st.integers(1, 20), size=sizes)
@many
def test_byzfl_median(theirs: ModuleType, seed: int, count: int, size: int) -> None:
    updates = normal(seed, count, size)
    same(Median(), updates, theirs.Median()(updates.numpy()))


@given(seed=seeds, count=st.integers(1, 20), size=sizes)
@many
def test_byzfl_trimmed_mean(theirs: ModuleType, seed: int, count: int, size: int) -> None:
    updates = normal(seed, count, size)
    for f in range((count + 1) // 2):
        same(TrimmedMean(f=f), updates, theirs.TrMean(f=f)(updates.numpy()))


@given(seed=seeds, f=st.integers(0, 4), more=st.integers(0, 6), size=sizes)
@many
def test_byzfl_krum_of_one_neighbour_more(theirs: ModuleType, seed: int, f: int, more: int, size: int) -> None:
    updates = normal(seed, 2 * f + 3 + more, size)
    same(Krum(f=f, neighbours="n-f-1"), updates, theirs.Krum(f=f)(updates.numpy()))
    same(MultiKrum(f=f, neighbours="n-f-1"), updates, theirs.MultiKrum(f=f)(updates.numpy()))


def test_the_papers_krum_is_another(theirs: ModuleType) -> None:
    different = 0
    for seed in range(20):
        updates = normal(seed, 9, 4)
        different += not np.allclose(apply(Krum(f=3), updates).update.numpy(), theirs.Krum(f=3)(updates.numpy()))
    assert different > 0


@given(seed=seeds, count=st.integers(5, 20), size=st.integers(2, 30))
@settings(max_examples=20)
def test_byzfl_geometric_median(theirs: ModuleType, seed: int, count: int, size: int) -> None:
    """As far from all updates together: beside one of these, their point depends on what they add to distances."""
    updates = normal(seed, count, size)

    def far(point: Tensor) -> float:
        return float((updates - point).norm(dim=1).sum())

    ours, other = apply(GeometricMedian(), updates).update, theirs.GeometricMedian(nu=1e-6, T=500)(updates.numpy())
    assert far(ours) == pytest.approx(far(torch.as_tensor(other)), rel=1e-6)


def distance(left: list[float], right: list[float]) -> float:
    """The squared L2 distance."""
    return sum((x - y) ** 2 for x, y in zip(left, right, strict=True))


def krum_by_definition(rows: list[list[float]], neighbours: int, power: float) -> list[int]:
    """Indices of the rows from the lowest score to the highest; where it is the same, all distances decide."""
    scores = []
    for i, row in enumerate(rows):
        others = sorted(distance(row, other) ** power for j, other in enumerate(rows) if j != i)
        scores.append((sum(others[:neighbours]), others, i))
    return [i for *_, i in sorted(scores)]


@given(seed=seeds, f=st.integers(0, 3), more=st.integers(0, 4))
@many
def test_krum_by_definition(seed: int, f: int, more: int) -> None:
    updates = normal(seed, 2 * f + 3 + more, 6)
    count, rows = len(updates), updates.tolist()
    if count - f - 2 < 2:
        return  # with one neighbour, two updates have the same score, and rounding decides
    order = krum_by_definition(rows, count - f - 2, 1)
    same(Krum(f=f), updates, rows[order[0]])
    same(MultiKrum(f=f, m=2), updates, np.mean([rows[order[0]], rows[order[1]]], axis=0))
    weights = [row[:4] for row in rows]
    chosen = krum_by_definition(weights, count - f - 2, 0.5)[0]
    assert apply(KrumAuthors(f=f), updates, biases=2).update.tolist() == rows[chosen]


def bulyan_by_definition(rows: list[list[float]], f: int) -> list[float]:
    """Choose n - 2f rows by Krum, then average the n - 4f entries of each column that are nearest to its median."""
    left, chosen = list(rows), []
    while len(chosen) < len(rows) - 2 * f:
        best = krum_by_definition(left, min(max(len(left) - f - 2, 1), len(left) - 1), 1)[0]
        chosen.append(left.pop(best))
    result = []
    for entries in zip(*chosen, strict=True):
        middle = float(np.median(entries))
        away = sorted((abs(entry - middle), entry) for entry in entries)
        result.append(float(np.mean([entry for _, entry in away[: len(rows) - 4 * f]])))
    return result


def test_bulyan_by_definition() -> None:
    for seed in range(30):
        f = seed % 3
        updates = normal(seed, 4 * f + 3 + seed % 4, 5)
        same(Bulyan(f=f), updates, bulyan_by_definition(updates.tolist(), f))


@pytest.mark.parametrize("rule", [Median(), TrimmedMean(f=3), Bulyan(f=3), Krum(f=3), GeometricMedian()])
def test_single_precision_agrees_with_double(rule: Rule) -> None:
    updates = normal(0, 20, 5000, dtype=torch.float32)
    same(rule, updates, apply(rule, updates.double()).update, 1e-5)
