"""A comparison as tables for the terminal, and as one tidy table for a file."""

from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from fedlens.report.comparison import Comparison
from fedlens.report.measured import Measured, ends
from fedlens.runs.flat import shown
from fedlens.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd

NONE = "–"
HEAD = ("runs", "seeds", "targets", "mean", "95 % interval", "without attack")
"""What is said of a group, beside its options."""


def comparison_table(comparison: Comparison, metric: str) -> Table:
    """A row a group: how many runs, seeds and targets, the metric's mean, its interval, and the mean without attack."""
    table = Table(
        title=escape(comparison.title(metric)), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for field in comparison.by:
        numbers = all(not isinstance(group.values[comparison.by.index(field)], str) for group in comparison.groups)
        table.add_column(
            escape(field), justify="right" if numbers else "left", overflow="fold", min_width=min(len(field), 16)
        )
    beside = any(metric in group.controls for group in comparison.groups)
    for name in HEAD if beside else HEAD[:-1]:
        head = "difference" if name == "mean" and comparison.against else name
        table.add_column(head.replace(" attack", "\nattack"), justify="right", no_wrap=True)
    for row in comparison_rows(comparison, metric):
        table.add_row(*map(escape, row[: len(table.columns)]))
    return table


def comparison_rows(comparison: Comparison, metric: str) -> list[list[str]]:
    """For each group the values of the options compared, and what `HEAD` names."""
    rows = []
    for group in comparison.groups:
        sides = (side.get(metric) for side in (group.metrics, group.controls))
        ours, control = (side.interval if side else None for side in sides)
        counts = map(str, _counts(group.metrics[metric]).values())
        rows.append([*map(shown, group.values), *counts, _value(ours), interval_words(ours), _value(control)])
    return rows


def tidy(comparison: Comparison) -> "pd.DataFrame":
    """A row for each metric and group: the options compared, and all numbers, of the benign twins too."""
    import pandas as pd

    rows = []
    for metric in dict.fromkeys(name for group in comparison.groups for name in group.metrics):
        for group in comparison.groups:
            row: dict[str, object] = {"metric": metric, "at": str(comparison.at)}
            row |= {"less": comparison.against} if comparison.against else {}
            row |= dict(zip(comparison.by, group.values, strict=True))
            row |= _counts(group.metrics[metric])
            row |= _columns("", group.metrics[metric]) | _columns("control_", group.controls.get(metric))
            rows.append(row)
    return pd.DataFrame(rows)


def _counts(measured: Measured) -> dict[str, int]:
    return {name: getattr(measured, name) for name in ("runs", "seeds", "targets")}


def _columns(prefix: str, measured: Measured | None) -> dict[str, float]:
    found = ends(measured.interval if measured else None)
    return {f"{prefix}{name}": value for name, value in zip(("mean", "low", "high"), found, strict=True)}


def _value(interval: Interval | None) -> str:
    return NONE if interval is None else number(interval.value)


def number(value: float) -> str:
    """A number to three decimals, or as many digits where these would say little."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 100 else f"{value:.3g}"


def interval_words(interval: Interval | None) -> str:
    """``0.123 to 0.456``."""
    if interval is None or interval.low is None or interval.high is None:
        return NONE
    return f"{number(interval.low)} to {number(interval.high)}"
