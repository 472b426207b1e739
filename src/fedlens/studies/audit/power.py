"""Stage 4 of an audit: whether it would have found a weakness.

The finalists, the arms that adapt, and those that did best in the search attack forked rounds of the same benign twins
under the user's server with a planted leak, from the largest on, until one is not found. A leak is found if in at least
half of these rounds one of the arms succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.judgement import LeakTest
from fedlens.studies.audit.screening import Screening
from fedlens.studies.audit.tried import Fork

LEAKS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Shares of the mean that are let through, the largest first."""


@dataclass(frozen=True)
class Planting:
    """A leak, and who found it.

    Attributes:
        eta: the share of the mean that is let through.
        rounds: how many forked rounds were attacked.
        found: in how many of them an arm succeeded.
        by: the arm that did first in most of them; empty if none did.
    """

    eta: float
    rounds: int
    found: int
    by: str

    @property
    def broken(self) -> bool:
        """Whether the leak was found."""
        return self.rounds > 0 and 2 * self.found >= self.rounds


def planted(
    arms: Sequence[Arm],
    screening: Screening,
    *,
    rounds: Sequence[int],
    seeds: int,
    tell: Callable[[str], None],
) -> list[Planting]:
    """Plant leaks from the largest on, until one is not found; return what became of each.

    Args:
        arms: who attacks.
        screening: attacks the rounds.
        rounds: that are attacked.
        seeds: of the search, how many.
        tell: is called with what was done.
    """
    found: list[Planting] = []
    numbers = screening.seeds(seeds)
    for eta in LEAKS:
        found.append(_planting(eta, arms, screening, rounds=rounds, numbers=numbers))
        tell(f"a leak of {100 * eta:g} % was {'found' if found[-1].broken else 'not found'}")
        if not found[-1].broken:
            break
        numbers = numbers[::-1]  # workers hold the last seed's benign twin
    return found


def _planting(
    eta: float, arms: Sequence[Arm], screening: Screening, *, rounds: Sequence[int], numbers: Sequence[int]
) -> Planting:
    """Attack each round by one arm after the other until one succeeds, all rounds of a seed at once."""
    successes, limit = dict.fromkeys((arm.name for arm in arms), 0), screening.subject.largest_cost
    for number in numbers:
        going = list(rounds)
        for arm in arms:
            forks = [Fork(number, round_, arm, eta) for round_ in going]
            screening.attack(forks)
            for fork in forks:
                tried = screening.tried(fork)
                if tried is not None and tried.forked is not None and tried.forked.succeeds(limit):
                    successes[arm.name] += 1
                    going.remove(fork.round)
    best = max(successes, key=lambda name: successes[name], default="")
    hits = sum(successes.values())
    return Planting(eta, len(numbers) * len(rounds), hits, best if successes.get(best) else "")


def leak_test(plantings: Sequence[Planting]) -> LeakTest:
    """Return the smallest leak that was found."""
    return LeakTest(min((one.eta for one in plantings if one.broken), default=None))
