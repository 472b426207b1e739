"""Whether attacks succeeded, as columns of tables: of runs without attack they say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SUCCEEDED = "succeeded"
SUCCESSES = ("counts", "success", SUCCEEDED)
"""Columns that tell whether an attack succeeded, the strictest first."""
ACHIEVED = ("confidence", "asr", "accuracy_drop")
"""Columns that tell what an attack achieved: for target samples, for a backdoor, and for plain damage."""


def attacked(table: pd.DataFrame) -> pd.Series[bool]:
    """Tell whether each row is of a run with an attack; where nothing tells, it is."""
    if "attack" in table and table["attack"].notna().all():
        return table["attack"] != "none"
    if "acted" not in table:
        return table["cell"].notna()
    acted = table["acted"].astype("boolean").fillna(False)
    return acted.groupby(table["cell"]).transform("any").astype(bool)


def of_attacks(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table without what it says of successes of runs that have no attack."""
    there = attacked(table)
    if there.all():
        return table
    return table.assign(**{name: table[name].where(there) for name in SUCCESSES if name in table})


def usual_metrics(table: pd.DataFrame) -> list[str]:
    """Name the metrics shown unless others are asked for: what the attack achieved, and how often it succeeded."""
    present = [name for name in SUCCESSES if name in table and of_attacks(table)[name].notna().any()]
    achieved = [name for name in ACHIEVED if name in table and table[name].notna().any()] or ["confidence"]
    best = achieved[:1] if achieved[1:] == ["accuracy_drop"] else achieved  # a backdoor has a drop, too
    return [*best, *present[:1]]
