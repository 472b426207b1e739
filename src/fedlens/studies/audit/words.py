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


def _table(rows: Rows) -> PlainTable:
    table = PlainTable(*rows.head, title=rows.caption)
    for row in rows.rows:
        table.add_row(*row)
    return table


def sentences(audited: Audited) -> Iterator[str]:
    """Yield what single rounds allow, how the verdict was found, and what it does not say."""
    if audited.at_most:
        yield audited.at_most
    yield audited.effort
    if audited.found["out_of_time"]:
        yield f"The {audited.found['effort']} audit's time is up; the same command goes on with more seeds."
    yield BLIND
