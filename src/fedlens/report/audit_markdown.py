"""The report of an audit in Markdown, for a pull request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fedlens.report.audited import LIMITS, Audited, Rows

LISTED = 40
"""So many attacks are listed of those that were tried."""


def markdown(audited: Audited) -> str:
    """Return the report."""
    return "\n".join(_lines(audited)) + "\n"


def _lines(audited: Audited) -> Iterator[str]:
    yield f"# Audit: {plain(audited.verdict)}"
    yield from ("", f"**{plain(audited.verdict_sentence)}**", "", plain(audited.sentence), "", audited.effort)
    yield from _table("Finalists", audited.finalists())
    yield from ("", f"{audited.counting} {audited.intervals}")
    if audited.flags:
        yield from ("", "## Red flags", "", *(f"- {plain(flag)}" for flag in audited.flags))
    yield from _table("Would it have found a weakness?", audited.leaks())
    yield from _table("What an attacker who sees all updates reaches", audited.sight())
    if audited.at_most:
        yield from ("", plain(audited.at_most))
    tried = audited.tried()
    yield from _table(f"Tried: the first {min(LISTED, len(tried.rows))} of {len(tried.rows)}", tried, LISTED)
    if audited.worst is not None:
        yield from ("", "## The worst federation", "", plain(audited.worst_sentence))
    yield from ("", "## Run it again", "")
    for words, command in audited.commands():
        yield from (f"{words}:", "", f"    {command}", "")
    yield from ("## What the audit cannot see", "", *(f"- {limit}" for limit in LIMITS))


def _table(title: str, table: Rows, most: int | None = None) -> Iterator[str]:
    if not table.rows:
        return
    yield from ("", f"## {title}", "", _row(table.head))
    yield _row(["---" if at < table.words else "---:" for at in range(len(table.head))])
    yield from (_row([plain(cell) for cell in row]) for row in table.rows[:most])


def _row(cells: object) -> str:
    assert isinstance(cells, list | tuple)
    return f"| {' | '.join(cells)} |"


def plain(words: str) -> str:
    """Return words in which nothing is Markdown, HTML or the end of a cell."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(words.split()))
