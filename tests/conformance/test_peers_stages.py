"""Our stages beside those of ByzFL 0.0.11, where its definitions are ours.

Where they differ:

- Clipping writes to its caller's rows, ours does not.
- Centred clipping: τ is 100 in ByzFL unless it is told otherwise, 10 in the paper and here.
- NNM asks only for n > f; of updates that are equally near, any may be taken.
- Bucketing: clients count equally, and so does the last bucket, however few updates it has.
"""

from types import ModuleType

import numpy as np
import pytest
import torch
from elsewhere import byzfl_aggregators, part_of_byzfl
from helpers.received import equal, normal
from helpers.staged import one, staged
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlens.defences.bucketing import buckets
from fedlens.defences.centred_clipping import CentredClipping
from fedlens.defences.clip import Clip
from fedlens.defences.nearest_neighbour_mixing import NearestNeighbourMixing

seeds = st.integers(0, 2**32 - 1)
many = settings(max_examples=40)


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    return byzfl_aggregators()


@pytest.fixture(scope="module")
def mixing() -> ModuleType:
    return part_of_byzfl("aggregators.preaggregators")


@given(seed=seeds, f=st.integers(0, 4), more=st.integers(0, 6), size=st.integers(1, 30))
@many
def test_byzfl_nnm(mixing: ModuleType, seed: int, f: int, more: int, size: int) -> None:
    updates = normal(seed, 2 * f + 1 + more, size)
    ours = staged(NearestNeighbourMixing(f=f), updates)[0].rows
    np.testing.assert_allclose(ours.numpy(), mixing.NNM(f)(updates.numpy()), rtol=0, atol=1e-12)


@given(seed=seeds, count=st.integers(1, 8), limit=st.floats(0.1, 10))
@many
def test_byzfl_clipping(mixing: ModuleType, seed: int, count: int, limit: float) -> None:
    updates = normal(seed, count, 5)
    ours = staged(Clip(max_norm=limit), updates)[0].rows
    np.testing.assert_allclose(ours.numpy(), mixing.Clipping(c=limit)(updates.clone().numpy()), rtol=0, atol=1e-12)


@given(seed=seeds, count=st.integers(1, 8), tau=st.floats(0.1, 10), passes=st.integers(1, 4))
@many
def test_byzfl_centred_clipping_over_three_rounds(
    rules: ModuleType, seed: int, count: int, tau: float, passes: int
) -> None:
    theirs, state = rules.CenteredClipping(L=passes, tau=tau), None
    for round_ in range(3):
        updates = normal(seed + round_, count, 5)
        ours, state, _ = staged(CentredClipping(tau=tau, iterations=passes), updates, state=state)
        with np.errstate(divide="ignore"):  # of an update that is v
            expected = theirs(updates.numpy())
        np.testing.assert_allclose(one(ours).numpy(), expected, rtol=0, atol=1e-12)


@given(seed=seeds, count=st.integers(1, 12), size=st.integers(1, 12))
@many
def test_byzfl_bucketing_in_the_same_order(mixing: ModuleType, seed: int, count: int, size: int) -> None:
    """Whose order is drawn by shuffling: with the updates goes a column that tells which is which."""
    numbered = torch.cat([torch.arange(count, dtype=torch.float64)[:, None], normal(seed, count, 4)], dim=1)
    np.random.seed(seed)  # noqa: NPY002 - which is what it draws from
    theirs = mixing.Bucketing(s=size)(numbered.clone().numpy())
    np.random.seed(seed)  # noqa: NPY002
    order = torch.from_numpy(np.random.permutation(count))  # noqa: NPY002
    matrix, _ = buckets(equal(count), order, size)
    np.testing.assert_allclose((matrix @ numbered).numpy(), theirs, rtol=0, atol=1e-12)
