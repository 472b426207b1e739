"""Attacks tailored to a rule: the search, what a trial is judged by, and how far it goes against each rule."""

from typing import Any

import numpy as np
import pytest
import torch
from teams import a_team, clean_accuracy, final_accuracy, sent
from torch import Tensor

from fedlens.attacks.agr_tailored import AgrTailored, Trials, searched
from fedlens.attacks.far_enough import direction_of
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.attacks.team import Team
from fedlens.data.partition import Dirichlet
from fedlens.defences.krum import Krum, krum_scores

ROWS = torch.randn(8, 30, generator=torch.Generator().manual_seed(7), dtype=torch.float64) + 0.3
TOLERANCE = 1e-5
"""The last step is less than twice that, and what is found within two such steps."""


def team_against(rule: Any, attackers: int = 3, rows: Tensor = ROWS) -> Team:
    return a_team(torch.zeros(attackers, rows.shape[1]).to(rows.dtype), rows, rule=rule)


def gamma_of(team: Team) -> float:
    (gamma,) = {member.log["gamma"] for member in team.members}
    return gamma


@pytest.mark.parametrize("largest", [0.0, 1e-3, 1.0, 9.99, 10.01, 17.0, 25.0])
def test_the_search_finds_the_largest_that_succeeds_up_to_twice_its_start(largest: float) -> None:
    tried: list[float] = []

    def succeeds(gamma: float) -> bool:
        tried.append(gamma)
        return gamma <= largest

    found = searched(succeeds, 10, TOLERANCE)
    assert found == pytest.approx(min(largest, 20), abs=4 * TOLERANCE)
    assert found <= largest
    assert tried[:2] == [10, 15 if largest >= 10 else 5]
    assert len(tried) == 19


@pytest.mark.parametrize(
    ("largest", "tolerance", "tried"),
    [
        (99, 1, [8, 12, 14]),  # the last step is 1, which is not below the tolerance
        (99, 1.01, [8, 12]),
        (9, 1, [8, 12, 10]),
        (3, 1, [8, 4, 2]),
        (0, 4, [8]),
    ],
)
def test_the_search_by_hand(largest: float, tolerance: float, tried: list[float]) -> None:
    asked: list[float] = []
    found = searched(lambda gamma: (asked.append(gamma), gamma <= largest)[1], 8, tolerance)
    assert asked == tried
    assert found == max([gamma for gamma in tried if gamma <= largest], default=0)


class Fixed:
    """A server whose weights are these, and whose step is this."""

    def __init__(self, weights: list[float] | None, step: float = 0.0) -> None:
        self._weights, self._step = weights, step

    def weights(self, updates: Tensor) -> Tensor | None:
        return None if self._weights is None else torch.tensor(self._weights)

    def step(self, updates: Tensor) -> Tensor:
        return torch.tensor([self._step])


def trials(server: Fixed) -> Trials:
    """Of two honest updates, 1 and 3, and two attackers."""
    team = a_team([[0.0]] * 2, [[1.0], [3.0]], server=server)
    known = KnownUpdates.of(team)
    return Trials(team, known, direction_of(known, "std"))


@pytest.mark.parametrize(
    ("weights", "selects", "criterion"),
    [
        (None, False, "distance"),
        ([0, 0, 0, 0], False, "distance"),  # it skips the round
        ([0.5, 0, 0.5, 0], False, "selection"),  # one of two of which it could take two
        ([0, 0, 1, 0], True, "selection"),  # the only one that it takes
        ([0, 0, 0.5, 0.5], True, "selection"),
        ([0.25, 0.25, 0.25, 0.25], True, "selection"),
        ([0.5, 0.5, 0, 0], False, "selection"),
        ([0, 0, 0.4, 0.6], True, "distance"),
        ([0.6, 0, 0.4, 0], False, "distance"),
        ([0, 1e-3, 0.4, 0.4], True, "distance"),
    ],
)
def test_trials_by_weights(weights: list[float] | None, selects: bool, criterion: str) -> None:
    made = trials(Fixed(weights))
    assert (made.selects(1), made.criterion(1)) == (selects, criterion)


def test_trials_by_distance() -> None:
    """Of a server that always takes the same step nothing is gained; else of the mean: it is 2, and p is −√2."""
    assert not trials(Fixed(None, step=5)).moves_further(1)
    made = trials(Fixed(None))
    made._server.step = lambda updates: updates.mean(dim=0)  # type: ignore[method-assign]
    assert [made.moves_further(gamma) for gamma in (0.5, 0.25, 0.5, 1)] == [True, False, False, True]


@pytest.mark.parametrize("criterion", ["auto", "distance", "selection"])
def test_under_the_mean_it_goes_to_its_cap(criterion: Any) -> None:
    team = team_against("mean")
    evil = sent(AgrTailored(criterion=criterion, direction="unit"), team)
    gamma = gamma_of(team)
    assert gamma == pytest.approx(20, abs=4 * TOLERANCE)
    torch.testing.assert_close((evil[0] - ROWS.mean(0)).norm(), torch.tensor(gamma).double())
    step = torch.cat([ROWS, evil]).mean(0)
    assert float((step - ROWS.mean(0)).norm()) == pytest.approx(3 * gamma / 11), "mγ‖p‖ / n"


