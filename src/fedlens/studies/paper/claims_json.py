"""The content of ``claims.json``: verdicts and every number behind the medians, as plain values."""

from collections.abc import Mapping
from typing import Any

from fedlens.studies.paper.case import Case
from fedlens.studies.paper.evidence import Evidence
from fedlens.studies.paper.judging import Finding, Judgement, median_of_seeds
from fedlens.studies.paper.rows import red_flags


def claims_json(judgements: list[Judgement], evidence: Evidence, cost: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that the page says, and every number behind the medians; `cost` is that of `account`."""
    return {
        "scale": evidence.scale,
        **cost,
        "red_flags": red_flags(judgements),
        "claims": [
            {
                "claim": judgement.number,
                "figure": judgement.claim.figure,
                "says": judgement.claim.claim,
                "verdict": judgement.verdict,
                "negative_controls": judgement.negatives,
                "remark": judgement.claim.remark,
                "cases": sorted(judgement.cases),
                "red_flags": judgement.flags,
                "parts": [_finding(finding) for finding in judgement.findings],
            }
            for judgement in judgements
        ],
    }


def cases_of(claim: Mapping[str, Any]) -> set[Case]:
    """Return the seeds and targets of a claim in the result of `claims_json`."""
    return {Case(*case) for case in claim["cases"]}


def _finding(finding: Finding) -> dict[str, Any]:
    part, interval = finding.part, finding.interval
    return {
        "what": part.what,
        "measure": part.measure,
        "of": list(part.of),
        "paper": part.paper,
        "holds_if": part.bounds,
        "median": finding.median,
        "interval": None if interval is None or interval.low is None else [interval.low, interval.high],
        "range": None if interval is None else list(interval.range),
        "seeds": 0 if interval is None else interval.seeds,
        "control": finding.control,
        "outcome": finding.outcome if part.decides else None,
        "negative_controls": {
            kind: {"median": median_of_seeds(values), "within": finding.passes(kind) if part.decides else None}
            for kind, values in finding.negatives.items()
        },
        "values": [
            {"seed": case.seed, "draw": case.draw, "value": value, "control": finding.controls.get(case)}
            for case, value in sorted(finding.values.items())
        ],
    }
