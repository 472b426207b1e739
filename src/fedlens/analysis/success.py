"""Whether attacks succeeded, as columns of tables: of runs without attack they say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SUCCEEDED = "succeeded"
SUCCESSES = ("counts", "success", SUCCEEDED)
"""Columns that tell whether an attack succeeded, the strictest first."""
TITLES = {
    "counts": "attack succeeded (counts)",
    "success": "target or goal met (success)",
    SUCCEEDED: "attack succeeded",
}
"""Of these columns: what is met may be none of the attack's doing."""
ACHIEVED = ("confidence", "asr", "accuracy_drop", "mae_rise")
"""Columns that tell what an attack achieved: for target samples, a backdoor, and damage, which any may do."""


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
    return [*achieved_metrics(table), *present[:1]]


def usual_differences(table: pd.DataFrame, against: str) -> list[str]:
    """Name the metrics whose differences from `against` are shown unless others are asked for.

    Against the benign twin, from whose accuracy a drop is measured, an accuracy is compared in place of its drop, and
    an error in place of its rise.
    """
    names = achieved_metrics(table)
    compared = {"accuracy_drop": "accuracy", "mae_rise": "mae"} if against == "control" else {}
    return [compared.get(name, name) for name in names]


def achieved_metrics(table: pd.DataFrame) -> list[str]:
    """Name the metrics that tell what the attack achieved."""
    achieved = [name for name in ACHIEVED if name in table and table[name].notna().any()] or ["confidence"]
    return [name for name in achieved if name != "accuracy_drop" or _only_damaged(table)]


def _only_damaged(table: pd.DataFrame) -> bool:
    """Tell whether there are runs of which nothing but a loss of accuracy tells what the attack achieved."""
    others = [name for name in ACHIEVED if name != "accuracy_drop" and name in table]
    pursuing_others = table["cell"][table[others].notna().any(axis=1)]
    return bool(table["accuracy_drop"][~table["cell"].isin(pursuing_others)].notna().any())
