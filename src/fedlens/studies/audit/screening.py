"""Stage 1 of an audit: every arm attacks single rounds of benign twins, and the best go on.

Arms are ranked by their mean utility over the same rounds and seeds. That of a forked round is what the attack adds to
the log-odds of the goal's probability against absence, up to a probability of 0.95, less a hundred for each accuracy
point above what a success may cost; to damage the model, it is what accuracy is lost. Search numbers flatter the best
of many arms: they choose, and are no result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isnan, log
from statistics import fmean
from typing import Self

from pydantic import TypeAdapter

from fedlens.core.errors import ClientError, ConfigError, UnjudgedError
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.arms import Arm, with_both_kinds
from fedlens.studies.audit.forked_round import ForkedRound
from fedlens.studies.audit.forks import Forks, forked_rounds, forks_of
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.schedule import Schedule
from fedlens.studies.audit.subject import Subject

ENOUGH = log(0.95 / 0.05)
"""Log-odds above which more confidence adds nothing."""

PRICE = 100.0
"""Of accuracy above the limit, in nats for the whole of it."""

WORST = -100.0
"""The utility of an attack that failed, or left no finite model; less its opposite, the most of any damage."""


@dataclass(frozen=True)
class Tried:
    """An arm in one forked round.

    Attributes:
        forked: what it did; ``None`` if it failed.
        error: why.
    """

    forked: ForkedRound | None
    error: str = ""


TRIED = TypeAdapter(Tried)


@dataclass(frozen=True)
class Ranked:
    """An arm, and how it did in the search.

    Attributes:
        arm: the attack.
        rounds: how many forked rounds it attacked.
        successes: in how many of them it succeeded.
        utility: the mean over them.
        error: why it failed, if it did.
    """

    arm: Arm
    rounds: int
    successes: int
    utility: float
    error: str = ""


def utility(forked: ForkedRound, subject: Subject) -> float:
    """Return how useful the attack was in one forked round; see the module."""
    if not subject.asks:
        return damage(forked.cost) if forked.applied else 0.0
    if forked.destroyed:
        return WORST
    without = forked.absent or forked.honest
    gain = min(forked.attacked.log_odds, ENOUGH) - min(without.log_odds, ENOUGH)
    return max(gain - price(forked.cost, subject), WORST)


def damage(cost: float) -> float:
    """Return what accuracy was lost, as a finite number: a model that is not finite has lost -`WORST`."""
    return 0.0 if isnan(cost) else min(cost, -WORST)


def price(cost: float, subject: Subject) -> float:
    """Return what is taken off for accuracy lost above the limit."""
    return PRICE * max(0.0, cost - subject.accuracy_cost)


class Screening:
    """The forked rounds of the search; a context, in which the benign twin of one seed at a time is held.

    Args:
        subject: the experiment.
        ledger: knows the rounds that have been attacked.
        runtime: how rounds are played.
        memory: for how many rounds attackers remember, the most of all arms.
        tell: is called with what was done, and how much is left.
    """

    def __init__(
        self, subject: Subject, ledger: Ledger, runtime: Runtime, *, memory: int, tell: Callable[[str], None]
    ) -> None:
        self.subject, self._ledger, self._runtime, self._tell = subject, ledger, runtime, tell
        self._memory = memory
        self._stack = ExitStack()
        self._held: tuple[int, Forks] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._held = None

    def forks(self, number: int) -> Forks:
        """Return the forks of a seed of the search.

        Raises:
            UnjudgedError: there is nothing to attack with it.
        """
        if self._held is None or self._held[0] != number:
            self.__exit__()
            experiment = self.subject.forked(number)
            opened = self._stack.enter_context(forks_of(experiment, self._runtime, memory=self._memory))
            self._held = (number, opened)
        return self._held[1]

    def seeds(self, count: int) -> list[int]:
        """Return the numbers of the first seeds with which there is something to attack, so many.

        Raises:
            UnjudgedError: there is none among twice as many and three.
        """
        found: list[int] = []
        for number in range(2 * count + 3):
            if len(found) < count and not self._ledger.once("seed", str(number), NOTED, lambda: self._noted(number)):  # noqa: B023
                found.append(number)
        if not found:
            self.forks(0)  # which says why
        return found

    def _noted(self, number: int) -> str:
        """Return why nothing can be attacked with a seed; nothing if there is."""
        try:
            self.forks(number)
        except UnjudgedError as error:
            return error.reason
        return ""

    def ranked(self, arms: Sequence[Arm], schedule: Schedule) -> list[Ranked]:
        """Try all arms in one round, and the best of them in all rounds of all seeds; return all, the best first."""
        rounds, seeds = forked_rounds(self.subject.experiment.rounds), self.seeds(1)
        first = self._order(arms, seeds, rounds[len(rounds) // 2 :][:1])
        kept = [ranked.arm for ranked in distinct([one for one in first if not one.error], schedule.kept)]
        self.attempt(kept, seeds, rounds)
        best = self._order(kept, self.seeds(schedule.seeds), rounds)
        names = {arm.name for arm in kept}
        return [*best, *(ranked for ranked in first if ranked.arm.name not in names)]

    def _order(self, arms: Sequence[Arm], seeds: Sequence[int], rounds: Sequence[int]) -> list[Ranked]:
        self.attempt(arms, seeds, rounds)
        found = [self._summed(arm, seeds, rounds) for arm in arms]
        return sorted(found, key=lambda ranked: -ranked.utility)  # stable: earlier arms first

    def _summed(self, arm: Arm, seeds: Sequence[int], rounds: Sequence[int]) -> Ranked:
        tried = [self._ledger.get("fork", key(number, arm, round_), TRIED) for number in seeds for round_ in rounds]
        done = [each for each in tried if each is not None]
        values = [WORST if each.forked is None else utility(each.forked, self.subject) for each in done]
        limit = self.subject.largest_cost
        successes = sum(each.forked is not None and each.forked.succeeds(limit) for each in done)
        error = next((each.error for each in done if each.error), "")
        return Ranked(arm, len(done), successes, fmean(values) if values else WORST, error)

    def attempt(self, arms: Sequence[Arm], seeds: Sequence[int], rounds: Sequence[int]) -> None:
        """Attack these rounds, as far as the ledger does not know them, a seed after the other."""
        for number in seeds:
            wanted = [(arm, round_) for round_ in rounds for arm in arms]
            left = [pair for pair in wanted if not self._ledger.has("fork", key(number, *pair))]
            for done, (arm, round_) in enumerate(left):
                if round_ in self.forks(number).rounds:  # else the twin's model was not finite before
                    self._ledger.add("fork", key(number, arm, round_), TRIED, tried(self.forks(number), arm, round_))
                self._tell(f"seed {number}, round {round_}: {arm.name}; {len(left) - done - 1} to go")


NOTED = TypeAdapter(str)


def tried(forks: Forks, arm: Arm, round_: int) -> Tried:
    """Attack a round; an attack that fails is out, and the audit goes on."""
    try:
        return Tried(forks.attack(arm.made(forks.experiment), round_, arm.name))
    except (ClientError, ConfigError) as error:
        return Tried(None, str(error).splitlines()[0])


def key(number: int, arm: Arm, round_: int, where: str = "") -> str:
    """Return what the ledger calls an arm in a forked round."""
    return f"{where}seed {number}, round {round_}: {arm.name}"


def distinct(ranked: Sequence[Ranked], count: int, each: int = 3) -> list[Ranked]:
    """Return the first `count`, but at most so many of `each` attack, and at least one adaptive and one fixed arm."""
    chosen: list[Ranked] = []
    for one in ranked:
        if len(chosen) < count and sum(other.arm.attack == one.arm.attack for other in chosen) < each:
            chosen.append(one)
    kept = with_both_kinds([one.arm for one in chosen], [one.arm for one in ranked if not one.error])
    return [one for one in ranked if one.arm in kept]
