"""ALIE: the numbers of zoo and paper, an oracle in NumPy, and where it is no attack."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from teams import a_team, clean_accuracy, final_accuracy, sent

from fedlens.attacks.a_little_is_enough import ALittleIsEnough, largest_z
from fedlens.attacks.attack import Attack
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError

THREE = [[1.0], [2.0], [3.0]]


def alie(**options: Any) -> Attack:
    return validate(ALittleIsEnough, options)


@pytest.mark.parametrize(
    ("clients", "attackers", "formula", "z"),
    [
        (50, 24, "auto", 1.426077),  # s = 26 - 24 = 2, and 24 of the 26 honest ones may be nearer
        (50, 24, "early", 1.750686),  # 48 of 50
        (10, 2, "auto", 0),  # s = 4, 4 of 8
        (10, 1, "auto", -0.139710),  # s = 5, 4 of 9
        (10, 4, "auto", 0.430727),  # s = 2, 4 of 6
        (100, 10, "auto", 0.111637),  # s = 41, 49 of 90
    ],
)
def test_z_by_hand(clients: int, attackers: int, formula: Any, z: float) -> None:
    assert largest_z(clients, attackers, formula) == pytest.approx(z, abs=1e-6)


@pytest.mark.parametrize(
    ("clients", "attackers", "z"),
    [
        (10, 7, norm.ppf(2 / 3)),  # attackers are a majority: s counts as 1
        (2, 1, 0.0),  # s = 1 of one honest client
        (3, 2, 0.0),
        (4, 4, 0.0),  # no honest one
        (1, 1, 0.0),
    ],
)
def test_z_at_the_edges(clients: int, attackers: int, z: float) -> None:
    assert largest_z(clients, attackers) == pytest.approx(z)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"z": 1, "sigma": "sample"}, 1),
        ({"z": 1}, 2 - (2 / 3) ** 0.5),
        ({"z": 1, "sigma": "sample", "sign": "plus"}, 3),
        ({"z": 2, "sign": "plus"}, 2 + 2 * (2 / 3) ** 0.5),
    ],
)
def test_three_updates_by_hand(options: dict[str, Any], wanted: float) -> None:
    team = a_team(THREE, cohort=10)
    assert sent(alie(**options), team).tolist() == [[pytest.approx(wanted)]] * 3
    assert [member.log for member in team.members] == [{"z": options["z"]}] * 3


@pytest.mark.parametrize("formula", ["auto", "early"])
@pytest.mark.parametrize("sees", ["team", "all"])
def test_it_is_what_numpy_makes_of_the_definition(formula: str, sees: str) -> None:
    rows = np.random.default_rng(4).normal(size=(11, 30)).astype(np.float32)
    honest, others = torch.from_numpy(rows[7:]), torch.from_numpy(rows[:7])
    attack = alie(z=formula, sees=sees)
    assert (attack.sight, attack.omniscient) == (sees, sees == "all")
    team = a_team(honest, others if sees == "all" else None, cohort=11)
    s = 11 // 2 + 1 - 4
    z = float(norm.ppf((11 - s) / 11 if formula == "early" else (7 - s) / 7))
    known = rows[:7] if sees == "all" else rows[7:]
    wanted = known.mean(0) - z * known.std(0)
    torch.testing.assert_close(sent(attack, team), torch.from_numpy(wanted).float().expand(4, -1), rtol=1e-5, atol=1e-6)


def test_with_two_of_ten_it_sends_the_mean_and_says_so() -> None:
    team = a_team([[1.0, 5.0], [3.0, 1.0]], cohort=10)
    assert sent(alie(), team).tolist() == [[2, 3], [2, 3]]
    assert [member.log["z"] for member in team.members] == [0, 0]


@pytest.mark.parametrize(
    ("honest", "cohort", "wanted"),
    [
        ([[7.0, -2]], 10, [7, -2]),  # one attacker that sees itself has no spread
        ([[4.0, 4]] * 3, 9, [4, 4]),
        ([[0.0, 0]] * 3, 9, [0, 0]),
        ([[4.0, 4]] * 3, 3, [4, 4]),
        ([[1e30, -1e30]] * 3, 7, [1e30, -1e30]),
        ([[float("nan"), 0], [2, 2], [2, 2]], 7, [2, 2]),
        ([[float("inf"), 0]], 7, [0, 0]),
    ],
)
def test_degenerate_teams(honest: Any, cohort: int, wanted: list[float]) -> None:
    assert sent(alie(z=1.5), a_team(honest, cohort=cohort)).tolist() == [pytest.approx(wanted)] * len(honest)


def test_alone_among_attackers_who_sees_all_sends_zeros() -> None:
    assert sent(alie(sees="all"), a_team([[3.0], [4.0]], torch.empty(0, 1))).tolist() == [[0], [0]]


def test_at_the_largest_z_it_takes_the_median_along_and_hides_among_the_others() -> None:
    rows = torch.randn(26, 2000, generator=torch.Generator().manual_seed(3))
    team = a_team(torch.zeros(24, 2000), rows)
    evil = sent(alie(sees="all"), team)
    both = torch.cat([rows, evil])
    assert float(both.median(dim=0).values.mean()) < -0.9  # of 50 by 24 at -1.43 and 26 around 0
    centre = rows.mean(0)
    assert 1.3 < float((evil[0] - centre).norm() / (rows - centre).norm(dim=1).median()) < 1.5, "about z"
    few = a_team(torch.zeros(2, 2000), rows[:8])
    unmoved = torch.cat([rows[:8], sent(alie(sees="all"), few)]).mean(0)
    torch.testing.assert_close(unmoved, rows[:8].mean(0), rtol=0, atol=1e-6)


def test_it_damages_the_mean_if_z_is_given_and_not_where_z_is_zero() -> None:
    assert final_accuracy({"name": "a-little-is-enough", "z": 50}) < clean_accuracy() - 0.1
    assert final_accuracy("a-little-is-enough") > clean_accuracy() - 0.03  # z(6, 2) = 0


@pytest.mark.parametrize("options", [{"z": 0}, {"z": -1}, {"z": "max"}, {"sees": "own"}, {"boost": 2}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        alie(**options)
