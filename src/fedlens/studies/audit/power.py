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
from fedlens.studies.audit.forks import Forks
from fedlens.studies.audit.judgement import LeakTest
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.planted import leak
from fedlens.studies.audit.screening import TRIED, Screening, Tried, key, tried

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
    ledger: Ledger,
    *,
    rounds: Sequence[int],
    seeds: int,
    tell: Callable[[str], None],
) -> list[Planting]:
    """Plant leaks from the largest on, until one is not found; return what became of each.

    Args:
        arms: who attacks.
        screening: holds the benign twins.
        ledger: knows what was attacked.
        rounds: that are attacked.
        seeds: of the search, how many.
        tell: is called with what was done.
    """
    found: list[Planting] = []
    places = _withstood(arms, screening, ledger, rounds=rounds, numbers=screening.seeds(seeds))
    if not places:
        tell("the attacks succeed in all single rounds as they are, so no leak is planted")
        return []
    for eta in LEAKS:
        found.append(_planting(eta, arms, screening, ledger, places))
        tell(f"a leak of {100 * eta:g} % was {'found' if found[-1].broken else 'not found'}")
        if not found[-1].broken:
            break
    return found


def _withstood(
    arms: Sequence[Arm], screening: Screening, ledger: Ledger, *, rounds: Sequence[int], numbers: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the seeds' numbers and the rounds in which no arm succeeds without a leak."""
    screening.attempt(arms, numbers, rounds)
    limit = screening.subject.largest_cost
    return [
        (number, round_)
        for number in numbers
        for round_ in rounds
        if not any(_succeeds(ledger.get("fork", key(number, arm, round_), TRIED), limit) for arm in arms)
    ]


def _planting(
    eta: float, arms: Sequence[Arm], screening: Screening, ledger: Ledger, places: Sequence[tuple[int, int]]
) -> Planting:
    where, successes = f"leak {eta:g}, ", dict.fromkeys((arm.name for arm in arms), 0)
    under: dict[int, Forks] = {}
    for number, round_ in places:
        for arm in arms:
            name = key(number, arm, round_, where)
            if not ledger.has("leak", name):
                own = screening.forks(number)
                if number not in under:
                    under = {number: own.under(leak(own.experiment, eta))}
                ledger.add("leak", name, TRIED, tried(under[number], arm, round_))
            if _succeeds(ledger.get("leak", name, TRIED), screening.subject.largest_cost):
                successes[arm.name] += 1
                break
    best = max(successes, key=lambda name: successes[name], default="")
    return Planting(eta, len(places), sum(successes.values()), best if successes.get(best) else "")


def _succeeds(tried_: Tried | None, largest_cost: float) -> bool:
    return tried_ is not None and tried_.forked is not None and tried_.forked.succeeds(largest_cost)


def leak_test(plantings: Sequence[Planting]) -> LeakTest:
    """Return the smallest leak that was found."""
    return LeakTest(min((one.eta for one in plantings if one.broken), default=None))
