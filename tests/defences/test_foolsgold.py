from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
import torch
from helpers.received import normal
from helpers.staged import effective, one, server, staged
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.layout import Layout, Slice
from fedlens.defences.clip import Clip
from fedlens.defences.foolsgold import ALL_ALIKE, FoolsGold, added, foolsgold_weights, unlikeness
from fedlens.defences.nearest_neighbour_mixing import NearestNeighbourMixing
from fedlens.defences.stage import State, Updates

THREE = torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.float64)


def weights_of(cosines: list[list[float]], kappa: float = 1) -> list[float]:
    found = foolsgold_weights(1 - torch.tensor(cosines, dtype=torch.float64), kappa, 1e-15)
    assert found is not None
    return found.tolist()


def test_weights_by_hand() -> None:
    """Maxima .5, .5, .2; the third's pardon makes its .2 of theirs .08: a = .5/.92, and ln(a / (1 - a)) + .5."""
    found = weights_of([[1, 0.5, 0.2], [0.5, 1, 0.2], [0.2, 0.2, 1]])
    trust = 0.5 / 0.92
    assert trust == pytest.approx(0.543478, abs=1e-6)
    assert found == pytest.approx([log(trust / (1 - trust)) + 0.5, 0.674353, 1], abs=1e-6)
    assert weights_of([[1, 0.5, 0.2], [0.5, 1, 0.2], [0.2, 0.2, 1]], 0.5) == pytest.approx([0.674353 / 2] * 2 + [1])


def test_the_most_trusted_has_099_in_place_of_1() -> None:
    """κ (ln 99 + 1/2), for κ = 1/10."""
    assert weights_of([[1, 1, 0], [1, 1, 0], [0, 0, 1]], 0.1) == pytest.approx([0, 0, 0.509512], abs=1e-6)


def test_what_is_apart_by_no_more_than_the_resolution_is_alike() -> None:
    apart = torch.tensor([[0, 0.25], [0.25, 0]], dtype=torch.float64)
    assert foolsgold_weights(apart, 1, 0.25) is None
    assert foolsgold_weights(apart, 1, 0.24) is not None


def test_who_is_opposite_to_all_is_pardoned_nothing() -> None:
    """The largest cosine of the third is 0, as for all that point away; the first two are alike."""
    assert weights_of([[1, 1, -1], [1, 1, -1], [-1, -1, 1]]) == [0, 0, 1]


def test_of_two_that_are_alike_neither_counts() -> None:
    assert weights_of([[1, 1, 0], [1, 1, 0], [0, 0, 1]]) == [0, 0, 1]
    aggregate, _, _ = staged(FoolsGold(), THREE)
    assert effective(aggregate).tolist() == [0, 0, 1]
    assert one(aggregate).tolist() == [0, 0, 1]


def by_definition(histories: Tensor) -> list[float]:
    """The weights, as in the authors' loops."""
    rows = histories.numpy()
    cosines = np.array([[x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in rows] for x in rows])
    np.fill_diagonal(cosines, 0)
    top = cosines.max(axis=1)
    for i in range(len(rows)):
        for j in range(len(rows)):
            if i != j and top[i] < top[j]:
                cosines[i][j] *= top[i] / top[j]
    trust = np.clip(1 - cosines.max(axis=1), 0, 1)
    trust /= trust.max()
    trust[trust == 1] = 0.99
    return [min(max(log(a / (1 - a)) + 0.5, 0), 1) for a in trust]


@given(seed=st.integers(0, 2**32), count=st.integers(2, 8), alike=st.floats(0, 3), authors=st.booleans())
def test_rounds_by_definition(seed: int, count: int, alike: float, authors: bool) -> None:
    first, second = (normal(seed + i, count, 6) + alike for i in (0, 1))
    rule = FoolsGold(normalise=not authors)
    _, state, _ = staged(rule, first)
    aggregate, state, _ = staged(rule, second, state=state)
    weights = torch.tensor(by_definition(first + second), dtype=torch.float64)
    if not authors:
        weights /= weights.sum()
    torch.testing.assert_close(effective(aggregate), weights, rtol=0, atol=1e-8)
    torch.testing.assert_close(one(aggregate), weights @ second, rtol=0, atol=1e-7)


