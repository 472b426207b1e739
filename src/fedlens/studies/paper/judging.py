"""From runs to verdicts: the median over seeds' medians decides, by the bounds in ``claims.yaml``.

A number is undecided where its interval, or the range of the seeds' medians where no interval can be had, reaches
beyond its bound. Every bound is put to what has no effect, too: to runs of the same panel whose malicious client trains
honestly (``honest``), or poisons its data without boosting (``poisoning``). A claim that holds for these says nothing.
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
    """What was measured for a part of a claim.

    Attributes:
        part: of which part.
        values: the number by case.
        controls: the benign twin's by case, where it has one.
        negatives: by kind of negative control of which there are runs, the same of these by case.
    """

    part: Part
    values: Mapping[Case, float]
    controls: Mapping[Case, float]
    negatives: Mapping[str, Mapping[Case, float]] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """The median over seeds, of each one's median over its targets; ``None`` where nothing was measured."""
        return None if self.interval is None else self.interval.value

    @cached_property
    def interval(self) -> Interval | None:
        """The median with its 95 % interval; the numbers of runs that are measured together depend on each other."""
        if not self.values:
            return None
        coverage = None if self.part.measure in COMPARED else COVERAGE
        return estimate(list(self.values.values()), [case.seed for case in self.values], "median", coverage)

    @property
    def control(self) -> float | None:
        """The median of the controls."""
        return median_of_seeds(self.controls)

    @property
    def outcome(self) -> Outcome | None:
        """Whether the number is within the part's bounds; ``None`` where nothing was measured."""
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
        """In how many cases the number by itself is within the bounds."""
        return sum(map(self.part.holds, self.values.values()))

    def passes(self, kind: str) -> bool | None:
        """Whether a negative control is within the bounds, too; ``None`` where it was not run."""
        if kind not in self.negatives:
            return None
        value = median_of_seeds(self.negatives[kind])
        return value is not None and self.part.holds(value)


@dataclass(frozen=True)
class Judgement:
    """A claim and what came of it.

    Attributes:
        number: the claim's, such as ``C7``.
        claim: what it says.
        findings: for each of its parts.
        flags: reasons to doubt the runs, each with how many it concerns.
    """

    number: str
    claim: Claim
    findings: list[Finding]
    flags: list[str]

    @property
    def deciding(self) -> list[Finding]:
        """What the verdict depends on."""
        return [finding for finding in self.findings if finding.part.decides]

    @property
    def cases(self) -> set[Case]:
        """The seeds and targets of the number that was tested with the fewest, among those that decide if any do."""
        tested = [set(finding.values) for finding in self.deciding or self.findings if finding.values]
        return min(tested, key=lambda cases: (len({case.seed for case in cases}), len(cases)), default=set())

    @property
    def verdict(self) -> Verdict:
        """Whether the claim holds; ``–`` where the paper's page sets no bound."""
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
        """By kind of negative control, whether the claim as a whole holds for it; ``None`` where that is not known."""
        kinds = sorted({kind for finding in self.deciding for kind in finding.negatives})
        return {kind: _all([finding.passes(kind) for finding in self.deciding]) for kind in kinds}


def _all(known: list[bool | None]) -> bool | None:
    """Whether all are true, where that is known."""
    return False if False in known else None if None in known else True


def judge(evidence: Evidence) -> list[Judgement]:
    """Every claim in the light of `evidence`."""
    controls = negatives(evidence.scale)
    return [
        Judgement(number, claim, [_find(part, evidence, controls) for part in claim.parts], _flags(claim, evidence))
        for number, claim in claims().items()
    ]


def median_of_seeds(values: Mapping[Case, float]) -> float | None:
    """The median over seeds of the median over each one's targets, so that every seed counts alike."""
    if not values:
        return None
    return estimate(list(values.values()), [case.seed for case in values], "median").value


def _flags(claim: Claim, evidence: Evidence) -> list[str]:
    """The red flags of the claim's runs, but for that of a run by itself, which is about repetition."""
    names = {name for part in claim.parts for name in part.of}
    runs = {run.path: run for name in names for run in evidence.runs.get(name, {}).values()}.values()
    return common(run.flags for run in runs)


def _find(part: Part, evidence: Evidence, controls: Mapping[str, Mapping[str, str]]) -> Finding:
    """Measure a part in every case of which there are runs; `controls` are the panels of negative controls."""
    if evidence.scale not in part.only:
        return Finding(part, {}, {})
    found = _measured(part, part.of, evidence)
    beside = {case: one.control for case, one in found.items() if one.control is not None}
    first, *others = part.of
    if part.measure in COMPARED:
        negative: dict[str, dict[Case, float]] = {"honest": {}} if beside else {}  # a benign model is not poisoned
    else:
        there = {kind: panel for kind, panel in controls.get(first, {}).items() if panel in evidence.runs}
        negative = {
            kind: {case: one.value for case, one in _measured(part, (panel, *others), evidence).items()}
            for kind, panel in there.items()
        }
    return Finding(part, {case: one.value for case, one in found.items()}, beside, negative)


def _measured(part: Part, of: tuple[str, ...], evidence: Evidence) -> dict[Case, Measured]:
    """The part's number of these panels, by case; the difference of two, which has no control."""
    if part.measure in COMPARED:
        return dict(COMPARED[part.measure](evidence, of[0]))
    measure, values = MEASURES[part.measure], {}
    for case, runs in evidence.of(of):
        first, *others = map(measure, runs)
        if first is None or None in others:
            continue
        values[case] = Measured(first.value - others[0].value) if others and others[0] is not None else first
    return values
