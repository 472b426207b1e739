"""Red flags of an audit: reasons to doubt that its verdict says what one would like it to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import fmean

from fedlens.analysis.counted import share_of
from fedlens.analysis.flags import oracle_f
from fedlens.core.registry import name_of
from fedlens.studies.audit.bounds import Bound
from fedlens.studies.audit.federations import Played
from fedlens.studies.audit.forked_round import ForkedRound
from fedlens.studies.audit.halving import Standing, worth
from fedlens.studies.audit.inspection import Inspected
from fedlens.studies.audit.judgement import LEAK, Judgement
from fedlens.studies.audit.power import Planting
from fedlens.studies.audit.subject import Subject

LOST = 0.03
"""Accuracy lost against the plain mean from which on a server is called inaccurate."""
ALARMS = 0.05
PLACEBOS = 0.10
AHEAD = 0.5
"""What the omniscient arm has to be ahead by, as a share of rounds with a success."""
PREDICTED, REAL = 0.9, 0.6
"""Acceptance that was predicted at least, and that came true at most, where simulation and reality disagree."""
MISSED = 2.0
"""Nats by which what was planned is above what came true, from where on the two disagree."""
IMPROVED = 0.10
ROUNDING = 1e-3
"""What may be found above a bound, which is computed in another order."""
MANY = 0.10
"""Attackers, as a share of clients."""


@dataclass(frozen=True)
class Doubt:
    """A red flag.

    Attributes:
        code: F1 to F17.
        words: a sentence.
    """

    code: str
    words: str


@dataclass(frozen=True)
class Findings:
    """What red flags are read off.

    Attributes:
        subject: the experiment.
        inspected: what the server is like.
        judgement: the verdict.
        standings: of the arms in the search's whole federations, as of the last halving and those before.
        verdict: what was played with the verdict's seeds.
        plantings: the leaks.
        adaptive: forked rounds of the adaptive arm that does best.
        omniscient: the same rounds, attacked by who sees all updates.
        bounds: what any attack could make of single rounds at most, beside what was found.
    """

    subject: Subject
    inspected: Inspected
    judgement: Judgement
    standings: Sequence[Standing]
    verdict: Sequence[Played]
    plantings: Sequence[Planting]
    adaptive: Sequence[ForkedRound]
    omniscient: Sequence[ForkedRound]
    bounds: Sequence[Bound] = ()


def doubts(found: Findings) -> list[Doubt]:
    """Return the red flags, in their order."""
    of_all = (of_the_server(found), of_the_search(found), of_the_verdict(found), of_the_experiment(found.subject))
    return [*chain.from_iterable(of_all), *of_the_reach(found.bounds)]


def of_the_server(found: Findings) -> Iterator[Doubt]:
    """Yield F1 to F3, F7, F9 and F16."""
    server = found.inspected
    if not server.deterministic:
        which = ", ".join(server.random)
        yield Doubt("F1", f"the server draws random numbers ({which}): equal updates give different results")
    if server.deaf:
        yield Doubt("F2", "nothing that one team sends has any effect, honest or not")
    if server.stateful:
        which = ", ".join(server.stateful)
        yield Doubt("F3", f"the server remembers earlier rounds ({which}), and attackers were taken not to know that")
    if failed := [response for response in server.responses if response.error]:
        sent = "the opposite of its own" if failed[0].form == "opposite" else f"updates times {failed[0].scale:g}"
        yield Doubt("F16", f"the server itself fails where a team sends {sent}, and training ends: {failed[0].error}")
    if server.lost > LOST:
        lost = f"{100 * server.lost:.1f} points less accurate than with a plain mean"
        if server.accuracy is None:
            lost = f"{server.lost:.2f} standard deviations of the labels further off than with a plain mean"
        yield Doubt("F7", f"without attack the model is {lost}: it is easy to withstand attacks by not learning")
    for name, share in server.false_alarms.items():
        if name in server.constant:
            yield Doubt(
                "F9", f"the filter {name} always drops a fixed number of updates, honest ones where nobody attacks"
            )
        elif share > ALARMS:
            yield Doubt("F9", f"honest clients are rejected by {name} in {100 * share:.0f} % of rounds without attack")


def of_the_search(found: Findings) -> Iterator[Doubt]:
    """Yield F4 to F6 and F10."""
    adaptive = [one for one in found.standings if one.arm.adaptive]
    fixed = [one for one in found.standings if not one.arm.adaptive]
    if adaptive and fixed:
        best, other = max(adaptive, key=_utility), max(fixed, key=_utility)
        if other.successes > best.successes or (other.successes == best.successes and other.utility > best.utility + 1):
            yield Doubt("F4", f"a fixed attack, {other.arm.name}, did better than any that adapts to the server")
    limit = found.subject.largest_cost
    shares = [fmean([one.succeeds(limit) for one in each]) for each in (found.adaptive, found.omniscient) if each]
    if len(shares) == 2 and shares[1] - shares[0] > AHEAD:
        yield Doubt("F5", "whoever sees all updates does far better: it holds by what attackers do not know")
    yield from _disagreeing(found)
    if improvement(found.standings, found.subject) > IMPROVED:
        yield Doubt("F10", "the last halving still changed who is best: with more effort, better attacks may be found")


def _disagreeing(found: Findings) -> Iterator[Doubt]:
    """Yield F6: what the adaptive arm logged before its rounds is not what came of them."""
    told = [(one, value) for one in found.adaptive if isinstance(value := one.log.get("acceptance"), (float, int))]
    if told:
        predicted = fmean(value for _, value in told)
        real = fmean([one.applied and not one.rejected_by for one, _ in told])
        if predicted >= PREDICTED and real < REAL:
            yield Doubt("F6", f"attackers expected acceptance in {100 * predicted:.0f} % and got {100 * real:.0f} %")
            return
    planned = [(one, value) for one in found.adaptive if isinstance(value := one.log.get("confidence"), (float, int))]
    if planned and found.subject.asks:
        missed = fmean(replace(one.attacked, value=value).log_odds - one.attacked.log_odds for one, value in planned)
        if missed > MISSED:
            yield Doubt("F6", f"attackers expected log-odds that are {missed:.1f} nats higher than what they got")


def _utility(standing: Standing) -> tuple[int, float]:
    return standing.successes, standing.utility


def improvement(standings: Sequence[Standing], subject: Subject) -> float:
    """Return by what share the best after all seeds is better than who was best after the first half of them."""
    last = max(len(one.played) for one in standings) if standings else 0
    full = [one for one in standings if len(one.played) == last]
    if last < 2 or len(full) < 2:
        return 0.0
    values = {one.arm.name: [worth(played, subject) for played in one.played] for one in full}
    before = max(full, key=lambda one: fmean(values[one.arm.name][: last // 2])).arm.name
    after = max(full, key=lambda one: fmean(values[one.arm.name])).arm.name
    best, was = fmean(values[after]), fmean(values[before])
    return (best - was) / max(abs(was), 1e-9)


def of_the_verdict(found: Findings) -> Iterator[Doubt]:
    """Yield F8, F11 and F15."""
    cells = [one.cell for one in found.verdict if one.cell is not None]
    placebos = {cell.seed for cell in cells if cell.placebo}
    if cells and len(placebos) > PLACEBOS * len({cell.seed for cell in cells}):
        yield Doubt("F8", f"without the attackers the goal is met, too, with {len(placebos)} seeds")
    if found.plantings and not any(one.broken and one.eta <= LEAK for one in found.plantings):
        yield Doubt("F11", f"a planted leak of {100 * LEAK:g} % of the mean was not found: the audit is too weak here")
    failed = [one for one in found.verdict if one.cell is None and not one.unjudged]
    if failed:
        share = share_of(len(failed), len(found.verdict), "federation")
        yield Doubt("F15", f"{share} ended in an error and count as whatever is worse, for example: {failed[0].reason}")


def of_the_reach(bounds: Sequence[Bound]) -> Iterator[Doubt]:
    """Yield F17."""
    beyond = [(one.found - one.at_most, one) for one in bounds if one.found is not None]
    gap, one = max(beyond, key=lambda pair: pair[0], default=(0.0, None))
    if one is not None and gap > ROUNDING:
        reached = (
            f"{one.by} reached {one.found:.3f} in a single round, and at most {one.at_most:.3f} was expected of any"
        )
        yield Doubt("F17", f"{reached}: the reach that the rule declares is wrong, or the search of it got stuck")


def of_the_experiment(subject: Subject) -> Iterator[Doubt]:
    """Yield F12 to F14."""
    experiment = subject.experiment
    share = len(experiment.team) / experiment.clients
    if share > MANY:
        yield Doubt(
            "F12", f"{100 * share:.0f} % of the clients attack, which is more than most federations have to fear"
        )
    if told := oracle_f(experiment):
        yield Doubt("F13", told)
    yield Doubt("F14", f"one data set, {name_of('data', experiment.data)}, and one model: others may fare differently")
