from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import torch
from helpers.received import equal, normal
from helpers.staged import server
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.defences.flanders import Flanders, forecast
from fedlens.defences.stage import Report, Server, State, Updates

SIZE, COUNT = 200, 10
CENTRES = normal(0, COUNT, SIZE)
CURVATURE = 0.2 + torch.rand(SIZE, generator=torch.Generator().manual_seed(1)).double()

Attack = Callable[[int, Tensor, int], Tensor]


def played(stage: Flanders, rounds: int, attack: Attack, since: int, attackers: int) -> list[list[int]]:
    """Whom it flags in rounds of gradient descent on quadratic losses; the last clients attack from one round on."""
    weights, state, found = normal(2, SIZE), State(), []
    for round_ in range(1, rounds + 1):
        rows = -0.3 * CURVATURE * (weights - CENTRES) + 0.05 * normal(1000 + round_, COUNT, SIZE)
        if round_ >= since:
            rows[-attackers:] = attack(round_, rows, attackers)
        at_hand = Server(round_, weights, server(1, SIZE).layout, tuple(range(COUNT)), Address.root(0).at(round_))
        left, state, report = stage.apply(Updates.received(rows, equal(COUNT)), at_hand, state)
        weights = weights + left.rows.mean(dim=0)
        found.append(flagged(report))
    return found


def noisy(round_: int, rows: Tensor, attackers: int) -> Tensor:
    return rows[-attackers:] + normal(100 + round_, attackers, SIZE)


def hidden(round_: int, rows: Tensor, attackers: int) -> Tensor:
    """A little is enough: the mean of the honest, less 1.5 standard deviations."""
    honest = rows[:-attackers]
    return honest.mean(dim=0) - 1.5 * honest.std(dim=0)


def flagged(report: Report) -> list[int]:
    assert report.flagged is not None
    return report.flagged.nonzero().flatten().tolist()


def told(
    stage: Flanders, rounds: list[Tensor], clients: list[list[int]] | None = None, weights: list[float] | None = None
) -> tuple[list[Report], State]:
    """What it says of these rounds, of a model whose weights are all 0, or this number in each round."""
    state, reports = State(), []
    for index, rows in enumerate(rounds):
        count, size = rows.shape
        found = server(count, size, clients=None if clients is None else clients[index])
        start = torch.full((size,), 0.0 if weights is None else weights[index], dtype=torch.float64)
        at_hand = Server(index + 1, start, found.layout, found.clients, found.address)
        _, state, report = stage.apply(Updates.received(rows, equal(count)), at_hand, state)
        reports.append(report)
    return reports, state


def distances(report: Report) -> Sequence[float | list[float]]:
    return report.details["distance"]


def test_by_hand() -> None:
    """From I to diag(2, 3): with B = I, A is diag(2, 3); with that, B is I again, and diag(4, 9) is expected."""
    rounds = [torch.diag(torch.tensor(values)) for values in ([1.0, 1], [2.0, 3], [4.0, 13])]
    (first, second, third), state = told(Flanders(f=1), rounds)
    assert flagged(first) == flagged(second) == []
    assert distances(second) == [0, 0]
    assert distances(third) == pytest.approx([0, 4], abs=1e-12)
    assert third.scores is not None
    assert third.scores.tolist() == pytest.approx([0, 2], abs=1e-12)
    assert flagged(third) == [1]
    assert state.clients[0]["rounds"].tolist() == [1, 2, 3]
    assert state.clients[1]["rounds"].tolist() == [1, 2]


def test_a_model_that_doubles_is_expected_to_go_on() -> None:
    (*_, last), _ = told(Flanders(f=0), [torch.tensor([[value]]) for value in (1.0, 2, 5)])
    assert distances(last) == pytest.approx([1])


@given(seed=st.integers(0, 2**32), rounds=st.integers(2, 4), count=st.integers(1, 4))
@settings(max_examples=10)
def test_forecasts_by_the_normal_equations(seed: int, rounds: int, count: int) -> None:
    """In all entries, by pseudo-inverses of sums, each fitted as often; where the data have full rank."""
    size, steps = 3, 4
    series = normal(seed, rounds, count, size).numpy()
    left, right = np.eye(count), np.eye(size)
    for _ in range(steps):
        pairs = list(pairwise(series))
        above = sum(after @ right.T @ before.T for before, after in pairs)
        left = above @ np.linalg.pinv(sum(before @ right @ right.T @ before.T for before, _ in pairs), rcond=1e-12)
        below = sum(before.T @ left.T @ left @ before for before, _ in pairs)
        right = np.linalg.pinv(below, rcond=1e-12) @ sum(before.T @ left.T @ after for before, after in pairs)
    np.testing.assert_allclose(forecast(series, steps), left @ series[-1] @ right, rtol=1e-4, atol=1e-4)


def test_a_series_in_which_clients_mix_is_continued_exactly() -> None:
    left = normal(0, 3, 3).numpy()
    series = [normal(2, 3, 6).numpy()]
    for _ in range(4):
        series.append(left @ series[-1])
    np.testing.assert_allclose(forecast(np.stack(series[:-1]), 100), series[-1], atol=1e-4)


