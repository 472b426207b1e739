"""Whether an attack of the zoo does better than the finalists of an audit: the table in verdict.md.

``python tools/audit_dominance.py --out DIR`` searches as a quick audit does, for each rule and data set, and plays
twelve seeds of the verdict with its finalists and with every attack of the zoo at its defaults. What was played is a
line in ``DIR/plan.jsonl``, so that the same command goes on where it was stopped, or ran out of ``--minutes``. It
prints the table of what is complete; with ``--table`` it plays nothing.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import patch

import numpy as np
import scipy.stats
from pydantic import TypeAdapter
from torch import nn
from typing_extensions import override

from fedlens.experiment.experiment import Experiment
from fedlens.models.model import Model
from fedlens.studies.audit.arms import TURNED, Arm, arms_for
from fedlens.studies.audit.audit import Auditing
from fedlens.studies.audit.federations import Federations, Played
from fedlens.studies.audit.halving import Standing, worth
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.screening import WORST, useful, utility
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.tried import TRIED
from fedlens.studies.audit.verdict import ACCURACY_COST, RATE
from fedlens.sweeps import sweep_runtime
from fedlens.sweeps.in_process import InProcessExecutor
from fedlens.sweeps.sweep_runtime import SweepRuntime

RULES: Mapping[str, Any] = {
    "clipping": ["median-clip", "mean"],
    "mean": "mean",
    "krum": {"name": "krum", "f": 1},
    "median": "median",
}
DATA: Mapping[str, int] = {"digits": 1400, "adult": 3000}
"""How many training samples the clients share."""

PAIRS = [(rule, data) for data in DATA for rule in RULES]

Tell = Callable[[str], None]

SEEDS = 12
LEVEL = 0.05
RUNTIME = SweepRuntime(jobs=1, engine="serial")


class Narrow(Model):
    """A hidden layer of 32, so that a federation takes a second."""

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), 32), nn.ReLU(), nn.Linear(32, classes))


def experiment_of(rule: str, data: str) -> Experiment:
    """Return what is audited: ten clients, of which the last attacks, and two rounds of ten batches each."""
    return Experiment(
        data=data,
        partition={"name": "iid", "samples": DATA[data]},
        model=Narrow(),
        clients=10,
        rounds=2,
        local={"steps": 10, "batch_size": 20, "learning_rate": 0.02},
        aggregation=RULES[rule],
    )


def name_of(rule: str, data: str) -> str:
    """Return what a rule and a data set are called where it is one word."""
    return f"{rule}-{data}"


def in_this_process() -> AbstractContextManager[object]:
    """Return a context in which no workers are started, for a worker's start takes longer than a federation."""
    return patch.object(sweep_runtime, "LocalExecutor", InProcessExecutor)


class OutOfTime(Exception):  # noqa: N818 - no error
    """The minutes are over."""


@dataclass(frozen=True)
class Outcome:
    """What an attack did with a seed of the verdict.

    Attributes:
        attack: its arm's name.
        number: the seed's.
        counts: whether it is a success that counts.
        worth: what the search would rank it by.
        reason: why it failed, or why nothing can be told with this seed.
        unjudged: whether it is the latter.
    """

    attack: str
    number: int
    counts: bool
    worth: float
    reason: str = ""
    unjudged: bool = False

    @classmethod
    def of(cls, played: Played, subject: Subject) -> "Outcome":
        """Return that of a federation; an attack that failed is one without success."""
        counts = played.cell is not None and played.cell.counts(subject.largest_cost)
        return cls(played.arm.name, played.number, counts, worth(played, subject), played.reason, played.unjudged)


@dataclass(frozen=True)
class Found:
    """The finalists of a search, and whether they were the best of what it tried.

    Attributes:
        finalists: their names.
        adaptive: which of them adapt.
        tried: how many attacks were tried in single rounds.
        played: how many of them in whole federations.
        wronged: those that did better than all that the search preferred to them.
    """

    finalists: list[str]
    adaptive: list[str]
    tried: int
    played: int
    wronged: list[str]


FOUND, OUTCOME = TypeAdapter(Found), TypeAdapter(Outcome)


class Search(Auditing):
    """An audit that ends as soon as it has its finalists."""

    standings: Sequence[Standing] = ()
    chosen: Sequence[Arm] = ()

    class Ended(Exception):  # noqa: N818 - no error
        """The finalists are known."""

    @override
    def _finalists(self, standings: Sequence[Standing], fitting: Sequence[Arm]) -> list[Arm]:
        self.standings = standings
        self.chosen = super()._finalists(standings, fitting)
        raise self.Ended


