import numpy as np
import pytest
import torch
from helpers.received import column, equal, normal
from helpers.staged import server, staged
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.defences.chain import Chain
from fedlens.defences.divide_and_conquer import DivideAndConquer, drawn_entries, outlyingness
from fedlens.defences.server_step import server_step
from fedlens.defences.stage import Updates

HAND = torch.tensor([[1, 0], [1, 0.1], [1, -0.1], [5, 0]], dtype=torch.float64)


def flagged(stage: DivideAndConquer, rows: Tensor, seed: int = 0) -> list[int]:
    """Who is flagged."""
    _, _, report = staged(stage, rows, seed=seed)
    assert report.flagged is not None
    return report.flagged.nonzero().flatten().tolist()


def test_by_hand() -> None:
    """Centred, the first entries are -1, -1, -1 and 3, and the second's spread is small: v is ± the first axis."""
    left, _, report = staged(DivideAndConquer(f=1), HAND)
    assert report.details["projection"] == pytest.approx([1, 1, 1, 9])
    assert report.scores is not None
    assert report.scores.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 3])
    assert left.rows.mean(dim=0).tolist() == pytest.approx([1, 0])


@given(seed=st.integers(0, 2**32), count=st.integers(2, 9), size=st.integers(1, 12))
@settings(max_examples=25)
def test_scores_by_the_singular_value_decomposition(seed: int, count: int, size: int) -> None:
    rows = normal(seed, count, size)
    centred = rows.numpy() - rows.numpy().mean(axis=0)
    expected = (centred @ np.linalg.svd(centred)[2][0]) ** 2
    shares, top = outlyingness(rows, None)
    np.testing.assert_allclose((shares * top).numpy(), expected, rtol=0, atol=1e-8)


def test_who_is_flagged_in_one_iteration_is_gone() -> None:
    """Of two entries, one is drawn at a time: the fourth client is far off in the first, the first in the second."""
    rows = torch.tensor([[0, 9], [0.1, 0], [0.2, 0.1], [5, 0.2]], dtype=torch.float64)
    first, several = (DivideAndConquer(f=1, entries=1, iterations=count) for count in (1, 12))
    assert {tuple(flagged(first, rows, seed)) for seed in range(20)} == {(0,), (3,)}
    assert flagged(several, rows) == [0, 3]


def test_entries_are_drawn_from_the_address() -> None:
    address = server(1, 1).address
    mask = drawn_entries(100, 7, address)
    assert mask is not None
    assert int(mask.sum()) == 7
    assert torch.equal(mask, drawn_entries(100, 7, address))  # type: ignore[arg-type]
    assert not torch.equal(mask, drawn_entries(100, 7, address.at(1)))  # type: ignore[arg-type]
    assert drawn_entries(7, 7, address) is None


def test_if_everybody_is_flagged_the_round_is_skipped() -> None:
    rows = torch.diag(torch.tensor([3.0, 4, 5, 6])).double()
    stage = DivideAndConquer(f=1, entries=1, iterations=40)
    chain, at_hand = Chain.of(stage).whole, server(4, 4)
    step = server_step(chain, Updates.received(rows, equal(4)), at_hand, [each.init(at_hand.layout) for each in chain])
    assert step.skipped == "0 of 4 updates were left for mean, and 1 are needed"


def test_edges() -> None:
    assert flagged(DivideAndConquer(f=0), normal(0, 4, 3)) == []
    assert flagged(DivideAndConquer(f=0), column(3)) == []
    assert flagged(DivideAndConquer(f=1), torch.ones(5, 3)) == []
    assert flagged(DivideAndConquer(f=1), torch.zeros(5, 3)) == []
    assert flagged(DivideAndConquer(f=1), column(1, 2)) == []  # both are as far from the mean
    assert flagged(DivideAndConquer(f=2, c=0.5), column(1, 1.1, 7)) == [2]
    assert [DivideAndConquer(f=3, c=0.9).needed(following) for following in (1, 4)] == [3, 6]
    assert DivideAndConquer(f=3, c=2).dropped == 6
    assert flagged(DivideAndConquer(f=1), column(0, 1, 2, 3.2)) == [3]  # squares of -1.55 and 1.65: 2.4 and 2.7
    assert drawn_entries(7, 8, server(1, 1).address) is None
    with pytest.raises(ValueError, match="dnc drops 2 updates, and there are 2"):
        staged(DivideAndConquer(f=2), normal(0, 2, 3))


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
def test_scales_do_not_matter(factor: float) -> None:
    assert flagged(DivideAndConquer(f=1), factor * HAND) == [3]


def test_it_drops_colluders_who_push_together_and_misses_those_within_the_spread() -> None:
    honest = normal(5, 8, 50)
    away = torch.cat([honest, honest.mean(dim=0) - 4 * torch.ones(2, 50)])
    assert flagged(DivideAndConquer(f=2), away) == [8, 9]
    within = torch.cat([honest, honest.mean(dim=0) - 0.1 * torch.ones(2, 50)])
    assert not {8, 9} & set(flagged(DivideAndConquer(f=2), within))
