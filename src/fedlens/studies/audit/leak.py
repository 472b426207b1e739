"""The leak test: how small a planted weakness an audit still finds, without which that it found none means nothing.

An attack that breaks the server with a leak of η in at least half of the forked rounds has found that leak. Leaks are
tried from the largest to the smallest, up to the first that is not found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedlens.attacks.attack import Attack
from fedlens.studies.audit.forked_round import ForkedRound
from fedlens.studies.audit.forks import Forks
from fedlens.studies.audit.planted import Planted, leak

LEAKS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""The shares η of the plain mean that are let through, largest first."""


def rounds_under(forks: Forks, attack: Attack, plant: Planted, arm: str = "") -> list[ForkedRound]:
    """Attack all rounds of the twin under its server with a planted weakness.

    Args:
        forks: the twin's rounds under the server as it is.
        attack: any.
        plant: the weakness, as by `leak` or `gate` of this server.
        arm: what to call the attack; by default its name.

    Raises:
        FedlensError: the attack does not suit the experiment, or failed.
    """
    weakened = forks.under(plant)
    return [weakened.attack(attack, round_, arm) for round_ in weakened.rounds]


def leaking_rounds(
    forks: Forks, attack: Attack, leaks: Sequence[float] = LEAKS, arm: str = ""
) -> dict[float, list[ForkedRound]]:
    """Attack all rounds under leaks of each size, by the size; see `rounds_under`."""
    return {eta: rounds_under(forks, attack, leak(forks.experiment, eta), arm) for eta in leaks}


def found(rounds: Sequence[ForkedRound], largest_cost: float) -> bool:
    """Tell whether the attack succeeds in at least half of these rounds, of which there is one."""
    return bool(rounds) and 2 * sum(forked.succeeds(largest_cost) for forked in rounds) >= len(rounds)


def smallest_found(tried: Mapping[float, Sequence[ForkedRound]], largest_cost: float) -> float | None:
    """Return the smallest leak that was found, with all larger ones; ``None`` if not even the largest was.

    Args:
        tried: forked rounds, of any number of seeds, by the size of the leak.
        largest_cost: the most that an attack may cost in accuracy.
    """
    smallest = None
    for eta in sorted(tried, reverse=True):
        if not found(tried[eta], largest_cost):
            return smallest
        smallest = eta
    return smallest