def searched(folder: Path, subject: Subject, tell: Tell) -> Found:
    """Search as a quick audit does."""
    options: dict[str, Any] = {"rate": RATE, "minutes": None, "share": 1.0, "runtime": RUNTIME, "observer": None}
    search = Search(folder, subject, effort="quick", tell=tell, step=tell, **options)
    with suppress(Search.Ended):
        search.made()
    singles = tried_singly(folder, subject)
    names = [arm.name for arm in search.chosen]
    return Found(
        names,
        [arm.name for arm in search.chosen if arm.adaptive],
        tried=len(singles),
        played=len(search.standings),
        wronged=wronged(singles, search.standings, names, subject),
    )


def tried_singly(folder: Path, subject: Subject) -> dict[str, dict[str, float]]:
    """Return how useful each attack was in each round in which the search tried it alone.

    What never had an effect did nothing better than others: it is -∞.
    """
    ledger, found, effective = Ledger(folder), dict[str, dict[str, float]](), set[str]()
    for key in ledger.keys("fork"):
        where, name = key.split(": ", 1)
        tried = ledger.get("fork", key, TRIED)
        assert tried is not None
        found.setdefault(name, {})[where] = WORST if tried.forked is None else utility(tried.forked, subject)
        if tried.forked is not None and useful(tried.forked, subject):
            effective.add(name)
    return {name: own if name in effective else dict.fromkeys(own, -inf) for name, own in found.items()}


def wronged(
    singles: Mapping[str, Mapping[str, float]],
    standings: Sequence[Standing],
    finalists: Sequence[str],
    subject: Subject,
) -> list[str]:
    """Return the attacks that the search should have preferred to those that it did; see `beaten`.

    Of single rounds those are chosen that attacked whole federations; of these, the finalists.
    """
    whole = {
        one.arm.name: {str(each.number): worth(each, subject) for each in one.played if not each.unjudged}
        for one in standings
    }
    found = beaten(singles, [name for name in whole if name in singles])
    return [*found, *(name for name in beaten(whole, finalists) if name not in found)]


def beaten(values: Mapping[str, Mapping[str, float]], chosen: Sequence[str]) -> list[str]:
    """Return which attacks did better than all that were preferred to them, over what they were tried in.

    Preferred are those that were tried in more, or where there is none, those `chosen` in the end.
    """
    found = []
    for name, own in values.items():
        preferred = [other for other in values if len(values[other]) > len(own)] or chosen
        best = max(sum(values[other][place] for place in own) for other in preferred)
        if name not in preferred and sum(own.values()) > best + 1e-9:
            found.append(name)
    return found


def members(fitting: Sequence[Arm]) -> list[Arm]:
    """Return every attack of the zoo that suits the experiment, at its defaults, which come first."""
    first: dict[str, Arm] = {}
    for arm in fitting:
        if not arm.adaptive:
            first.setdefault(arm.attack, arm)
    return [first[attack] for attack in TURNED if attack in first]


def play(out: Path, ledger: Ledger, name: str, subject: Subject, *, adaptive: bool, tell: Tell) -> None:
    """Play what is missing of a rule and a data set: first the fixed attacks, which are cheap, or those that adapt."""
    fitting = arms_for(subject.experiment)[0]
    by_name = {arm.name: arm for arm in fitting}
    found = ledger.once("found", name, FOUND, lambda: searched(out / name, subject, tell))
    arms = {arm.name: arm for arm in [*(by_name[each] for each in found.finalists), *members(fitting)]}
    judged, number = 0, 0
    while judged < SEEDS:
        cells = {f"{name}, seed {number}: {arm.name}": arm for arm in arms.values() if arm.adaptive == adaptive}
        missing = {key: arm for key, arm in cells.items() if not ledger.has("cell", key)}
        if missing:
            tell(f"{name}, seed {number}: {len(missing)} attacks")
            done = Federations(out / name, subject, RUNTIME, None).played(list(missing.values()), "verdict", [number])
            for key, played in zip(missing, done, strict=True):
                ledger.add("cell", key, OUTCOME, Outcome.of(played, subject))
        first = ledger.get("cell", next(iter(cells)), OUTCOME) if cells else None
        judged += first is None or not first.unjudged
        number += 1


def outcomes(ledger: Ledger, name: str) -> dict[str, list[Outcome]]:
    """Return the outcomes of each attack with the seeds with which something can be told, in their order."""
    found: dict[str, list[Outcome]] = {}
    for key in ledger.keys("cell"):
        if key.startswith(f"{name}, "):
            outcome = ledger.get("cell", key, OUTCOME)
            assert outcome is not None
            if not outcome.unjudged:
                found.setdefault(outcome.attack, []).append(outcome)
    return {attack: sorted(own, key=lambda one: one.number) for attack, own in found.items()}


