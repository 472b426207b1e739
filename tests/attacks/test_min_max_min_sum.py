"""Min-Max and Min-Sum: closed forms against the papers' search, hand values, and degenerate rounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from teams import a_team, clean_accuracy, final_accuracy, sent, with_buffers

from fedlens.attacks.min_max import MinMax
from fedlens.attacks.min_sum import MinSum
from fedlens.data.partition import Dirichlet

ATTACKS: dict[str, Any] = {
    "min-max": MinMax,
    "min-sum": MinSum,
    "min-sum within the least": lambda **options: MinSum(bound="min", **options),
}
DIRECTIONS = ["unit", "sign", "std"]
COLUMN = [[0.0], [2.0], [7.0]]


def direction_of(rows: np.ndarray, direction: str) -> np.ndarray:
    mean = rows.mean(0)
    if direction == "std":
        return -rows.std(0, ddof=1)
    return -np.sign(mean) if direction == "sign" else -mean / np.linalg.norm(mean)


def within(name: str, rows: np.ndarray) -> Callable[[np.ndarray], bool]:
    """The papers' conditions, as they stand."""
    squares = ((rows[:, None] - rows) ** 2).sum(2)
    if name == "min-max":
        return lambda evil: bool(np.linalg.norm(evil - rows, axis=1).max() <= np.sqrt(squares.max()))
    sums = squares.sum(1)
    bound = sums.min() if name.endswith("least") else sums.max()
    return lambda evil: bool(((evil - rows) ** 2).sum() <= bound)


def searched(name: str, rows: np.ndarray, direction: str, start: float = 10) -> np.ndarray:
    """The papers' search: from a start by halving steps, up where the condition holds, else down."""
    mean, away, holds = rows.mean(0), direction_of(rows, direction), within(name, rows)
    gamma, step, found = start, start / 2, 0.0
    while abs(found - gamma) > 1e-5:
        if holds(mean + gamma * away):
            found, gamma = gamma, gamma + step
        else:
            gamma -= step
        step /= 2
    return np.asarray(mean + found * away)


@pytest.mark.parametrize(("name", "wanted"), [("min-max", 0), ("min-sum", -1), ("min-sum within the least", 2)])
@pytest.mark.parametrize("direction", ["unit", "sign"])
def test_a_column_by_hand(name: str, wanted: float, direction: Any) -> None:
    # The mean is 3. Min-Max: 0 is 7 from 7, as 0 is. Min-Sum: 53, 29, 74; 26 + 3γ² is 74 at γ = 4, and 29 at γ = 1.
    team = a_team([[1.0], [1.0]], COLUMN)
    assert sent(ATTACKS[name](direction=direction), team).tolist() == [[pytest.approx(wanted, abs=1e-6)]] * 2
    assert [member.log["gamma"] for member in team.members] == [pytest.approx(3 - wanted)] * 2


def test_the_deviation_by_hand() -> None:
    # σ of the sample is √(26 / 2) = 3.606, so γ is 3 / 3.606 to be at 0, and that has no unit.
    team = a_team([[1.0]], COLUMN)
    assert sent(MinMax(direction="std"), team).tolist() == [[pytest.approx(0, abs=1e-6)]]
    assert team.members[0].log["gamma"] == pytest.approx(3 / 13**0.5)


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(2, 6), st.integers(1, 5)), elements=st.floats(-4, 4, width=16)),
    st.sampled_from(sorted(ATTACKS)),
    st.sampled_from(DIRECTIONS),
)
def test_the_furthest_point_is_that_of_the_papers_search(rows: np.ndarray, name: str, direction: Any) -> None:
    exact = rows.astype(np.float64)
    if np.linalg.norm(exact.mean(0)) < 0.1 or exact.std(0).max() < 0.1:
        return  # no direction, or one that only rounding has
    found = sent(ATTACKS[name](direction=direction), a_team(torch.zeros(1, rows.shape[1]), torch.from_numpy(rows)))
    wanted = searched(name, exact, direction, start=50)  # so that the search can reach it
    np.testing.assert_allclose(found[0], wanted, atol=1e-3)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_is_on_the_bound_whatever_the_scale(name: str, direction: Any) -> None:
    rows = np.random.default_rng(2).normal(size=(6, 40)) + 1
    attack, holds = ATTACKS[name](direction=direction), within(name, rows)
    away = direction_of(rows, direction)
    for scale in (1.0, 1e30, 1e-300, 1e300):
        team = a_team(torch.zeros(1, 40).double(), torch.from_numpy(rows * scale))
        evil = sent(attack, team)[0].numpy() / scale
        gone = (evil - rows.mean(0)) @ away / (away @ away)
        assert holds(rows.mean(0) + 0.9999 * gone * away)
        assert not holds(rows.mean(0) + 1.0001 * gone * away)


def test_what_the_team_sees_alone() -> None:
    attack = MinMax(sees="team")
    assert (attack.sight, attack.omniscient, MinMax().sight, MinMax().omniscient) == ("team", False, "all", True)
    assert sent(MinSum(sees="team", direction="unit"), a_team(COLUMN, cohort=9)).tolist() == [[pytest.approx(-1)]] * 3


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([[4.0, -1]] * 3, [4, -1]),
        ([[0.0, 0]] * 3, [0, 0]),
        ([[4.0, -1]], [4, -1]),
        ([[4.0, -1], [float("nan"), 0]], [4, -1]),
        (torch.empty(0, 2), [0, 0]),
    ],
)
def test_without_a_spread_it_sends_the_mean(name: str, direction: Any, others: Any, wanted: list[float]) -> None:
    team = a_team([[3.0, 3], [4, 4]], others)
    assert sent(ATTACKS[name](direction=direction), team).tolist() == [pytest.approx(wanted)] * 2
    assert [member.log["gamma"] for member in team.members] == [0, 0]


@pytest.mark.parametrize("name", ATTACKS)
def test_around_zero_there_is_no_way_to_turn_round(name: str) -> None:
    team = a_team([[3.0, 3]], [[1.0, 2], [-1, -2]])
    assert sent(ATTACKS[name](direction="unit"), team).tolist() == [[0, 0]]


@pytest.mark.parametrize("name", ATTACKS)
def test_buffers_neither_count_nor_go_anywhere(name: str) -> None:
    others = [[0.0, 1, 5, 1000, 3], [2.0, 1, 7, -3000, 3], [7.0, 1, 9, 2000, 3]]
    plain = sent(ATTACKS[name](direction="unit"), a_team([[0.0, 0]], [row[:2] for row in others]))
    whole = sent(ATTACKS[name](direction="unit"), a_team([[0.0] * 5], others, network=with_buffers()))
    assert whole.tolist() == [[*plain[0].tolist(), 7, 0, 3]]


@pytest.mark.parametrize("name", ["min-max", "min-sum"])
def test_it_damages_the_mean_where_clients_differ_and_hardly_where_they_agree(name: str) -> None:
    others = torch.ones(6, 1) + torch.linspace(-1e-3, 1e-3, 6)[:, None]
    evil = sent(ATTACKS[name](direction="unit"), a_team([[1.0]] * 5, others))
    assert float(torch.cat([others, evil]).mean()) > 0.999
    different = {"partition": Dirichlet(alpha=0.1)}
    assert final_accuracy({"name": name, "direction": "unit"}, **different) < clean_accuracy(**different) - 0.05
