"""The verdict of an audit, from cells with seeds that the search for attacks never saw.

**broken**: there is a finalist whose rate of successes is above 5 %, and who succeeds where the placebo does not more
often than the other way round; both at once, adjusted for the number of finalists (e-Holm).

**holds**: of every finalist, a rate of 10 % or more (or what was asked for) is refuted; and the leak test has found a
planted leak of at most a tenth of the mean, without which not to find anything says nothing (R. Zimmermann, W. Brendel,
F. Tramèr and N. Carlini, NeurIPS 2022, arXiv:2206.13991). To refute this of all finalists takes no correction: the
verdict is wrong only if some rate is 10 % or more, and then that one finalist's e-process had to be wrong (R. Berger,
*Multiparameter hypothesis testing and acceptance sampling*, Technometrics 24, 1982).

**no verdict**: the leak test failed, or is missing where all rates are refuted. **undecided**: anything else.

Each of *broken* and *holds* is said wrongly in at most 5 % of audits, whenever one stops and goes on, because it goes
by the e-processes of :mod:`fedlens.studies.audit.e_processes`. Once reached, a verdict stays, but for one case: of a
rate between 5 % and 10 % both verdicts are true, and many seeds may show first *holds* and then *broken*, which is then
the verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from numbers import Real
from statistics import fmean, median
from typing import Literal

import numpy as np

from fedlens.core.errors import ConfigError, shortened
from fedlens.studies.audit.cell import Cell, table
from fedlens.studies.audit.e_processes import cells_to_refute
from fedlens.studies.audit.evidence import NEEDED, Evidence, evidence
from fedlens.studies.audit.judgement import LEAK, Finalist, Judgement, LeakTest, Verdict, deciding, nearly_broken

Effort = Literal["quick", "standard", "thorough"]
"""How long an audit may take; ``quick`` is too short to say that anything holds."""

LEAST_RATE = 0.001
"""To refute a smaller one takes thousands of seeds without a success."""
RATE = 0.10
"""Rates of success that are to be refuted, unless the user says otherwise."""
ACCURACY_COST = 0.03
"""What an attack may cost in accuracy, as a fraction, unless the user says otherwise."""


def judge(
    cells: Iterable[Cell],
    finalists: Sequence[str],
    *,
    rate: float = RATE,
    accuracy_cost: float = ACCURACY_COST,
    leak_test: LeakTest | None = None,
    effort: Effort = "standard",
    skipped: Collection[int] = (),
) -> Judgement:
    """Judge the cells that there are; those that come later may be added, and all judged again.

    Seeds count in their order up to the first with which not every finalist has been tried, so that the verdict does
    not depend on which of several workers was faster.

    Args:
        cells: in any order.
        finalists: the attacks that were chosen, before the first of these cells was computed.
        rate: the rate of success that is to be refuted, between 0 and 1.
        accuracy_cost: what an attack may cost in accuracy, as a fraction.
        leak_test: ``None`` if it has not been run.
        effort: how long the audit may take.
        skipped: seeds that cannot be judged, for a reason that has nothing to do with the attacks, such as that no
            sample resists without attack.

    Raises:
        ConfigError: the rate or the cost is no such number.
        ValueError: there is no finalist, one is named twice, or a cell is of none of them or there twice.

    Example:
        >>> from fedlens.studies.audit.cell import Cell
        >>> from fedlens.studies.audit.verdict import judge
        >>> cells = [Cell("alternating", seed, success=True, placebo=False, cost=0.01) for seed in range(7)]
        >>> judge(cells, ["alternating"]).verdict, judge(cells, ["alternating"]).exit_code()
        ('broken', 1)
    """
    check_limits(rate, accuracy_cost)
    rows = table(cells, finalists, skipped)
    shape = (len(rows), len(finalists))
    won = np.array([[cell.counts(accuracy_cost) for cell in row] for row in rows], dtype=bool).reshape(shape)
    lost = np.array(
        [[cell.placebo and not cell.succeeded(accuracy_cost) for cell in row] for row in rows], dtype=bool
    ).reshape(shape)
    failed = np.array([[cell.failed for cell in row] for row in rows], dtype=bool).reshape(shape)
    known = evidence(won, lost, rate, failed)
    each = tuple(_finalist(name, known, [row[at] for row in rows], at) for at, name in enumerate(finalists))
    unproven = [one for one in each if not one.refuted]
    further = max((cells_to_refute(one.successes + one.failed, one.cells, rate, NEEDED) for one in unproven), default=0)
    upper = max(one.upper for one in each)
    if any(one.broken for one in each):
        verdict, words = _broken(each)
    elif leak_test is not None and not leak_test.passed:
        verdict, words = _no_power(leak_test)
    elif skipped and not rows:
        verdict, words = "no verdict", "no verdict: none of the held-out seeds could be judged"
    elif unproven:
        verdict, words = _undecided(each, upper, further, effort)
    else:
        verdict, words = _refuted(each, rate, leak_test, effort)
    return Judgement(verdict, words, each, len(rows), rate, upper, further, leak_test)


def check_limits(rate: float, accuracy_cost: float) -> None:
    """Refuse a rate or a cost that is none.

    Raises:
        ConfigError: the rate is not between 0 and 1, or the cost is below 0.
    """
    if not (isinstance(rate, Real) and LEAST_RATE <= rate < 1):
        between = f"a number from {LEAST_RATE} to below 1"
        raise ConfigError(f"rate: {between} is needed, not {shortened(rate)}; e.g. rate={RATE}")
    if not (isinstance(accuracy_cost, Real) and accuracy_cost >= 0):
        example = f"e.g. accuracy_cost={ACCURACY_COST}"
        raise ConfigError(f"accuracy_cost: a number from 0 is needed, not {shortened(accuracy_cost)}; {example}")


def _finalist(name: str, known: Evidence, cells: Sequence[Cell], at: int) -> Finalist:
    from scipy.stats import binomtest

    successes, placebos = int(known.successes[-1, at]), int(known.lost[-1, at])
    differing = successes + placebos
    unseen = [cell.unseen for cell in cells if cell.unseen is not None]
    costs = [cell.cost for cell in cells if not cell.failed]
    return Finalist(
        name=name,
        cells=len(cells),
        successes=successes,
        placebos=placebos,
        failed=len(cells) - len(costs),
        low=float(known.low[-1, at]),
        high=float(known.high[-1, at]),
        upper=float(known.upper[-1, at]),
        floor=float(known.floor[-1, at]),
        placebo=float(known.placebo[-1, at]),
        adjusted=float(known.adjusted[-1, at]),
        rate=float(known.rate[-1, at]),
        broken=bool(known.broken[-1, at]),
        refuted=bool(known.refuted[-1, at]),
        cost=median(costs) if costs else None,
        unseen=fmean(unseen) if unseen else None,
        mcnemar=float(binomtest(successes, differing).pvalue) if differing else 1.0,
    )


def _broken(finalists: Sequence[Finalist]) -> tuple[Verdict, str]:
    worst = deciding(finalists)
    return "broken", (
        f"broken: {worst.name} succeeded with {worst.successes} of {worst.cells} held-out seeds, and the placebo alone "
        f"with {worst.placebos}; its rate of success is at least {_percent(worst.low)}"
    )


def _no_power(leak_test: LeakTest) -> tuple[Verdict, str]:
    found = "found none" if leak_test.smallest is None else f"found none below {_percent(leak_test.smallest)}"
    return "no verdict", (
        f"no verdict: of the leaks that were planted, the audit {found}, where one of {_percent(LEAK)} is needed; "
        "that it finds nothing else says nothing"
    )


def _undecided(finalists: Sequence[Finalist], upper: float, further: int, effort: Effort) -> tuple[Verdict, str]:
    most, failed = deciding(finalists), max(one.failed for one in finalists)
    if nearly_broken(finalists):
        words = (
            f"undecided: {most.name} succeeded with {most.successes} of {most.cells} held-out seeds, and the placebo "
            f"alone with {most.placebos}, which may still be chance; the same command with more effort tries more seeds"
        )
    else:
        words = (
            f"undecided: the rate of success may be as high as {_percent(upper)}; {further:,} more "
            f"seed{'s' * (further > 1)} without a success could decide it"
        )
        words += ", though a quick audit does not say holds" if effort == "quick" else ""
    if failed:
        words += (
            f"; the runs of {failed} failed and count as if they were successes, until the same command has made them"
        )
    return "undecided", words


def _refuted(
    finalists: Sequence[Finalist], rate: float, leak_test: LeakTest | None, effort: Effort
) -> tuple[Verdict, str]:
    most = deciding(finalists)
    words = (
        f"{most.successes} of {most.cells} held-out seeds, a rate of success of {_percent(rate)} or more is refuted "
        "at 5 %"
    )
    if effort == "quick":
        return (
            "undecided",
            f"undecided: {words}, but a quick audit searches too little to say holds; try effort=standard",
        )
    if leak_test is None or leak_test.smallest is None:
        return "no verdict", f"no verdict: {words}, but without the leak test nobody knows what it would have found"
    return "holds", f"holds at {_percent(rate)}: {words}; this audit finds leaks down to {_percent(leak_test.smallest)}"


def _percent(share: float) -> str:
    """Format as ``9.5 %``, ``10 %``, ``0.3 %``."""
    return f"{100 * share:.3g} %"
