"""An audit in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from fedlens.report.audited import Audited, Rows
from fedlens.report.terminal.printing import PlainTable

BLIND = (
    "What the audit cannot see: weaknesses that no arm comes upon, such as a key that opens the server; other data, "
    "models and shares of attackers; and attackers who know more than these do."
)


def tables(audited: Audited) -> Iterator[PlainTable]:
    """Yield the finalists, with what is known of them, and the leaks."""
    for rows in (audited.finalists(), audited.leaks(), audited.sight()):
        if rows.rows:
            yield _table(rows)


def warnings(verdict: str, before: str, *, strict: bool) -> Iterator[str]:
    """Yield what may be missed by those who only look at the exit code, or looked at it before.

    Args:
        verdict: of the audit.
        before: the verdict that the same audit had when the command began; empty if it had none.
        strict: whether undecided ends with 1.

    Example:
        >>> from fedlens.studies.audit.words import warnings
        >>> next(warnings("undecided", "", strict=False))
        'Undecided does not mean that it holds, though the exit code is 0; with --strict it is 1.'
    """
    if verdict == "undecided" and not strict:
        yield "Undecided does not mean that it holds, though the exit code is 0; with --strict it is 1."
    if before == "broken" != verdict:
        yield (
            "Before this it was broken. With more effort there are more finalists, and to show that one of more breaks "
            "it takes more seeds: give it more --minutes."
        )


def _table(rows: Rows) -> PlainTable:
    table = PlainTable(*rows.head, title=rows.caption)
    for row in rows.rows:
        table.add_row(*row)
    return table


def sentences(audited: Audited) -> Iterator[str]:
    """Yield what single rounds allow, how the verdict was found, and what it does not say."""
    yield audited.intervals
    if audited.at_most:
        yield audited.at_most
    yield audited.effort
    if audited.found["out_of_time"]:
        effort = audited.found["effort"]
        yield f"The {effort} audit's time is up; the same command with more --minutes goes on with more seeds."
    yield BLIND
