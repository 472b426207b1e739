"""Fang's attack on trimmed mean and median: intervals by hand, draws within them, and what the rules make of it."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from teams import a_team, clean_accuracy, final_accuracy, sent

from fedlens.attacks.fang_trimmed_mean import FangTrimmedMean, beyond_deviations, beyond_extremes
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.data.partition import Dirichlet


def interval(ends: tuple[torch.Tensor, torch.Tensor], known: KnownUpdates) -> list[float]:
    return [float(end) * known.unit for end in ends]


def column(values: list[float]) -> KnownUpdates:
    return KnownUpdates.among(torch.tensor(values)[:, None], 1)


@pytest.mark.parametrize(
    ("values", "b", "wanted"),
    [
        ([1.0, 2, 4], 2, [0.5, 1]),  # up: below the least, which is positive
        ([-1.0, 2, 8], 2, [-2, -1]),  # up, and the least is negative
        ([0.0, 1, 2], 2, [0, 0]),
        ([-10.0, 1, 4], 2, [4, 8]),  # down: above the greatest
        ([-4.0, -2, -1], 2, [-1, -0.5]),
        ([-4.0, 0], 2, [0, 0]),
        ([1.0, 2, 4], 4, [0.25, 1]),
        ([-1.0, 1], 2, [0, 0]),  # neither up nor down
    ],
)
def test_full_knowledge_by_hand(values: list[float], b: float, wanted: list[float]) -> None:
    known = column(values)
    assert interval(beyond_extremes(known, b), known) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("values", "sigma", "wanted"),
    [
        ([1.0, 2, 3], "population", [2 - 4 * 0.8164966, 2 - 3 * 0.8164966]),
        ([1.0, 2, 3], "sample", [-2, -1]),
        ([-1.0, -2, -3], "sample", [1, 2]),
        ([-1.0, 1], "sample", [0, 0]),
        ([5.0], "population", [5, 5]),
    ],
)
def test_partial_knowledge_by_hand(values: list[float], sigma: Any, wanted: list[float]) -> None:
    known = column(values)
    assert interval(beyond_deviations(known, sigma), known) == pytest.approx(wanted, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-8, 8, width=16), min_size=1, max_size=6), st.sampled_from(["all", "team"]))
def test_every_attacker_draws_its_own_values_from_the_whole_interval(values: list[float], sees: Any) -> None:
    rows = torch.tensor(values)[:, None].expand(-1, 400).contiguous()
    honest, others = (torch.zeros(3, 400), rows) if sees == "all" else (rows, None)
    updates = sent(FangTrimmedMean(sees=sees), a_team(honest, others, cohort=9))
    known = column(values)
    ends = beyond_extremes(known, 2) if sees == "all" else beyond_deviations(known, "population")
    low, high = interval(ends, known)
    slack = 1e-4 * (1 + abs(low) + abs(high))
    assert float(updates.min()) >= low - slack
    assert float(updates.max()) <= high + slack
    if high - low > 0.01:
        assert len(updates.unique()) > 300
        assert float(updates.mean()) == pytest.approx((low + high) / 2, abs=0.1 * (high - low))
        assert len(updates) == 1 or not torch.equal(updates[0], updates[1])


def test_the_median_is_moved_to_the_extreme_honest_value() -> None:
    others = torch.tensor([[1.0, -4], [2, -2], [4, -1]])
    team = a_team([[0.0, 0]] * 2, others, rule="median")
    assert team.server is not None
    assert team.server.step(torch.cat([others, sent(FangTrimmedMean(), team)])).tolist() == [1, -1]
    trimming = a_team([[0.0, 0]] * 2, others, rule={"name": "trimmed-mean", "f": 1})
    assert trimming.server is not None
    step = trimming.server.step(torch.cat([others, sent(FangTrimmedMean(), trimming)]))
    assert step[0] < 7 / 3 - 0.5  # less than the honest mean
    assert step[1] > -7 / 3 + 0.5
    # what trims as many as attack stays among the honest values
    trimming = a_team([[0.0, 0]] * 2, others, rule={"name": "trimmed-mean", "f": 2})
    assert trimming.server is not None
    assert trimming.server.step(torch.cat([others, sent(FangTrimmedMean(), trimming)])).tolist() == [1, -1]


@pytest.mark.parametrize("sees", ["all", "team"])
@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ([[0.0, 0]] * 3, [0, 0]),
        (torch.empty(0, 2), [0, 0]),
        ([[float("nan"), 0]], [0, 0]),
    ],
)
def test_of_nothing_it_makes_nothing(sees: Any, known: Any, wanted: list[float]) -> None:
    if sees == "team" and not len(known):
        return
    team = a_team([[5.0, 5]] * 2, known) if sees == "all" else a_team(known, cohort=9)
    assert all(row == wanted for row in sent(FangTrimmedMean(sees=sees), team).tolist())


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_any_scale(scale: float) -> None:
    rows = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64) * scale
    updates = sent(FangTrimmedMean(), a_team(torch.zeros(2, 1).double(), rows)) / scale
    assert bool(((updates >= 0.5) & (updates <= 1)).all())


def test_it_damages_the_median_and_fails_if_it_knows_nothing_of_a_spread() -> None:
    plan = {"aggregation": "median", "clients": 5, "partition": Dirichlet(alpha=1)}
    assert final_accuracy("fang-trimmed-mean", **plan) < clean_accuracy(**plan) - 0.05
    alone = sent(FangTrimmedMean(sees="team"), a_team([[1.0, 2]], cohort=6))
    assert alone.tolist() == [[1, 2]]
