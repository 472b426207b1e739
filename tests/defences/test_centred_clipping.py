import pytest
import torch
from helpers.received import equal, normal
from helpers.staged import effective, one, staged
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences.centred_clipping import CentredClipping
from fedlens.defences.stage import State

PAIR = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)


def test_by_hand() -> None:
    """From 0: (3, 4) is clipped to (.6, .8), so half of that. From (.3, .4): again (.6, .8) and minus (.3, .4)."""
    first, state, _ = staged(CentredClipping(tau=1), PAIR)
    second, _, _ = staged(CentredClipping(tau=1), PAIR, state=state)
    at_once, _, _ = staged(CentredClipping(tau=1, iterations=2), PAIR)
    assert one(first).tolist() == pytest.approx([0.3, 0.4])
    assert one(second).tolist() == one(at_once).tolist() == pytest.approx([0.45, 0.6])
    assert effective(first).tolist() == pytest.approx([0.1, 0.5])  # factors 1/5 and 1
    assert effective(second).tolist() == pytest.approx([1 / 4.5 / 2, 0.5])  # from 4.5 away


def by_definition(updates: Tensor, centre: Tensor, tau: float, passes: int) -> Tensor:
    """The paper's formula, term by term."""
    for _ in range(passes):
        moves = [(row - centre) * min(1, tau / max(float((row - centre).norm()), 1e-300)) for row in updates]
        centre = centre + torch.stack(moves).mean(dim=0)
    return centre


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 8),
    passes=st.integers(1, 4),
    tau=st.floats(0.01, 20),
    size=st.floats(-3, 6),
)
def test_the_aggregate_is_what_the_paper_and_the_weights_say(
    seed: int, count: int, passes: int, tau: float, size: float
) -> None:
    updates, before = normal(seed, count, 5), normal(seed + 1, 5)
    updates[0] *= 10**size
    found, state, _ = staged(CentredClipping(tau=tau, iterations=passes), updates, state=State({"aggregate": before}))
    weights = effective(found)
    torch.testing.assert_close(one(found), by_definition(updates, before, tau, passes), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(weights @ updates + (1 - weights.sum()) * before, one(found))
    assert bool((weights >= 0).all())
    assert float(weights.sum()) <= 1 + 1e-12
    assert torch.equal(state.tensors["aggregate"], one(found))


def test_updates_that_agree_and_are_near_are_applied_whole() -> None:
    update = normal(0, 5)
    assert one(staged(CentredClipping(), update.repeat(4, 1))[0]).tolist() == pytest.approx(update.tolist())


def test_no_client_moves_it_by_more_than_its_part_of_tau() -> None:
    updates = normal(0, 5, 8)
    honest = one(staged(CentredClipping(tau=2), updates)[0])
    for seed in range(5):
        updates[0] = 1e6 * normal(seed, 8)
        assert float((one(staged(CentredClipping(tau=2), updates)[0]) - honest).norm()) <= 2 * 2 / 5 + 1e-9


def test_clients_count_equally() -> None:
    unequal = torch.tensor([0.9, 0.1], dtype=torch.float64)
    assert torch.equal(
        one(staged(CentredClipping(), PAIR, unequal)[0]), one(staged(CentredClipping(), PAIR, equal(2))[0])
    )
