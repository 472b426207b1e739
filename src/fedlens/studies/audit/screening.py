"""Stage 1 of an audit: every arm attacks single rounds of benign twins, and the best go on.

Arms are ranked by their mean utility over the same rounds and seeds. That of a forked round is what the attack adds to
the log-odds of the goal's probability against absence, up to a probability of 0.95, less a hundred for each accuracy
point above what a success may cost; to damage the model, it is what accuracy is lost. Search numbers flatter the best
of many arms: they choose, and are no result.

An arm that had an effect in some round comes before all that never had one, for it is the only one of which something
is known. The others tie, and come in turn: one of each attack, then a second of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from math import ceil, isnan, log
from statistics import fmean

from pydantic import TypeAdapter

from fedlens.core.errors import RunError, UnjudgedError
from fedlens.simulation.callback import Event
from fedlens.studies.audit.arms import Arm, with_both_kinds
from fedlens.studies.audit.forked_round import ForkedRound, Outcome
from fedlens.studies.audit.forks import forked_rounds
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.schedule import Schedule
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.tried import TRIED, Fork, Tried
from fedlens.studies.audit.workers import Call, Workers

ENOUGH = log(0.95 / 0.05)
"""Log-odds above which more confidence adds nothing."""

PRICE = 100.0
"""Of accuracy above the limit, in nats for the whole of it."""

WORST = -100.0
"""The utility of an attack that failed, or left no finite model; less its opposite, the most of any damage."""


@dataclass(frozen=True)
class Ranked:
    """An arm, and how it did in the search.

    Attributes:
        arm: the attack.
        rounds: how many forked rounds it attacked.
        successes: in how many of them it succeeded.
        utility: the mean over them.
        error: why it failed, if it did.
        effective: whether it had an effect in one of them at least, and did not only destroy the model.
        outcomes: the models after them, as the goal measures them.
    """

    arm: Arm
    rounds: int
    successes: int
    utility: float
    error: str = ""
    effective: bool = True
    outcomes: tuple[Outcome, ...] = ()

    def repeats(self, other: Ranked) -> bool:
        """Tell whether another arm of this attack had the same results in all rounds, to the bit."""
        same = self.outcomes == other.outcomes and self.arm.attack == other.arm.attack
        return same and self.effective and bool(self.outcomes)


def utility(forked: ForkedRound, subject: Subject) -> float:
    """Return how useful the attack was in one forked round; see the module."""
    if not subject.asks:
        return damage(forked.cost) if forked.applied else 0.0
    if forked.destroyed:
        return WORST
    without = forked.absent or forked.honest
    gain = min(forked.attacked.log_odds, ENOUGH) - min(without.log_odds, ENOUGH)
    return max(gain - price(forked.cost, subject), WORST)


def useful(forked: ForkedRound, subject: Subject) -> bool:
    """Tell whether the attack had an effect in one forked round, and left a model of some worth to its goal."""
    return forked.applied and utility(forked, subject) > WORST


def damage(cost: float) -> float:
    """Return what accuracy was lost, as a finite number: a model that is not finite has lost -`WORST`."""
    return 0.0 if isnan(cost) else min(cost, -WORST)


def price(cost: float, subject: Subject) -> float:
    """Return what is taken off for accuracy lost above the limit."""
    return PRICE * max(0.0, cost - subject.accuracy_cost)


class Screening:
    """The forked rounds of the search.

    Args:
        subject: the experiment.
        ledger: knows the rounds that have been attacked.
        workers: attack them.
        tell: is called with what was done, and how much is left.
    """

    def __init__(self, subject: Subject, ledger: Ledger, workers: Workers, *, tell: Callable[[str], None]) -> None:
        self.subject, self._ledger, self._workers, self._tell = subject, ledger, workers, tell
        self._failed: dict[str, Tried] = {}

    def seeds(self, count: int) -> list[int]:
        """Return the numbers of the first seeds with which there is something to attack, so many.

        Raises:
            UnjudgedError: there is none among twice as many and three.
            RunError: a benign twin cannot be played.
        """
        found: list[int] = []
        numbers = range(2 * count + 3)
        while numbers and len(found) < count:
            these, numbers = numbers[: count - len(found)], numbers[count - len(found) :]
            self._note(these)
            found += [number for number in these if not self._ledger.get("seed", str(number), NOTED)]
        if not found:
            raise self._refusal()
        return found

    def _note(self, numbers: Sequence[int]) -> None:
        """Write down why nothing can be attacked with a seed; nothing if there is."""
        wrong: list[str] = []

        def noted(key: str, event: Event) -> None:
            if event.kind == "failed":
                wrong.append(event.content["reason"])
            else:
                self._ledger.add("seed", key, NOTED, event.content.get("reason", ""))

        left: dict[str, Call] = {
            str(number): (number, {}) for number in numbers if not self._ledger.has("seed", str(number))
        }
        self._workers.ask("note", left, noted)
        if wrong:
            raise RunError(wrong[0])

    def _refusal(self) -> UnjudgedError:
        """Return why there is nothing to attack with the first seed."""
        found: list[UnjudgedError] = []

        def told(_: str, event: Event) -> None:
            if event.kind == "unjudged":
                found.append(UnjudgedError(**event.content))

        self._workers.ask("note", {"0": (0, {})}, told)
        return found[0] if found else UnjudgedError("the first seed has nothing to attack any more", ["try again"])

    def ranked(self, arms: Sequence[Arm], schedule: Schedule) -> list[Ranked]:
        """Try all arms in one round, and the best of them in all rounds of all seeds; return all, the best first.

        Where too few had an effect in that round, more of the others are tried in a second one, and fewer in all.
        """
        rounds, seeds = forked_rounds(self.subject.experiment.rounds), self.seeds(1)
        middle = rounds[len(rounds) // 2]
        first = self._order(arms, seeds, [middle])
        again, others = len(rounds) * schedule.seeds - 1, [each for each in rounds if each != middle]
        able = [one for one in first if not one.error]
        kept = distinct(able, schedule.kept)
        spare = sum(not one.effective for one in kept)
        if others and (more := widened(spare, again)) > spare:
            wide = distinct(able, schedule.kept + more - spare)
            second = self._order([one.arm for one in wide if not one.effective], seeds, [middle, others[-1]])
            known = [one for one in wide if one.effective]
            kept = distinct([*known, *(one for one in second if not one.error)], len(known) + ceil(spare / 2))
            tried = {one.arm.name: one for one in second}
            first = in_order([tried.get(one.arm.name, one) for one in first])
        best = self._order([one.arm for one in kept], self.seeds(schedule.seeds), rounds)
        names = {one.arm.name for one in kept}
        return [*best, *(ranked for ranked in first if ranked.arm.name not in names)]

    def _order(self, arms: Sequence[Arm], seeds: Sequence[int], rounds: Sequence[int]) -> list[Ranked]:
        forks = [[Fork(number, round_, arm) for number in seeds for round_ in rounds] for arm in arms]
        self.attack(sorted(chain.from_iterable(forks), key=lambda fork: fork.number))  # a twin after the other
        return in_order([self._summed(arm, own) for arm, own in zip(arms, forks, strict=True)])

    def _summed(self, arm: Arm, forks: Sequence[Fork]) -> Ranked:
        done = [tried for fork in forks if (tried := self.tried(fork)) is not None]
        values = [WORST if each.forked is None else utility(each.forked, self.subject) for each in done]
        limit = self.subject.largest_cost
        successes = sum(each.forked is not None and each.forked.succeeds(limit) for each in done)
        error = next((each.error for each in done if each.error), "")
        forked = [each.forked for each in done if each.forked is not None]
        effective = any(useful(each, self.subject) for each in forked)
        outcomes = tuple(each.attacked for each in forked)
        return Ranked(arm, len(done), successes, fmean(values) if values else WORST, error, effective, outcomes)

    def tried(self, fork: Fork) -> Tried | None:
        """Return what came of an attack; ``None`` if the twin's model was not finite before its round."""
        return self._ledger.get(fork.kind, fork.key, TRIED) or self._failed.get(fork.key)

    def attack(self, forks: Sequence[Fork]) -> None:
        """Attack these rounds, as far as the ledger does not know them, as many at once as there are workers.

        What kills a worker, or fails otherwise than an attack may, fails for now; the same command tries it again.
        """
        left = {fork.key: fork for fork in forks if not self._ledger.has(fork.kind, fork.key)}
        to_go = len(left)
        if left:
            self._tell(f"a benign twin; {to_go} single rounds to go")

        def told(key: str, event: Event) -> None:
            nonlocal to_go
            to_go -= 1
            if event.kind != "finished":
                self._failed[key] = Tried(None, event.content["reason"].splitlines()[0])
            elif event.content["value"] is not None:
                self._ledger.add(left[key].kind, key, TRIED, TRIED.validate_python(event.content["value"]))
            self._tell(f"{key}; {to_go} to go")

        calls = {
            key: (fork.number, {"arm": asdict(fork.arm), "round_": fork.round, "eta": fork.eta})
            for key, fork in left.items()
        }
        self._workers.ask("attack", calls, told)