def test_a_majority_of_noisy_attackers_is_left_out() -> None:
    found = played(Flanders(f=8, window=5), 9, noisy, since=6, attackers=8)
    assert found[5:] == [[2, 3, 4, 5, 6, 7, 8, 9]] * 4


def test_who_hides_among_the_honest_from_the_first_round_on_is_not_noticed() -> None:
    late, early = (played(Flanders(f=2, window=5), 9, hidden, since=since, attackers=2)[5:] for since in (6, 1))
    assert late == [[8, 9]] * 4
    assert not {8, 9} & {client for found in early for client in found}


def test_who_was_away_counts_with_the_global_model_of_the_next_round() -> None:
    """Client 1 sends 7, then 1 to a model of 1 or nothing, and then 9: the next model is 2 in both cases."""
    rounds = [torch.tensor([[1.0], [7]]), torch.ones(2, 1), torch.tensor([[1.0], [9]])]
    there, _ = told(Flanders(f=0), rounds, weights=[0, 1, 2])
    rounds[1] = torch.ones(1, 1)
    gone, _ = told(Flanders(f=0), rounds, [[0, 1], [0], [0, 1]], [0, 1, 2])
    assert distances(gone[-1]) == distances(there[-1])


def test_who_was_flagged_counts_with_the_global_model_of_the_next_round() -> None:
    """In round 3 client 1 is flagged for 13, and might as well have been away; it is so whether rejected or not."""
    rounds = [torch.diag(torch.tensor(values)) for values in ([1.0, 1], [2.0, 3], [4.0, 13], [8.0, 1])]
    flagging, state = told(Flanders(f=1), rounds)
    assert flagged(flagging[2]) == [1]
    assert 3 not in state.clients[1]["rounds"].tolist()
    observing = Flanders(f=1, action="observe")
    assert distances(told(observing, rounds)[0][-1]) == distances(flagging[-1])
    rounds[2] = rounds[2][:1]
    away, _ = told(Flanders(f=0), rounds, [[0, 1], [0, 1], [0], [0, 1]])
    assert distances(away[-1]) == distances(flagging[-1])


@given(seed=st.integers(0, 2**32), random=st.randoms(), exponent=st.sampled_from([-300, -30, 0, 30, 300]))
@settings(max_examples=8)
def test_neither_the_order_of_clients_nor_the_scale_matters(seed: int, random: Random, exponent: int) -> None:
    rounds = [normal(seed + index, 6, 4) + 1 for index in range(4)]
    order = list(range(6))
    random.shuffle(order)
    stage = Flanders(f=2, window=3, iterations=10)
    plain, _ = told(stage, rounds)
    other, _ = told(stage, [10.0**exponent * rows[order] for rows in rounds], [order] * 5)
    for one, two in zip(plain, other, strict=True):
        assert one.scores is not None
        assert two.scores is not None
        torch.testing.assert_close(two.scores, one.scores[order], rtol=1e-4, atol=1e-5)
        assert sorted(order[row] for row in flagged(two)) == flagged(one)


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e300])
def test_nobody_is_flagged_where_all_agree(count: int, value: float) -> None:
    reports, _ = told(
        Flanders(f=1), [torch.full((count, 3), value * (1 + index % 2), dtype=torch.float64) for index in range(5)]
    )
    for report in reports:
        assert flagged(report) == []
        assert report.scores is not None
        assert bool(report.scores.isfinite().all())


def test_one_client_and_no_attackers_are_enough() -> None:
    reports, _ = told(Flanders(f=0), [normal(seed, 1, 3) for seed in range(4)])
    assert [flagged(report) for report in reports] == [[]] * 4
    assert Flanders(f=0).needed(1) == 1
    assert Flanders(f=3).needed(1) == 4


def test_one_extreme_update_is_flagged_and_everything_stays_finite() -> None:
    rounds = [normal(seed, 5, 4) / 10 + 1 for seed in range(6)]
    rounds[4][3] = 1.7e308
    reports, state = told(Flanders(f=1), rounds)
    assert flagged(reports[4]) == [3]
    for report in reports:
        assert np.isfinite(distances(report)).all()
    assert bool(state.clients[3]["models"].isfinite().all())


def test_it_keeps_a_window_of_the_entries_that_it_drew() -> None:
    rounds = [normal(seed, 3, 40) for seed in range(6)]
    _, state = told(Flanders(f=0, window=2, entries=7), rounds)
    drawn = state.tensors["entries"]
    assert len(set(drawn.tolist())) == 7
    assert state.tensors["models"].shape == (2, 7)
    assert torch.equal(state.clients[1]["models"], torch.stack([rounds[4][1, drawn], rounds[5][1, drawn]]))


def test_it_needs_every_clients_own_update_and_more_than_f() -> None:
    with pytest.raises(ConfigError, match="flanders needs each client's own update, but bucketing before it blends"):
        Chain.of(["bucketing", {"name": "flanders", "f": 1}])
    with pytest.raises(ValueError, match=r"^flanders drops 2 updates, and there are 2$"):
        Flanders(f=2).judge(Updates.received(normal(0, 2, 1), equal(2)), server(2, 1), State())
