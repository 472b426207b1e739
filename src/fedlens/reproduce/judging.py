"""From runs to verdicts: the median over seeds and targets decides, by the bounds in ``claims.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Literal

from fedlens.reproduce.case import Case
from fedlens.reproduce.claims import Claim, Part, claims
from fedlens.reproduce.evidence import Evidence
from fedlens.reproduce.explained import COMPARED
from fedlens.reproduce.measures import MEASURES
from fedlens.runs.flags import common
from fedlens.statistics import Interval, bootstrap

Verdict = Literal["holds", "holds in part", "does not hold", "not tested at this scale", "–"]


@dataclass(frozen=True)
class Finding:
    """What was measured for a part of a claim.

    Attributes:
        part: of which part.
        values: the number by case.
        controls: the benign twin's by case, where it has one.
    """

    part: Part
    values: Mapping[Case, float]
    controls: Mapping[Case, float]

    @property
    def median(self) -> float | None:
        """The median over all cases; ``None`` where there is none."""
        return median(self.values.values()) if self.values else None

    @cached_property
    def interval(self) -> Interval | None:
        """The median with its 95 % interval."""
        return (
            bootstrap(list(self.values.values()), [case.seed for case in self.values], "median")
            if self.values
            else None
        )

    @property
    def control(self) -> float | None:
        """The median of the controls."""
        return median(self.controls.values()) if self.controls else None

    @property
    def holds(self) -> bool | None:
        """Whether the median is within the part's bound; ``None`` where nothing was measured."""
        return None if self.median is None else self.part.holds(self.median)

    @property
    def holding(self) -> int:
        """In how many cases the number by itself is within the bound."""
        return sum(map(self.part.holds, self.values.values()))


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
        tested = [finding.holds for finding in self.deciding if finding.holds is not None]
        if not self.deciding and self.cases:
            return "–"
        if not tested:
            return "not tested at this scale"
        if all(tested) and len(tested) == len(self.deciding):
            return "holds"
        return "holds in part" if any(tested) else "does not hold"


def judge(evidence: Evidence) -> list[Judgement]:
    """Every claim in the light of `evidence`."""
    return [
        Judgement(number, claim, [_find(part, evidence) for part in claim.parts], _flags(claim, evidence))
        for number, claim in claims().items()
    ]


def _flags(claim: Claim, evidence: Evidence) -> list[str]:
    """The red flags of the claim's runs, but for that of a run by itself, which is about repetition."""
    names = {name for part in claim.parts for name in part.of}
    runs = {run.path: run for name in names for run in evidence.runs.get(name, {}).values()}.values()
    return common(run.flags for run in runs)


def _find(part: Part, evidence: Evidence) -> Finding:
    """Measure a part in every case of which there are runs."""
    values, controls = {}, {}
    if part.only not in {None, evidence.scale}:
        return Finding(part, {}, {})
    if part.measure in COMPARED:
        for case, measured in COMPARED[part.measure](evidence, part.of[0]).items():
            values[case] = measured.value
            if measured.control is not None:
                controls[case] = measured.control
        return Finding(part, values, controls)
    measure = MEASURES[part.measure]
    for case, runs in evidence.of(part.of):
        found = [measure(run) for run in runs]
        first = found[0]
        if first is None or None in found:
            continue
        if len(found) == 1:
            values[case] = first.value
            if first.control is not None:
                controls[case] = first.control
        elif (second := found[1]) is not None:
            values[case] = first.value - second.value
    return Finding(part, values, controls)