def crafted(gamma: float, direction: str = "std") -> Tensor:
    mean = ROWS.mean(0)
    away = -ROWS.std(0) if direction == "std" else -mean / mean.norm()
    return (mean + gamma * away).expand(3, -1)


def test_under_krum_it_goes_as_far_as_it_is_chosen() -> None:
    team = team_against({"name": "krum", "f": 2})
    evil = sent(AgrTailored(), team)
    torch.testing.assert_close(evil, crafted(gamma_of(team)))

    def chosen(gamma: float) -> bool:
        return int(krum_scores(torch.cat([ROWS, crafted(gamma)]), 2).argmin()) >= 8

    grid = [gamma for gamma in np.arange(0, 3, 0.01) if chosen(gamma)]
    assert gamma_of(team) == pytest.approx(max(grid), abs=0.01)
    assert 0.1 < max(grid) < 2.9


def test_under_multi_krum_all_of_them_are_selected() -> None:
    team = team_against({"name": "multi-krum", "f": 2})
    sent(AgrTailored(), team)

    def selected(gamma: float) -> bool:
        scores = krum_scores(torch.cat([ROWS, crafted(gamma)]), 2)
        return {8, 9, 10} <= set(scores.argsort(stable=True)[:9].tolist())

    grid = [gamma for gamma in np.arange(0, 3, 0.01) if selected(gamma)]
    assert gamma_of(team) == pytest.approx(max(grid), abs=0.01)
    assert 0.1 < max(grid) < 2.9


@pytest.mark.parametrize("rule", ["median", {"name": "trimmed-mean", "f": 2}, {"name": "bulyan", "f": 1}])
def test_otherwise_the_step_is_taken_as_far_as_any_would_take_it(rule: Any) -> None:
    team = team_against(rule)
    assert team.server is not None
    evil = sent(AgrTailored(), team)

    def distance(rows: Tensor) -> float:
        assert team.server is not None
        return float((team.server.step(torch.cat([ROWS, rows])) - ROWS.mean(0)).norm())

    best = max(distance(crafted(gamma)) for gamma in np.arange(0, 20, 0.25))
    assert distance(evil) >= 0.98 * best
    assert distance(evil) > 1.1 * distance(crafted(0))


def test_what_a_trial_is_judged_by_follows_from_the_weights_that_the_server_gives() -> None:
    wanted = {
        "mean": "selection",
        "median": "distance",
        "geometric-median": "distance",
        "fltrust-like": "distance",
    }
    for name, criterion in wanted.items():
        team = team_against(["bucketing", "median"] if name == "fltrust-like" else name)
        known = KnownUpdates.of(team)
        assert Trials(team, known, direction_of(known, "std")).criterion(10) == criterion
    for rule in ({"name": "krum", "f": 2}, {"name": "multi-krum", "f": 2}):
        team = team_against(rule)
        known = KnownUpdates.of(team)
        assert Trials(team, known, direction_of(known, "std")).criterion(0.1) == "selection"


def test_the_assumed_server_tells_what_it_takes() -> None:
    rows = torch.tensor([[0.0], [1.0], [1.1], [1.2], [9.0]])
    krum = a_team([[9.0]], rows[:4], rule={"name": "krum", "f": 1}).server
    assert krum is not None
    weights = krum.weights(rows)
    assert weights is not None
    assert weights.tolist() == [0, 0, 1, 0, 0]
    assert krum.step(rows).tolist() == [pytest.approx(1.1)]
    with pytest.raises(ValueError, match="3 updates; 5 are right"):
        krum.weights(rows[:3])
    mixed = a_team([[9.0]], rows[:4], rule=["mean", "fedadam"]).server
    assert mixed is not None
    assert mixed.weights(rows) is None


@pytest.mark.parametrize("direction", ["unit", "sign", "std"])
@pytest.mark.parametrize("rule", ["median", {"name": "multi-krum", "f": 1}])
@pytest.mark.parametrize("others", [[[0.0, 0]] * 4, [[3.0, -3]] * 4, [[3.0, -3], [3, -3], [3, -3], [float("nan"), 0]]])
def test_degenerate_rounds(direction: Any, rule: Any, others: Any) -> None:
    team = a_team([[1.0, 1]] * 2, others, rule=rule)
    updates = sent(AgrTailored(direction=direction, tolerance=1), team)
    assert bool(updates.isfinite().all())


def test_without_others_it_sends_zeros() -> None:
    team = a_team([[1.0, 1]] * 2, torch.empty(0, 2), rule="mean")
    assert sent(AgrTailored(), team).tolist() == [[0, 0]] * 2
    assert gamma_of(team) == 0


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_any_scale(scale: float) -> None:
    plain, scaled = team_against("mean"), team_against("mean", rows=ROWS * scale)
    attack = AgrTailored(criterion="selection", tolerance=0.1)
    torch.testing.assert_close(sent(attack, scaled) / scale, sent(attack, plain))


def test_it_damages_the_mean_and_is_no_match_for_a_wrong_guess() -> None:
    attack = {"name": "agr-tailored", "tolerance": 0.1}
    assert final_accuracy(attack) < clean_accuracy() - 0.2
    plan = {"clients": 7, "aggregation": Krum(f=2), "partition": Dirichlet(alpha=1)}
    guessing = final_accuracy(attack, attackers={"count": 2, "rule": "mean"}, **plan)
    assert guessing > clean_accuracy(**plan) - 0.1, "what goes to the cap is never chosen"
