"""Verdicts on the claims: the median of the seeds' medians is compared with the bounds in ``claims.yaml``.

A number is undecided if its bound is inside its interval or, if there is no interval, inside the range of the seeds'
medians. Every bound is also applied to negative controls: runs of the same panel whose malicious client trains honestly
(``honest``), or poisons its data without boosting (``poisoning``). A claim that holds for these says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from fedlens.analysis.flags import common
from fedlens.analysis.intervals import COVERAGE, Interval, estimate
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.claims import Claim, Part, claims
from fedlens.studies.paper.evidence import Evidence
from fedlens.studies.paper.explained import COMPARED
from fedlens.studies.paper.measures import MEASURES, Measured
from fedlens.studies.paper.plan import negatives

Verdict = Literal["holds", "holds in part", "undecided", "does not hold", "not tested at this scale", "–"]

Outcome = Literal["within", "undecided", "outside"]


@dataclass(frozen=True)
class Finding:
    """The measured numbers for a part of a claim.

    Attributes:
        part: the part of the claim.
        values: the number by case.
        controls: the benign twins' numbers by case, where there are any.
        negatives: by kind of negative control, its numbers by case.
    """

    part: Part
    values: Mapping[Case, float]
    controls: Mapping[Case, float]
    negatives: Mapping[str, Mapping[Case, float]] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """Return the median over seeds of each seed's median over targets; ``None`` if nothing was measured."""
        return None if self.interval is None else self.interval.value

    @cached_property
    def interval(self) -> Interval | None:
        """Return the median with its 95 % interval; without one if runs are measured together and so depend."""
        if not self.values:
            return None
        coverage = None if self.part.measure in COMPARED else COVERAGE
        return estimate(list(self.values.values()), [case.seed for case in self.values], "median", coverage)

    @property
    def control(self) -> float | None:
        """Return the median of the controls."""
        return median_of_seeds(self.controls)

    @property
    def outcome(self) -> Outcome | None:
        """Tell whether the number is within the part's bounds; ``None`` if nothing was measured."""
        interval = self.interval
        if interval is None:
            return None
        holds, (low, high) = self.part.holds, interval.range
        if interval.low is not None and interval.high is not None:
            low, high = interval.low, interval.high
        if any(low < bound < high for bound in self.part.bounds.values()) or holds(low) != holds(high):
            return "undecided"
        return "within" if holds(interval.value) else "outside"

    @property
    def holding(self) -> int:
        """Return the number of cases whose own number is within the bounds."""
        return sum(map(self.part.holds, self.values.values()))

    def passes(self, kind: str) -> bool | None:
        """Tell whether a negative control is within the bounds, too; ``None`` if it was not run."""
        if kind not in self.negatives:
            return None
        value = median_of_seeds(self.negatives[kind])
        return value is not None and self.part.holds(value)


@dataclass(frozen=True)
class Judgement:
    """A claim and the verdict on it.

    Attributes:
        number: the claim's number, such as ``C7``.
        claim: the claim.
        findings: one for each of its parts.
        flags: red flags of its runs, each with the number of runs.
    """

    number: str
    claim: Claim
    findings: list[Finding]
    flags: list[str]

    @property
    def deciding(self) -> list[Finding]:
        """Return the findings that the verdict depends on."""
        return [finding for finding in self.findings if finding.part.decides]

    @property
    def cases(self) -> set[Case]:
        """Return the cases of the finding that has the fewest, among the deciding ones if there are any."""
        tested = [set(finding.values) for finding in self.deciding or self.findings if finding.values]
        return min(tested, key=lambda cases: (len({case.seed for case in cases}), len(cases)), default=set())

    @property
    def verdict(self) -> Verdict:
        """Return whether the claim holds; ``–`` if it has no bound."""
        outcomes = [finding.outcome for finding in self.deciding]
        tested = {outcome for outcome in outcomes if outcome is not None}
        if not self.deciding and self.cases:
            return "–"
        if not tested:
            return "not tested at this scale"
        if {"within", "outside"} <= tested or (tested == {"within"} and None in outcomes):
            return "holds in part"
        if "undecided" in tested:
            return "undecided"
        return "holds" if tested == {"within"} else "does not hold"

    @property
    def negatives(self) -> dict[str, bool | None]:
        """Tell, by kind of negative control, whether the whole claim holds for it; ``None`` if that is unknown."""
        kinds = sorted({kind for finding in self.deciding for kind in finding.negatives})
        return {kind: _all([finding.passes(kind) for finding in self.deciding]) for kind in kinds}


def _all(values: list[bool | None]) -> bool | None:
    """Tell whether all values are true; ``None`` if that is unknown."""
    return False if False in values else None if None in values else True


def judge(evidence: Evidence) -> list[Judgement]:
    """Judge every claim by the `evidence`."""
    controls = negatives(evidence.scale)
    return [
        Judgement(number, claim, [_find(part, evidence, controls) for part in claim.parts], _flags(claim, evidence))
        for number, claim in claims().items()
    ]


def median_of_seeds(values: Mapping[Case, float]) -> float | None:
    """Return the median over seeds of each seed's median over targets, so that every seed counts equally."""
    if not values:
        return None
    return estimate(list(values.values()), [case.seed for case in values], "median").value


def _flags(claim: Claim, evidence: Evidence) -> list[str]:
    """Return the red flags of the claim's runs, without those about repetition that concern a single run."""
    names = {name for part in claim.parts for name in part.of}
    runs = {run.path: run for name in names for run in evidence.runs.get(name, {}).values()}.values()
    return common(run.flags for run in runs)


def _find(part: Part, evidence: Evidence, controls: Mapping[str, Mapping[str, str]]) -> Finding:
    """Measure a part in every case that has runs; `controls` are the panels of negative controls."""
    if evidence.scale not in part.only:
        return Finding(part, {}, {})
    measured = _measure(part, part.of, evidence)
    twins = {case: number.control for case, number in measured.items() if number.control is not None}
    first, *others = part.of
    if part.measure in COMPARED:
        negative: dict[str, dict[Case, float]] = {"honest": {}} if twins else {}  # a benign model is not poisoned
    else:
        panels = {kind: panel for kind, panel in controls.get(first, {}).items() if panel in evidence.runs}
        negative = {
            kind: {case: number.value for case, number in _measure(part, (panel, *others), evidence).items()}
            for kind, panel in panels.items()
        }
    return Finding(part, {case: number.value for case, number in measured.items()}, twins, negative)


def _measure(part: Part, of: tuple[str, ...], evidence: Evidence) -> dict[Case, Measured]:
    """Return the part's number for these panels, by case; for two, their difference, which has no control."""
    if part.measure in COMPARED:
        return dict(COMPARED[part.measure](evidence, of[0]))
    measure, values = MEASURES[part.measure], {}
    for case, runs in evidence.cases_with(of):
        first, *others = map(measure, runs)
        if first is None or None in others:
            continue
        values[case] = Measured(first.value - others[0].value) if others and others[0] is not None else first
    return values
