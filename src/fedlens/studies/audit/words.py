"""An audit in words: for the terminal, and for pages."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import join
from typing import TYPE_CHECKING

from fedlens.report.terminal.printing import PlainTable

if TYPE_CHECKING:
    from fedlens.studies.audit.audit import Audit

BLIND = (
    "What the audit cannot see: weaknesses that no arm comes upon, such as a key that opens the server; other data, "
    "models and shares of attackers; and attackers who know more than these do."
)


def finalists_table(made: Audit) -> PlainTable:
    """Return the finalists, with what is known of them."""
    table = PlainTable(title="Finalists, on seeds that the search never saw")
    for header in ("attack", "successes", "95 % interval", "placebo alone", "cost", "unseen"):
        table.add_column(header)
    for one in made.judgement.finalists:
        table.add_row(
            one.name,
            f"{one.successes} of {one.cells}",
            f"{one.low:.2f} to {one.high:.2f}",
            str(one.placebos),
            "" if one.cost is None else f"{100 * one.cost:.1f} points",
            "" if one.unseen is None else f"{100 * one.unseen:.0f} %",
        )
    return table


def sentences(made: Audit) -> Iterator[str]:
    """Yield the verdict, how it was found, and how to go on."""
    yield f"Verdict: {made.judgement.sentence}."
    if made.trials.out_of_time:
        yield f"The {made.effort} audit's time is up; the same command goes on with more seeds."
    rounds = sum(one.rounds for one in made.ranked)
    whole = f"{len(made.standings)} of them in whole federations"
    yield f"{len(made.ranked)} attacks were tried in {rounds} single rounds, {whole}."
    yield BLIND
    if made.worst is not None:
        yield f"The worst federation: {join(['fedlens', 'run', str(made.path / 'worst.yaml')])}"
