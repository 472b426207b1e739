"""What came of each group of a sweep's runs: how often the attack succeeded, what it cost, and why to doubt it.

An attack succeeded where the target is met at the end of its window and that is the attack's own doing (``counts``), or
where that is not known, where it is met (``success``).
"""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from fedlens.analysis.collect import Collection
from fedlens.analysis.comparison import Comparison, compare, repetition_flags
from fedlens.analysis.flags import common
from fedlens.analysis.group import Group
from fedlens.analysis.interval_words import NONE, interval_words
from fedlens.analysis.intervals import Interval
from fedlens.analysis.success import SUCCEEDED, of_attacks
from fedlens.core.errors import ConfigError
from fedlens.experiment.flat import Value, plain_value, shown
from fedlens.report.html.answer import answer
from fedlens.report.metric_titles import measure_of
from fedlens.report.terminal.comparison_table import NO_ATTACK, UNJUDGED, any_unjudged, number, unjudged_of
from fedlens.report.words import signed

if TYPE_CHECKING:
    import pandas as pd

HEAD = ("attack succeeded", "rate", "accuracy without attack, %", "with attack, %", "difference in points")
ERROR_HEAD = ("attack succeeded", "rate", "MAE without attack", "with attack", "difference")
FLAGS = "red flags"


class Outcomes(NamedTuple):
    """What came of groups of runs.

    Attributes:
        answer: how often the attack succeeded, in sentences.
        head: of a table.
        rows: of it, one for each group.
        flags: the red flags of each group that has some.
    """

    answer: str

    head: list[str]
    rows: list[list[str]]
    flags: list[tuple[str, list[str]]]


def outcomes_of(collection: Collection, by: tuple[str, ...]) -> Outcomes:
    """Return what came of each group of runs that agree in these options.

    Returns:
        For each group, in how many of its runs the attack succeeded, the rate over seeds and the median accuracies over
        seeds with their 95 % intervals, the difference in pairs of a run and its benign twin.
    """
    table = collection.table
    if success_columns := [table[name].astype("boolean") for name in ("counts", "success") if name in table]:
        met = success_columns[0] if len(success_columns) == 1 else success_columns[0].fillna(success_columns[1])
        collection = replace(collection, table=table.assign(**{SUCCEEDED: met}))
    measure = measure_of(collection.table)
    metrics = [name for name in (SUCCEEDED, measure) if name in collection.table]
    comparison = compare(collection, by, metrics)
    costs = _costs(collection, by, measure)
    table = of_attacks(collection.table)
    parts = [_part(table, by, group.values) for group in comparison.groups]
    unjudged = any_unjudged(comparison)
    flags = [
        [
            *common(collection.flags[cell] for cell in part["cell"].unique() if cell in collection.flags),
            *repetition_flags(by, [group]),
        ]
        for group, part in zip(comparison.groups, parts, strict=True)
    ]
    rows = []
    for group, part, doubts in zip(comparison.groups, parts, flags, strict=True):
        missing = [unjudged_of(group)] if unjudged else []
        rows.append(
            [
                *map(shown, group.values),
                *_row(group, part, costs.get(group.values), measure),
                *missing,
                str(len(doubts)),
            ]
        )
    head = ERROR_HEAD if measure == "mae" else HEAD
    flags_by_group = [(group.label, doubts) for group, doubts in zip(comparison.groups, flags, strict=True) if doubts]
    return Outcomes(
        answer(comparison.groups), [*by, *head, *([UNJUDGED] if unjudged else []), FLAGS], rows, flags_by_group
    )


def _costs(collection: Collection, by: tuple[str, ...], measure: str) -> dict[tuple[Value, ...], Interval | None]:
    """Return how much higher the runs' measure is than their benign twins', by group; nothing if they have none."""
    try:
        differences: Comparison = compare(collection, by, [measure], against="control")
    except ConfigError:
        return {}
    return {group.values: group.metrics[measure].interval for group in differences.groups}


def _part(table: "pd.DataFrame", by: tuple[str, ...], values: tuple[Value, ...]) -> "pd.DataFrame":
    """Return the rows of a group."""
    for name, value in zip(by, values, strict=True):
        table = table[[plain_value(entry) == value for entry in table[name]]]
    return table


def _row(group: Group, part: "pd.DataFrame", cost: Interval | None, measure: str) -> list[str]:
    """Describe a group in a row."""
    value = group.metrics[measure].interval if measure in group.metrics else None
    shown_as = number if measure == "mae" else _hundredths
    if group.no_attack(SUCCEEDED):
        return [NO_ATTACK, NONE, interval_words(value, shown_as), NONE, NONE]
    twins = group.controls.get(measure)
    without = interval_words(twins.interval if twins else None, shown_as)
    difference = interval_words(cost, number if measure == "mae" else lambda share: signed(100 * share))
    return [*_successes(group, part), without, interval_words(value, shown_as), difference]


def _hundredths(share: float) -> str:
    return f"{100 * share:.1f}"


def _successes(group: Group, part: "pd.DataFrame") -> tuple[str, str]:
    """Say in how many runs the attack succeeded, and the rate with its interval."""
    successes = group.metrics.get(SUCCEEDED)
    if successes is None or not successes.runs:
        return NONE, NONE
    judged = part[part["window"].astype(bool)] if "window" in part and part["window"].any() else part
    last = judged.dropna(subset=[SUCCEEDED]).sort_values("round").groupby("cell").tail(1)
    return f"{int(last[SUCCEEDED].sum())} of {successes.runs}", interval_words(successes.interval)
