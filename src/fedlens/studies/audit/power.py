"""Stage 4 of an audit: whether it would have found a weakness.

The finalists, the arms that adapt, and those that did best in the search attack forked rounds of the same benign twins
under the user's server with a planted leak, from the largest on, until one is not found. A leak is found if in at least
half of these rounds one of the arms succeeds. Rounds in which one does without a leak are left out: there nobody can
tell that it was the leak that was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.judgement import LeakTest
from fedlens.studies.audit.screening import Screening
from fedlens.studies.audit.tried import Fork, Tried

LEAKS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Shares of the mean that are let through, the largest first."""


@dataclass(frozen=True)
class Planting:
    """A leak, and who found it.

    Attributes:
        eta: the share of the mean that is let through.
        rounds: how many forked rounds were attacked, in none of which an arm succeeds without the leak.
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
    places = _withstood(arms, screening, rounds=rounds, numbers=screening.seeds(seeds))
    if not places:
        tell("the attacks succeed in all single rounds as they are, so no leak is planted")
        return []
    for eta in LEAKS:
        found.append(_planting(eta, arms, screening, places))
        tell(f"a leak of {100 * eta:g} % was {'found' if found[-1].broken else 'not found'}")
        if not found[-1].broken:
            break
        places = places[::-1]  # workers hold the last seed's benign twin
    return found


def _withstood(
    arms: Sequence[Arm], screening: Screening, *, rounds: Sequence[int], numbers: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the seeds' numbers and the rounds in which no arm succeeds without a leak."""
    places = [(number, round_) for number in numbers for round_ in rounds]
    forks = {place: [Fork(*place, arm) for arm in arms] for place in places}
    screening.attack([fork for of_place in forks.values() for fork in of_place])
    limit = screening.subject.largest_cost
    return [place for place in places if not any(_succeeds(screening.tried(fork), limit) for fork in forks[place])]


def _planting(eta: float, arms: Sequence[Arm], screening: Screening, places: Sequence[tuple[int, int]]) -> Planting:
    """Attack each round by one arm after the other until one succeeds, all rounds of a seed at once."""
    successes, limit = dict.fromkeys((arm.name for arm in arms), 0), screening.subject.largest_cost
    for number in dict.fromkeys(number for number, _ in places):
        going = [round_ for other, round_ in places if other == number]
        for arm in arms:
            forks = [Fork(number, round_, arm, eta) for round_ in going]
            screening.attack(forks)
            for fork in forks:
                if _succeeds(screening.tried(fork), limit):
                    successes[arm.name] += 1
                    going.remove(fork.round)
    best = max(successes, key=lambda name: successes[name], default="")
    return Planting(eta, len(places), sum(successes.values()), best if successes.get(best) else "")


def _succeeds(tried: Tried | None, largest_cost: float) -> bool:
    return tried is not None and tried.forked is not None and tried.forked.succeeds(largest_cost)


def leak_test(plantings: Sequence[Planting]) -> LeakTest:
    """Return the smallest leak that was found."""
    return LeakTest(min((one.eta for one in plantings if one.broken), default=None))
