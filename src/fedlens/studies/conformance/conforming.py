"""Conformance: somebody's rule beside fedlens' method of that name, case by case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedlens.analysis.counted import counted
from fedlens.core.errors import cut
from fedlens.studies.conformance.case import Case, Rows, Value
from fedlens.studies.conformance.hand_values import HAND
from fedlens.studies.conformance.reference import (
    Answer,
    Refusal,
    acceptable,
    answers,
    draws,
    fields_of,
    filters,
    method,
    values_of,
)
from fedlens.studies.conformance.subject import Arrays, Failure, Subject, subject
from fedlens.studies.conformance.traps import DRAWN, UNEQUAL, traps

Outcome = Literal["same", "differs", "fails", "answers", "refuses"]
"""``answers`` where the method itself has no answer, as below its least number of updates: that is no fault."""

TOLERANCE: Mapping[Arrays, float] = {"numpy": 1e-9, "torch": 1e-4}
"""Relative to the largest entry of the updates; functions of tensors get them in float32."""

SPOILT = "they are not what they were: whoever reads them next gets others; let it work on updates.copy()"
SHOWN = 4
"""How many entries of a row are written out."""


@dataclass(frozen=True)
class Finding:
    """What came of a case.

    Attributes:
        case: its name.
        outcome: ``same``, ``differs``, ``fails`` (an exception, or something that is no answer), ``refuses`` (no answer
            where there is one) or ``answers`` (an answer where the method has none, which is not held against it).
        words: what is right, and what was said instead; empty if they are the same.
        difference: the largest one of an entry, where both are numbers.

    Example:
        >>> from fedlens import Finding
        >>> Finding("by hand: of 0, 1, 2, 10", "differs", "round 1: 1.5 is right, and it says 3.25", 1.75).conforms
        False
    """

    case: str
    outcome: Outcome
    words: str = ""
    difference: float | None = None

    @property
    def conforms(self) -> bool:
        """Whether it speaks for the rule, or at least not against it."""
        return self.outcome in {"same", "answers"}


@dataclass(frozen=True)
class Conformance:
    """What came of all cases.

    Attributes:
        subject: the rule's name.
        method: whose method it was held against.
        findings: one for each case.

    Example:
        >>> from fedlens import conform
        >>> conform(lambda updates: updates.mean(axis=0), "mean").conforms
        True
    """

    subject: str
    method: str
    findings: tuple[Finding, ...]

    @property
    def conforms(self) -> bool:
        """Whether no case speaks against the rule."""
        return all(finding.conforms for finding in self.findings)


def conform(
    thing: object,
    method: str,
    *,
    arrays: Arrays | None = None,
    names: Mapping[str, str] = {},
    options: Mapping[str, Value] = {},
) -> Conformance:
    """Put somebody's rule to the cases of a method.

    It is called with copies of the updates, with what it asks for by name (the method's options, ``clients``,
    ``weights``, ``round``, ``root``), and with all random generators seeded. Weights are unequal in some cases for a
    rule that asks for them.

    Args:
        thing: a function of the updates ``[n, d]`` that returns the aggregate ``[d]`` (of a filter, which rows are
            kept; of mixing, the new rows); a class that is called with options and makes such a function, which may
            keep something from round to round; a component of fedlens' kinds; or ``module:name`` of one of these.
        method: the name of fedlens' method, as in ``fedlens list rules``.
        arrays: whether it takes NumPy's arrays of float64 or PyTorch's tensors of float32; by default as its module
            has imported ``torch`` or not.
        names: the rule's own names of the method's options, ``{"f": "num_byzantine"}``.
        options: values for all cases; those with others are left out.

    Raises:
        ConfigError: there is no such method, or the rule cannot be called.

    Example:
        >>> import numpy as np
        >>> from fedlens import conform
        >>> found = conform(lambda updates: np.sort(updates, axis=0)[len(updates) // 2], "median")
        >>> [finding.case for finding in found.findings if not finding.conforms][0]
        'by hand: of an even number, between the middle two'
    """
    tried = subject(thing, arrays, names, options)
    return Conformance(tried.name, method, tuple(_findings(tried, method, options)))


def cases(name: str, fixed: Mapping[str, Value] = {}) -> Iterator[Case]:
    """Yield the cases of a method: those by hand, and traps if it does not draw.

    Args:
        name: its name.
        fixed: options that shall have these values.
    """
    for case in HAND.get(name, ()):
        if all(case.options.get(option, value) == value for option, value in fixed.items()):
            yield case
    generated = list(traps(name, fixed))
    if not draws(method(name, generated[0].options), generated[0].rounds):
        yield from generated


def _findings(tried: Subject, name: str, fixed: Mapping[str, Value]) -> Iterator[Finding]:
    own = {option: value for option, value in fixed.items() if option in fields_of(name)}
    spoilt = False
    for case in cases(name, own):
        if case.name.startswith(UNEQUAL) and not tried.weighs:
            continue
        link = method(name, case.options)
        spoilt = spoilt or (case.name.startswith(DRAWN) and tried.spoils(case.rounds[0], values_of(link)))
        right: list[list[Answer]]
        if case.right is not None:
            right = [[rows] for rows in case.right]
        elif case.tied and len(case.rounds) == 1:
            right = [acceptable(link, case.rounds[0])]
        else:
            right = [[answer] for answer in answers(link, case.rounds)]
        yield _finding(
            case, right, tried.answers(case.rounds, values_of(link), filters=filters(link)), TOLERANCE[tried.arrays]
        )
    if spoilt:
        yield Finding("the updates, afterwards", "fails", SPOILT)


def _finding(case: Case, right: list[list[Answer]], said: list[Answer | Failure], tolerance: float) -> Finding:
    """Compare answers with what is right in each round; the first fault counts."""
    refusing: Finding | None = None
    largest = 0.0
    for number, (acceptables, answer) in enumerate(zip(right, said, strict=False), 1):
        place = f"round {number}: " if len(case.rounds) > 1 else ""
        if isinstance(answer, Failure):
            if all(isinstance(each, Refusal) for each in acceptables):
                continue
            return Finding(case.name, "fails", f"{place}{answer.words}")
        rows = [each for each in acceptables if not isinstance(each, Refusal)]
        if isinstance(answer, Refusal):
            if rows and len(rows) == len(acceptables):
                return Finding(case.name, "refuses", f"{place}{answer.reason}; {_shown(rows[0])} is right")
            continue
        if not rows:
            reason = acceptables[0].reason if isinstance(acceptables[0], Refusal) else ""
            refusing = Finding(case.name, "answers", f"{place}{_shown(answer)}, where there is no answer: {reason}")
            continue
        scale = float(np.abs(case.rounds[number - 1].rows).max()) or 1.0
        nearest = min(_difference(each, answer) for each in rows)
        largest = max(largest, nearest)
        if not nearest <= tolerance * scale:
            others = f" (or {counted(len(rows) - 1, 'other')})" if len(rows) > 1 else ""
            words = f"{place}{_shown(rows[0])} is right{others}, and it says {_shown(answer)}"
            return Finding(case.name, "differs", words, nearest)
    return refusing or Finding(case.name, "same", difference=largest)


def _difference(one: Rows, other: Rows) -> float:
    """Return the largest difference of an entry, infinite where one has other rows."""
    if one.shape != other.shape:
        return float("inf")
    apart = np.abs(one - other)
    return float("inf") if np.isnan(apart).any() else float(apart.max(initial=0.0))


def _shown(rows: Rows) -> str:
    """Write rows out, or the beginning of them."""

    def row(values: Rows) -> str:
        numbers = [f"{value:.6g}" for value in values[:SHOWN]]
        return ", ".join(numbers) + (", …" if len(values) > SHOWN else "")

    words = [row(values) for values in rows[:SHOWN]]
    if len(rows) == 1:
        return words[0] if rows.shape[1] == 1 else f"({words[0]})"
    return cut("; ".join(f"({each})" for each in words), 160) + (f"; … ({len(rows)} rows)" if len(rows) > SHOWN else "")
