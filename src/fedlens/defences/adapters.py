"""Rules and detectors as stages of the server's chain.

A rule leaves one row, and the tensors that it keeps are its stage's. A detector drops the rows that it flags, whatever
its `action`: to observe is what ``checks:`` are for, which also have the validation set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from fedlens.defences.detector import Detector, Inspection
from fedlens.defences.filter import Filter
from fedlens.defences.links import Link
from fedlens.defences.returned import ReturnedError, require_aggregate
from fedlens.defences.rule import Received, Rule, least_updates
from fedlens.defences.stage import Kind, Report, Sees, Server, Stage, State, Updates
from fedlens.defences.verdicts import fault

if TYPE_CHECKING:
    from collections.abc import Callable


class RuleStage(Stage):
    """A rule as a stage, which leaves one row.

    Attributes:
        rule: the rule.
    """

    kind: ClassVar[Kind] = "rule"

    rule: Rule

    @property
    def averages(self) -> bool:  # type: ignore[override]
        """The rule's own; ``None`` of one whose code is not read."""
        return self.rule.averages

    @property
    def sees(self) -> Sees:  # type: ignore[override]
        """The rule's own."""
        return self.rule.sees

    @property
    def coordinatewise(self) -> bool:  # type: ignore[override]
        """The rule's own."""
        return self.rule.coordinatewise

    @override
    def needed(self, following: int) -> int:
        return max(least_updates(self.rule), 1)

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        received = Received(updates.rows, updates.weights, server.layout, server.address, state.tensors)
        aggregate = require_aggregate(self.rule.aggregate, self.rule.aggregate(received), updates)
        report = Report(details=aggregate.details)
        return updates.single(aggregate.update, aggregate.shares), State(aggregate.state), report


class FilterStage(Filter):
    """A detector as a stage, which drops what it flags.

    Attributes:
        detector: the detector.
    """

    detector: Detector

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        seen = Inspection(server.round, server.weights, updates.rows, updates.weights, server.layout)
        verdict = self.detector.inspect(seen)
        if wrong := fault(verdict, len(updates.rows)):
            raise ReturnedError(self.detector.inspect, wrong, "Verdict(scores, flagged, details)")
        return Report(verdict.scores, verdict.flagged, details=verdict.details), state


def as_stage(component: Link) -> Stage:
    """Return a component as a stage of the server's chain, which has no samples for a detector that validates."""
    if isinstance(component, Stage):
        return component
    if isinstance(component, Rule):
        return RuleStage(rule=component)
    return FilterStage(detector=component)


def link_of(stage: Stage) -> Link:
    """Return the component that a stage stands for: a rule, a detector, or the stage itself."""
    match stage:
        case RuleStage():
            return stage.rule
        case FilterStage():
            return stage.detector
    return stage


def method_of(stage: Stage) -> Callable[..., object]:
    """Return the method that does the work of a stage, as its author has written it."""
    match link_of(stage):
        case Rule() as rule:
            return rule.aggregate
        case Detector() as detector:
            return detector.inspect
    return stage.apply
