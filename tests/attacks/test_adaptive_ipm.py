"""The attack that tries the server's rule, in one dimension, where its choice can be worked out by hand."""

from typing import Any

import torch
from attacker import ADDRESS, look
from torch import nn

from fedlens.attacks.adaptive_ipm import AdaptiveIpm
from fedlens.attacks.team import Member, Team
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.simulation.engines.assumed_chain import Assumption

TEAM_ADDRESS = Address.root(9).at("team", 1)


def chosen(rule: Any, honest: list[float], attackers: int, candidates: tuple[float, ...]) -> float:
    """The ε that a team takes against these honest updates, if it assumes this chain; all weights are equal."""
    cohort, view = len(honest) + attackers, look()
    rows = range(len(honest), cohort)
    assumption = Assumption(Chain.of(rule), cohort)
    zero, layout = torch.zeros(1), Layout.of(nn.Linear(1, 1, bias=False))
    team = Team(
        round=1,
        received=zero,
        members=tuple(Member(place, 1 / cohort, view.shard, ADDRESS) for place in range(attackers)),
        honest=torch.zeros(attackers, 1),
        others=torch.tensor(honest)[:, None],
        cohort=cohort,
        auxiliary=view.auxiliary,
        local=view.local,
        network=view.network,
        address=TEAM_ADDRESS,
        server=assumption.server(1, zero, layout, dict.fromkeys(rows, 1 / cohort), TEAM_ADDRESS),
    )
    crafted = AdaptiveIpm(candidates=candidates).collude(team)
    (eps,) = {member.log["eps"] for member in team.members}
    torch.testing.assert_close(crafted.updates, torch.full((attackers, 1), -eps * sum(honest) / max(len(honest), 1)))
    return eps


def test_under_the_mean_the_largest_is_best() -> None:
    assert chosen("mean", [-1, 2, 5], 2, (0.1, 100, 0.5, 3)) == 100


def test_under_the_median_nothing_is_gained_beyond_the_lowest_honest_update() -> None:
    # The mean is 2, so two attackers send -2ε. The median of five is -0.2, -1, -1, -1: 2.2, 3, 3 and 3 from the mean.
    assert chosen("median", [-1, 2, 5], 2, (0.1, 0.5, 1, 50)) == 0.5
    assert chosen("median", [-1, 2, 5], 2, (50, 0.5, 0.1)) == 50, "of equals, the first"


def test_under_krum_one_in_between_is_best() -> None:
    # The mean is 2, and the attacker of five sends -2ε. Scores are sums of the squares of the two least distances.
    # ε = 0.1: -0.2 has 0.04 + 0.64, and 0 has 0.04 + 1, the least of the others: chosen, 2.2 from the mean.
    # ε = 0.4: -0.8 has 0.04 + 0.64, and -1 has 0.04 + 1: chosen, 2.8 from the mean.
    # ε = 1: -2 has 1 + 4, and 0 has 1 + 1: 0 is chosen, 2 from the mean. ε = 50: likewise.
    assert chosen({"name": "krum", "f": 1}, [0, 1, -1, 8], 1, (0.1, 0.4, 1, 50)) == 0.4


def test_through_a_whole_chain() -> None:
    # Norms are limited to 3, so that 5 counts as 3, and -2ε as no more than -3.
    assert chosen([{"name": "clip", "max_norm": 3}, "mean"], [-1, 2, 5], 2, (1, 1.5, 100)) == 1.5


def test_a_wrong_guess_misleads() -> None:
    assert chosen("mean", [0, 1, -1, 8], 1, (0.1, 0.4, 1, 50)) == 50


def test_without_others_it_sends_zeros() -> None:
    assert chosen("mean", [], 2, (3, 2)) == 3
