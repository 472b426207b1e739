"""The reproduction's page: a table of verdicts, and a section for each claim with its numbers and pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fedlens.reproduce.evidence import Evidence
from fedlens.reproduce.judging import Judgement
from fedlens.reproduce.rows import COLUMNS, red_flags, row, spread, within

PICTURES = {"C14": "fig6", "C15": "median", "C17": "appendix"}
"""The pictures of claims that are not about a numbered figure."""


def page(
    judgements: list[Judgement], evidence: Evidence, spent: Mapping[str, Any], figures: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """The lines of the Markdown page.

    Args:
        judgements: every claim.
        evidence: the runs.
        spent: what they cost, as of `account`.
        figures: files of pictures, relative to the page, by the paper's figure (``fig4``).
    """
    yield f"# The paper's claims, {evidence.scale} scale"
    yield ""
    yield (
        "Made by `fedlens reproduce`. Every number is a median over seeds and targets, with its 95 % interval by the "
        "hierarchical bootstrap; thresholds were fixed in advance. *Within*: in how many cases the number by itself is "
        "within the bound. *Control*: the same of the benign twin or, where a client's update, steps or chance of "
        "being chosen are meant, of a benign client. *Seeds × targets*, for a claim, are those of the number that has "
        "the fewest. Targets are drawn among the samples that the benign twin gets right with a confidence of 0.5 or "
        "more: harder ones than the paper's, which are drawn among all."
    )
    yield ""
    yield f"{spent['runs']} runs, {spent['rounds']} rounds, which took {spent['hours']:.1f} hours if added up."
    yield f"Machine: {'; '.join(spent['machines'])}. Versions: {'; '.join(spent['versions'])}."
    yield ""
    for flag in red_flags(judgements):
        yield f"**Red flag:** {flag}."
        yield ""
    yield from _markdown(
        ["claim", "figure", "what the paper says", "verdict", "within bounds", "seeds × targets"],
        [
            [
                f"[{judgement.number}](#{judgement.number.lower()})",
                str(judgement.claim.figure),
                judgement.claim.claim,
                f"**{judgement.verdict}**",
                within(judgement),
                spread(judgement.cases),
            ]
            for judgement in judgements
        ],
    )
    left = dict(figures)
    for judgement in judgements:
        yield from _section(judgement, left.pop(PICTURES.get(judgement.number, f"fig{judgement.claim.figure}"), []))
    for trouble in evidence.unreadable:
        yield f"Left out: {trouble}"


def _section(judgement: Judgement, files: Sequence[str]) -> Iterator[str]:
    yield f"## {judgement.number}"
    yield ""
    yield f"{judgement.claim.claim[0].upper()}{judgement.claim.claim[1:]}. **{judgement.verdict}**"
    yield ""
    if judgement.claim.remark:
        yield f"{judgement.claim.remark[0].upper()}{judgement.claim.remark[1:]}."
        yield ""
    if judgement.findings:
        yield from _markdown(list(COLUMNS), [row(finding) for finding in judgement.findings])
    for flag in judgement.flags:
        yield f"**Red flag:** {flag}."
        yield ""
    for file in files:
        yield f"![{file}]({file})"
        yield ""


def _markdown(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for cells in rows:
        yield f"| {' | '.join(cell.replace('|', '∣') for cell in cells)} |"
    yield ""