def test_what_was_is_remembered_by_client_and_not_by_row() -> None:
    """Clients 7 and 9 sent the same in the first round; in the second, 9 is in the first row and 3 is new."""
    _, before, _ = staged(FoolsGold(), THREE, clients=[7, 9, 2])
    rows = torch.tensor([[1.0, 1, 0], [0, -1, 0]], dtype=torch.float64)
    aggregate, after, _ = staged(FoolsGold(), rows, state=before, clients=[9, 3])
    assert {client: kept["history"].tolist() for client, kept in after.clients.items()} == {
        7: [1, 1, 0], 9: [2, 2, 0], 2: [0, 0, 1], 3: [0, -1, 0],
    }  # fmt: skip
    assert after.clients[7] is before.clients[7]
    assert before.clients[9]["history"].tolist() == [1, 1, 0]
    assert effective(aggregate).tolist() == [0.5, 0.5]


def test_sybils_who_differ_in_one_round_are_found_by_all_rounds() -> None:
    honest = normal(0, 3, 20)
    alone = torch.cat([honest, normal(1, 2, 20)])
    together = torch.cat([normal(2, 3, 20), normal(3, 1, 20).repeat(2, 1) * 10])
    _, state, _ = staged(FoolsGold(), together)
    shares = effective(staged(FoolsGold(), alone, state=state)[0])
    assert shares[3:].tolist() == [0, 0]
    assert float(effective(staged(FoolsGold(), alone)[0])[3:].min()) > 0.1


def test_the_last_layer_alone_is_remembered_if_so_wanted() -> None:
    """All are alike in the last entry, which is the last layer, the bias's, of this layout."""
    rows = torch.tensor([[2.0, 0, 1], [0, 2, 2], [0, 0, -1]])
    rule = FoolsGold(remember="last-layer")
    parts = (Slice("0.weight", "0", "weight", 0, 2, (2,)), Slice("1.weight", "1", "weight", 2, 3, (1,)))
    two = replace(server(3, 3), layout=Layout(parts))
    updates = Updates.received(rows, torch.ones(3).double() / 3)
    aggregate, state, _ = rule.apply(updates, two, State())
    assert state.clients[1]["history"].tolist() == [2]
    assert effective(aggregate).tolist() == [0, 0, 1]
    assert effective(FoolsGold().apply(updates, two, State())[0])[0] > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_where_all_are_alike_the_round_is_skipped(dtype: torch.dtype) -> None:
    rows = torch.tensor([1.0, 2, 3]).double().outer(normal(0, 300)).to(dtype)
    aggregate, state, report = staged(FoolsGold(), rows)
    assert report.skipped == ALL_ALIKE
    assert state.clients == {}
    assert one(aggregate).tolist() == [0] * 300


def test_one_client_alone_is_trusted() -> None:
    aggregate, _, report = staged(FoolsGold(), THREE[:1])
    assert report.skipped is None
    assert one(aggregate).tolist() == [1, 1, 0]


def test_zeros_are_like_nothing() -> None:
    rows = torch.tensor([[0.0, 0], [0, 0], [1, 0], [0, 2]])
    assert unlikeness(list(rows)).tolist()[0] == [1, 1, 1, 1]
    assert effective(staged(FoolsGold(), rows)[0]).tolist() == [0.25] * 4


def test_near_pairs_are_told_apart_exactly() -> None:
    """Two at an angle of 0.001: 1 - cos is 5e-7, of which a product of float32 would leave one digit."""
    rows = torch.tensor([[1.0, 0], [1, 1e-3]])
    assert float(unlikeness(list(rows))[0, 1]) == pytest.approx(1 - 1 / sqrt(1 + 1e-6), rel=1e-3)


def test_a_history_never_overflows() -> None:
    long = torch.tensor([3e38, -2e38])
    assert added(long, long).tolist() == pytest.approx(long.tolist())
    assert added(None, long).tolist() == long.tolist()


def test_a_clipped_update_is_its_clients_still_but_a_mixed_one_is_nobodys() -> None:
    updates = Updates.received(THREE * 5, torch.ones(3).double() / 3)
    at_hand = server(3, 3, clients=[7, 9, 2])
    clipped, _, _ = Clip(max_norm=1).apply(updates.keep([2, 0]), at_hand, State())
    _, state, _ = FoolsGold().apply(clipped, at_hand, State())
    assert {client: kept["history"].tolist() for client, kept in state.clients.items()} == {
        2: [0, 0, 1], 7: pytest.approx([sqrt(0.5), sqrt(0.5), 0]),
    }  # fmt: skip
    mixed, _, _ = NearestNeighbourMixing(f=1).apply(updates, at_hand, State())
    with pytest.raises(ValueError, match="foolsgold needs every client's own update"):
        FoolsGold().apply(mixed, at_hand, State())
