"""Claims as rows of a table, for the terminal and for the page."""

from typing import TYPE_CHECKING

from fedlens.analysis.interval_words import interval_words, lacking
from fedlens.analysis.intervals import rate
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.judging import Finding, Judgement, median_of_seeds

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("number", "paper", "holds if", "ours: median [95 %]", "within", "control", "no effect", "seeds × targets")
COLOURS = {"holds": "green", "holds in part": "yellow", "undecided": "yellow", "does not hold": "red"}
MARKS = {"outside": " ✗", "undecided": " ?", "within": ""}


def verdict_table(judgements: list[Judgement]) -> "Table":
    """Return a table of the tested claims: number, the paper's value, ours, control, seeds and targets, verdict."""
    from rich.text import Text

    from fedlens.report.terminal.printing import PlainTable

    table = PlainTable()
    table.caption = lacking(finding.interval for judgement in judgements for finding in judgement.findings)
    for name in ("claim", "number (the paper's; holds if)", "ours: median [95 %]", "control", "seeds × targets"):
        table.add_column(name)
    table.add_column("verdict")
    for judgement in judgements:
        colour = COLOURS.get(judgement.verdict, "dim")
        verdict = Text(judgement.verdict.replace(" at this scale", ""), colour)
        tested = [finding for finding in judgement.findings if finding.values]
        for index, finding in enumerate(tested):
            what, paper, bound, value, _, control, _, cases = row(finding)
            words = f"{what} ({paper}; {bound})"
            table.add_row("" if index else judgement.number, words, value, control, cases, "" if index else verdict)
        if not tested:
            table.add_row(judgement.number, "", "", "", "", verdict)
    return table


def row(finding: Finding) -> list[str]:
    """Return a part of a claim as the cells of a table, in the order of `COLUMNS`."""
    part = finding.part
    return [
        part.what,
        part.paper,
        part.bound() or "shown only",
        ours(finding) + (MARKS[finding.outcome] if finding.outcome else ""),
        holding(finding),
        number(finding.control),
        no_effect(finding),
        spread(set(finding.values)),
    ]


def no_effect(finding: Finding) -> str:
    """Return the negative controls' medians, marked if within the bound: ``honest 0.10, poisoning 0.34 (within)``."""
    words = []
    for kind, values in finding.negatives.items():
        within = " (within)" if finding.part.decides and finding.passes(kind) else ""
        words.append(f"{kind} {number(median_of_seeds(values))}{within}")
    return ", ".join(words) or "–"


def within(judgement: Judgement) -> str:
    """Return how many of a claim's numbers are within their bounds, undecided, not tested: ``2 of 3, 1 undecided``."""
    if not judgement.deciding:
        return "–"
    outcomes = [finding.outcome for finding in judgement.deciding]
    others = {"undecided": outcomes.count("undecided"), "not tested": outcomes.count(None)}
    words = [f"{outcomes.count('within')} of {len(outcomes) - others['not tested']}"]
    return ", ".join(words + [f"{count} {outcome}" for outcome, count in others.items() if count])


def against_nothing(judgement: Judgement) -> str:
    """Return whether the whole claim fails for attacks without effect, as it should: ``honest: fails``."""
    words = {False: "fails", True: "HOLDS", None: "not known"}
    return ", ".join(f"{kind}: {words[holds]}" for kind, holds in judgement.negatives.items()) or "–"


def ours(finding: Finding) -> str:
    """Return the median with its interval or, if there is none, the range of the seeds."""
    return interval_words(finding.interval, number)


def holding(finding: Finding) -> str:
    """Return in how many cases the number by itself is within the bound; for independent seeds, with an interval."""
    if finding.interval is None or not finding.part.decides:
        return "–"
    words = f"{finding.holding} of {len(finding.values)}"
    if finding.interval.seeds == 1 or finding.interval.needed is None:
        return words
    holds = [finding.part.holds(value) for value in finding.values.values()]
    return f"{words}, {interval_words(rate(holds, [case.seed for case in finding.values]))}"


def number(value: float | None) -> str:
    """Return a number with three significant digits, or three decimals if that is fewer."""
    if value is None:
        return "–"
    return f"{value:.3f}" if 0.01 <= abs(value) < 1 or value == 0 else f"{value:.3g}"


def spread(cases: set[Case]) -> str:
    """Return the numbers of seeds and targets: ``3 × 3``; if seeds differ in their number of targets, that of cases."""
    if not cases:
        return "–"
    seeds = {case.seed for case in cases}
    each = {sum(case.seed == seed for case in cases) for seed in seeds}
    return f"{len(seeds)} × {each.pop()}" if len(each) == 1 else f"{len(seeds)} seeds, {len(cases)} in all"


def red_flags(judgements: list[Judgement]) -> list[str]:
    """Return reasons why the verdicts may mean less than they seem."""
    tested = [judgement for judgement in judgements if judgement.cases]
    one_seed = [judgement.number for judgement in tested if len({case.seed for case in judgement.cases}) == 1]
    one_target = [judgement.number for judgement in tested if len({case.draw for case in judgement.cases}) == 1]
    empty = [judgement.number for judgement in tested if True in judgement.negatives.values()]
    flags = []
    if empty:
        flags.append(f"holds for what has no effect, too: {', '.join(empty)}")
    if one_seed:
        flags.append(f"one seed: {', '.join(one_seed)}; more with --seeds")
    if one_target:
        flags.append(f"one target a seed: {', '.join(one_target)}; more with --targets")
    return flags