def more_often(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the p-value of McNemar's exact test, one-sided: the first is true no more often than the second."""
    pairs = list(zip(first, second, strict=True))
    won, lost = pairs.count((True, False)), pairs.count((False, True))
    return float(scipy.stats.binom.sf(won - 1, won + lost, 0.5))


def larger(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the p-value of Wilcoxon's signed-rank test, one-sided: the first are no larger than the second.

    Exact with ties, too: over all ways to give the ranks signs. Pairs that are equal say nothing.
    """
    differences = np.array(first) - np.array(second)
    differences = differences[np.abs(differences) > 1e-9]
    ranks = scipy.stats.rankdata(np.abs(differences))
    signs = np.array(list(itertools.product((0, 1), repeat=len(ranks))))
    return float(np.mean(signs @ ranks >= ranks[differences > 0].sum() - 1e-9))


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    adjusted, highest = [1.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def better(
    cells: Mapping[str, Sequence[Outcome]], finalists: Sequence[str], zoo: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return for each attack of the zoo how sure it is that it is better than every one of the finalists.

    Two p-values, adjusted for the number of attacks: of successes that count, and of what the search ranks by. Each is
    the largest over the finalists, so that none of them is chosen by what it did with these seeds.
    """
    counts = {name: [one.counts for one in own] for name, own in cells.items()}
    worths = {name: [one.worth for one in own] for name, own in cells.items()}
    events = [max(more_often(counts[name], counts[other]) for other in finalists) for name in zoo]
    sizes = [max(larger(worths[name], worths[other]) for other in finalists) for name in zoo]
    return dict(zip(zoo, zip(holm(events), holm(sizes), strict=True), strict=True))


def table(ledger: Ledger) -> str:
    """Return the table in Markdown of each rule and data set that is complete, but for what adapts."""
    head = [
        "rule, data",
        f"finalists (successes of {SEEDS})",
        "tried in single rounds, in federations",
        "passed over",
        "of the zoo: the most successful",
        "smallest p: successes, ranks",
        "for the adaptive finalist alone",
    ]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for rule, data in PAIRS:
        found, cells = ledger.get("found", name_of(rule, data), FOUND), outcomes(ledger, name_of(rule, data))
        whole = {attack: own for attack, own in cells.items() if len(own) == SEEDS}
        if found is not None and whole and cells.keys() - whole.keys() <= set(found.adaptive):
            lines.append(f"| {' | '.join([f'{rule}, {data}', *row(found, whole)])} |")
    return "\n".join(lines)


def row(found: Found, cells: Mapping[str, Sequence[Outcome]]) -> list[str]:
    """Return what the table says of one rule and data set, with the finalists that were tried with all seeds.

    An attack that is no better than some of the finalists is none that is better than all. The adaptive finalist alone
    is compared with the fixed one, too.
    """
    successes = {name: str(sum(one.counts for one in own)) for name, own in cells.items()}
    zoo = [name for name in cells if name not in found.finalists]
    most = max(zoo, key=lambda name: (int(successes[name]), sum(one.worth for one in cells[name])))
    played = [name for name in found.finalists if name in cells]
    adaptive = [name for name in found.adaptive if name in cells]
    fixed = [name for name in cells if name not in found.adaptive]
    return [
        ", ".join(f"`{name}` ({successes.get(name, '–')})" for name in found.finalists),
        f"{found.tried}, {found.played}",
        ", ".join(f"`{name}`" for name in found.wronged) or "none",
        f"{len(zoo)}: `{most}` ({successes[most]})",
        smallest(better(cells, played, zoo)),
        smallest(better(cells, adaptive, fixed)) if adaptive else "–",
    ]


def smallest(found: Mapping[str, tuple[float, float]]) -> str:
    """Return the smallest p-values, with the names of attacks that are better."""
    words = []
    for place in (0, 1):
        names = [name for name in found if found[name][place] < LEVEL]
        value = f"{min(pair[place] for pair in found.values()):.3f}"
        words.append(f"**{value}** ({', '.join(f'`{name}`' for name in names)})" if names else value)
    return "; ".join(words)


def main() -> None:
    """Play what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the directory")
    parser.add_argument("--minutes", type=float, default=60, help="after which nothing more is begun; default 60")
    parser.add_argument("--rules", nargs="*", choices=list(RULES), default=list(RULES), help="default all")
    parser.add_argument("--data", nargs="*", choices=list(DATA), default=list(DATA), help="default all")
    parser.add_argument("--table", action="store_true", help="play nothing")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    ledger, end = Ledger(given.out), monotonic() + 60 * given.minutes

    def tell(words: str) -> None:
        if monotonic() > end:
            raise OutOfTime
        print(words, file=sys.stderr, flush=True)

    pairs = [(rule, data) for rule, data in PAIRS if rule in given.rules and data in given.data and not given.table]
    try:
        with in_this_process():
            for (rule, data), adaptive in itertools.product(pairs, (False, True)):
                subject = Subject.of(experiment_of(rule, data), ACCURACY_COST)
                play(given.out, ledger, name_of(rule, data), subject, adaptive=adaptive, tell=tell)
    except OutOfTime:
        print("out of time; the same command goes on", file=sys.stderr)
    print(table(ledger))


if __name__ == "__main__":
    main()
