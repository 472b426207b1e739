"""What an audit says in the end, and the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["broken", "holds", "undecided", "no verdict"]

EXIT_CODES: Mapping[Verdict, int] = {"holds": 0, "undecided": 0, "broken": 1, "no verdict": 3}
"""Of the command; 2 is a mistake in how it was called."""

LEAK = 0.1
"""The largest planted leak that an audit may need to find one, as a share of the mean."""


@dataclass(frozen=True)
class LeakTest:
    """What planted leaks the audit found.

    Attributes:
        smallest: the smallest leak found, as a share of the mean, between 0 and 1; ``None`` if none was.

    Example:
        >>> from fedlens.studies.audit.judgement import LeakTest
        >>> LeakTest(0.003).passed, LeakTest(0.3).passed, LeakTest(None).passed
        (True, False, False)
    """

    smallest: float | None

    @property
    def passed(self) -> bool:
        """Whether a leak of `LEAK` or a smaller one was found."""
        return self.smallest is not None and self.smallest <= LEAK


@dataclass(frozen=True)
class Finalist:
    """What is known of one finalist.

    Attributes:
        name: what the attack is called.
        cells: n, with how many seeds it was tried.
        successes: with how many of them it succeeded and the placebo did not.
        placebos: with how many the placebo alone succeeded.
        failed: with how many the run failed, so that nobody knows.
        low: lower limit of its rate of successes. All limits of all finalists are right together in 95 % of audits,
            whenever one looks.
        high: upper limit.
        upper: upper limit of this finalist alone; likewise.
        floor: e-value against a rate of at most 5 %.
        placebo: e-value against "no likelier than the placebo to succeed alone".
        adjusted: the lesser of these two, adjusted for the number of finalists: the most that it has been.
        rate: e-value against the rate that was asked for: the most that it has been.
        broken: whether it breaks what is audited.
        refuted: whether its rate is shown to be below the one that was asked for.
        cost: median of the accuracy lost; ``None`` before the first cell.
        unseen: share of the cells in which it was unseen; ``None`` if there is no check.
        mcnemar: p-value of McNemar's exact test of attack against placebo. It decides nothing: it is right only if the
            number of seeds was fixed beforehand.

    Example:
        >>> from fedlens.studies.audit.cell import Cell
        >>> from fedlens.studies.audit.verdict import judge
        >>> cells = [Cell("alternating", seed, success=seed < 9, placebo=False, cost=0.01) for seed in range(10)]
        >>> [finalist] = judge(cells, ["alternating"]).finalists
        >>> f"{finalist.successes} of {finalist.cells}, {finalist.low:.2f} to {finalist.high:.2f}"
        '9 of 10, 0.55 to 1.00'
    """

    name: str
    cells: int
    successes: int
    placebos: int
    failed: int
    low: float
    high: float
    upper: float
    floor: float
    placebo: float
    adjusted: float
    rate: float
    broken: bool
    refuted: bool
    cost: float | None
    unseen: float | None
    mcnemar: float


def deciding(finalists: Sequence[Finalist]) -> Finalist:
    """Return the finalist that the verdict is told by.

    Of those that break the server it is the one whose rate is surely highest; where none does, the one with the most
    successes.

    Example:
        >>> from fedlens.studies.audit.cell import Cell
        >>> from fedlens.studies.audit.judgement import deciding
        >>> from fedlens.studies.audit.verdict import judge
        >>> cells = [Cell(name, 0, success=name == "pgd", placebo=False, cost=0.0) for name in ("badnets", "pgd")]
        >>> deciding(judge(cells, ["badnets", "pgd"]).finalists).name
        'pgd'
    """
    if broken := [one for one in finalists if one.broken]:
        return max(broken, key=lambda one: one.low)
    return max(finalists, key=lambda one: one.successes)


def nearly_broken(finalists: Sequence[Finalist]) -> bool:
    """Tell whether some finalist succeeded with half of the seeds or more, so that more of them may show it to break.

    Example:
        >>> from fedlens.studies.audit.cell import Cell
        >>> from fedlens.studies.audit.judgement import nearly_broken
        >>> from fedlens.studies.audit.verdict import judge
        >>> cells = [Cell("pgd", seed, success=seed > 1, placebo=False, cost=0.0) for seed in range(4)]
        >>> nearly_broken(judge(cells, ["pgd"]).finalists)
        True
    """
    most = deciding(finalists)
    return 2 * most.successes >= most.cells > 0


@dataclass(frozen=True)
class Judgement:
    """A verdict, and what it rests on.

    Attributes:
        verdict: broken, holds, undecided or no verdict.
        sentence: the same as a sentence with its numbers.
        finalists: in the order that they were given in.
        seeds: how many count: all those before the first that is not complete.
        asked: the rate that was to be refuted.
        upper: upper limit of the largest rate of a finalist, right in 95 % of audits, whenever one looks.
        further: how many more seeds, none with a success, would refute the rate of every finalist; 0 if it is.
        leak_test: as it was given.

    Example:
        >>> from fedlens.studies.audit.cell import Cell
        >>> from fedlens.studies.audit.judgement import LeakTest
        >>> from fedlens.studies.audit.verdict import judge
        >>> cells = [Cell("alternating", seed, success=False, placebo=False, cost=0.01) for seed in range(36)]
        >>> judge(cells[:30], ["alternating"], leak_test=LeakTest(0.003)).sentence
        'undecided: the rate of success may be as high as 11.3 %; 5 more seeds without a success could decide it'
        >>> judge(cells, ["alternating"], leak_test=LeakTest(0.003)).verdict
        'holds'
    """

    verdict: Verdict
    sentence: str
    finalists: tuple[Finalist, ...]
    seeds: int
    asked: float
    upper: float
    further: int
    leak_test: LeakTest | None

    def exit_code(self, *, strict: bool = False) -> int:
        """Return the command's exit code: 0 for holds or undecided, 1 for broken, 3 for no verdict.

        Args:
            strict: undecided is 1, too.
        """
        return 1 if strict and self.verdict == "undecided" else EXIT_CODES[self.verdict]
