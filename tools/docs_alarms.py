"""How often a filter or a check flags honest clients in runs without attack, as its page in the zoo shows it."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docs_markdown import table
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, TypeAdapter

from fedlens.analysis.intervals import wilson

FILE = Path("zoo") / "false_alarms.yaml"
"""Below the documentation's folder; ``tools/false_alarms.py`` writes it."""


class Alarms(BaseModel):
    """What a filter flagged in clean runs.

    Attributes:
        method: its name.
        options: its options that were not the defaults.
        partition: how samples were dealt.
        rounds: of each run.
        first: the first round that counts.
        seeds: number of runs.
        judged: client-rounds that it judged.
        flagged: of these, how many it flagged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    options: dict[str, Any]
    partition: str
    rounds: PositiveInt
    first: PositiveInt
    seeds: PositiveInt
    judged: PositiveInt
    flagged: NonNegativeInt


@cache
def measured(docs: Path) -> Sequence[Alarms]:
    """Return all that was measured, in the order of the file."""
    return TypeAdapter(tuple[Alarms, ...]).validate_python(yaml.safe_load((docs / FILE).read_text("utf-8")))


def alarms_of(name: str, docs: Path) -> Iterator[str]:
    """Yield the section of a method's page; nothing for one that flags nobody."""
    found = [one for one in measured(docs) if one.method == name]
    if not found:
        return
    options = ", ".join(f"`{option}: {value}`" for option, value in found[0].options.items())
    yield "## False alarms"
    yield ""
    yield (
        f"Without attack: digits, 10 clients, {found[0].seeds} seeds, rounds {found[0].first} to {found[0].rounds}, "
        f"options {f'{options}, all others' if options else 'all'} as by default. It only observed, beside plain "
        "averaging. The intervals are Wilson's, of 95 %, for independent client-rounds. Those of one run are not "
        "independent, so they are too narrow."
    )
    yield ""
    yield from table(
        ("partition", "client-rounds", "flagged", "false-positive rate"), ([*_cells(one)] for one in found)
    )


def _cells(one: Alarms) -> tuple[str, str, str, str]:
    low, high = (f"{100 * end:.1f}" for end in wilson(one.flagged, one.judged))
    rate = f"{100 * one.flagged / one.judged:.1f} % [{low}, {high}]"
    return one.partition, f"{one.judged:,}", f"{one.flagged:,}", rate