NOTED = TypeAdapter(str)


def in_order(found: Sequence[Ranked]) -> list[Ranked]:
    """Return the arms in the order of their utility, those without any effect last, and of each attack in turn."""
    best = sorted(found, key=lambda one: (not one.effective, -one.utility))  # stable: earlier arms first
    before, turns = Counter[str](), list[int]()
    for one in best:
        turns.append(0 if one.effective else before[one.arm.attack])
        before[one.arm.attack] += 1
    order = sorted(zip(best, turns, strict=True), key=lambda pair: (not pair[0].effective, -pair[0].utility, pair[1]))
    return [one for one, _ in order]


def widened(spare: int, again: int) -> int:
    """Return how many arms can be tried in a second round if half of the `spare` ones go on, for no more rounds.

    Example:
        >>> from fedlens.studies.audit.screening import widened
        >>> widened(spare=7, again=2)  # 10 in one round, and 4 of these in another: 14 as well
        10
    """
    return spare + spare // 2 * (again - 1)


def distinct(ranked: Sequence[Ranked], count: int, each: int = 3) -> list[Ranked]:
    """Return the first `count`, but at most so many of `each` attack, and at least one adaptive and one fixed arm.

    What repeats an arm that is among them is left out.
    """
    chosen: list[Ranked] = []
    for one in ranked:
        few = sum(other.arm.attack == one.arm.attack for other in chosen) < each
        if len(chosen) < count and few and not any(one.repeats(other) for other in chosen):
            chosen.append(one)
    kept = with_both_kinds([one.arm for one in chosen], [one.arm for one in ranked if not one.error])
    return [one for one in ranked if one.arm in kept]
