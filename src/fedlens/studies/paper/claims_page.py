"""The reproduction's page: a table of verdicts, and a section for each claim with its numbers and pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fedlens.experiment.presets import Scale
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.claims_json import cases_of
from fedlens.studies.paper.evidence import Evidence
from fedlens.studies.paper.judging import Judgement
from fedlens.studies.paper.rows import COLUMNS, against_nothing, red_flags, row, spread, within

PICTURES = {"C1": "benign", "C14": "fig6", "C15": "median", "C17": "appendix", "C18": "stealth", "C19": "algorithm"}
"""The pictures of claims that are not about a numbered figure."""


def page(
    judgements: list[Judgement],
    evidence: Evidence,
    cost: Mapping[str, Any],
    figures: Mapping[str, Sequence[str]],
    others: Mapping[Scale, Mapping[str, Any]],
) -> Iterator[str]:
    """Yield the paragraphs of the Markdown page, tables included.

    Args:
        judgements: every claim.
        evidence: the runs.
        cost: of the runs, as of `account`.
        figures: files of pictures, relative to the page, by the paper's figure (``fig4``).
        others: results at other scales, as of `claims_json`; their pages are in folders of these names.
    """
    yield f"# The paper's claims, {evidence.scale} scale"
    yield (
        "Made by `fedlens reproduce`. Every number is a median over seeds, of each seed's median over its targets, "
        "with its 95 % interval; with fewer than five seeds no interval covers, and there is their range. Thresholds "
        "were fixed in advance. ✗: outside the bound; ?: undecided, for the interval or the range has the bound in it. "
        "*Within*: in how many cases the number by itself is within the bound, and this rate over seeds with its 95 % "
        "interval. *Control*: the same of the benign twin or, where a client's update, steps or chance of being chosen "
        "are meant, of a benign client. *No effect*: the same of attacks that have none, a client that trains honestly "
        "and one that poisons its data; what is within the bound there, too, is marked, and no claim may hold for them "
        "as a whole. *Seeds × targets*, for a claim, are those of the number that has the fewest. Targets are drawn "
        "among the samples that the benign twin gets right with a confidence of 0.5 or more: harder ones than the "
        "paper's, which are drawn among all."
    )
    runs = "1 run" if cost["runs"] == 1 else f"{cost['runs']} runs"
    yield (
        f"{runs}, {cost['rounds']} rounds, which took {cost['hours']:.1f} hours if added up.\n"
        f"Machine: {'; '.join(cost['machines'])}. Versions: {'; '.join(cost['versions'])}."
    )
    yield from (f"**Red flag:** {flag}." for flag in red_flags(judgements))
    yield _table(
        ["claim", "figure", "what the paper says", "verdict", "within bounds", "without effect", "seeds × targets"],
        [
            [
                f"[{judgement.number}](#{judgement.number.lower()})",
                str(judgement.claim.figure),
                judgement.claim.claim,
                f"**{judgement.verdict}**",
                within(judgement),
                against_nothing(judgement),
                spread(judgement.cases),
            ]
            for judgement in judgements
        ],
    )
    if others:
        yield from _scales(judgements, evidence.scale, others)
    unused = dict(figures)
    for judgement in judgements:
        yield from _section(judgement, unused.pop(PICTURES.get(judgement.number, f"fig{judgement.claim.figure}"), []))
    if evidence.unreadable:
        yield "\n".join(f"Left out: {trouble}" for trouble in evidence.unreadable)


def _scales(judgements: list[Judgement], scale: Scale, others: Mapping[Scale, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table of each claim's verdict at every scale with results."""
    by_scale = {other: {claim["claim"]: claim for claim in result["claims"]} for other, result in others.items()}
    yield "## At which scale each claim was tested"
    yield (
        "quick: small models and few epochs. paper-10: the paper's model, data, K and E for ten rounds. paper: for as "
        "many as the paper's."
    )
    yield _table(
        ["claim", f"{scale} (this page)", *(f"[{other}]({other}/README.md)" for other in others)],
        [
            [
                judgement.number,
                _verdict_with_cases(judgement.verdict, judgement.cases),
                *(
                    _verdict_with_cases(claim["verdict"], cases_of(claim))
                    for claims in by_scale.values()
                    if (claim := claims.get(judgement.number))
                ),
            ]
            for judgement in judgements
        ],
    )


def _verdict_with_cases(verdict: str, cases: set[Case]) -> str:
    """Return a verdict with the numbers of seeds and targets that it rests on."""
    return f"**{verdict}**, {spread(cases)}" if cases else verdict.removesuffix(" at this scale")


def _section(judgement: Judgement, files: Sequence[str]) -> Iterator[str]:
    yield f"## {judgement.number}"
    yield f"{judgement.claim.claim[0].upper()}{judgement.claim.claim[1:]}. **{judgement.verdict}**"
    if judgement.claim.remark:
        yield f"{judgement.claim.remark[0].upper()}{judgement.claim.remark[1:]}."
    if judgement.findings:
        yield _table(list(COLUMNS), [row(finding) for finding in judgement.findings])
    yield from (f"**Red flag:** {flag}." for flag in judgement.flags)
    yield from (f"![{file}]({file})" for file in files)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', '∣') for cell in cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines])
