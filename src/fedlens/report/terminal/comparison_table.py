"""A comparison as tables for the terminal, and as one tidy table for a file."""

from math import isnan, nan
from typing import TYPE_CHECKING

from rich.table import Table

from fedlens.analysis.comparison import Comparison
from fedlens.analysis.group import Group
from fedlens.analysis.interval_words import NONE, headed, interval_words
from fedlens.analysis.measured import Measured, ends
from fedlens.experiment.flat import shown
from fedlens.report.terminal.printing import PlainTable
from fedlens.report.words import BESIDE, numbered

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("runs", "seeds", "targets")
UNJUDGED = "not judged"
NO_ATTACK = "no attack"


def any_unjudged(comparison: Comparison) -> bool:
    """Tell whether a group has cells that cannot be judged."""
    return any(group.unjudged for group in comparison.groups)


def unjudged_of(group: Group) -> str:
    """Say in words how many of a group's cells cannot be judged."""
    return f"{len(group.unjudged)} of {group.runs + len(group.unjudged)}"


def controls_with(comparison: Comparison, metric: str) -> list[str]:
    """Return the controls that have the metric in any group: ``control``, ``placebo``."""
    return [name for name in BESIDE if any(metric in group.beside(name) for group in comparison.groups)]


def comparison_table(comparison: Comparison, metric: str) -> Table:
    """Tabulate each group: how many runs, seeds and targets; the metric's mean, also of twins and placebos; its median.

    A rate is its own mean, and has no median. Its interval stands in the same cell as the median or the rate.
    """
    table = PlainTable(title=comparison.title(metric), keys=len(comparison.by))
    for field in comparison.by:
        numbers = all(not isinstance(group.values[comparison.by.index(field)], str) for group in comparison.groups)
        table.add_column(field, justify="right" if numbers else "left")
    for name in comparison_head(comparison, metric):
        words = name.replace(" ", "\n") if name in {*_control_heads(comparison, metric), UNJUDGED} else name
        table.add_column(words, justify="right")
    for row in comparison_rows(comparison, metric):
        table.add_row(*row)
    return table


def comparison_head(comparison: Comparison, metric: str) -> list[str]:
    """Name what is said of each group besides its options."""
    control_heads = _control_heads(comparison, metric)
    head = [*COUNTS, *([UNJUDGED] if any_unjudged(comparison) else [])]
    intervals = [group.metrics[metric].interval for group in comparison.groups]
    if comparison.rate(metric):
        return [*head, headed("rate", intervals), *control_heads]
    return [*head, "difference" if comparison.against else "mean", *control_heads, headed("median", intervals)]


def _control_heads(comparison: Comparison, metric: str) -> list[str]:
    return [numbered(BESIDE[name], several=comparison.several) for name in controls_with(comparison, metric)]


def comparison_rows(comparison: Comparison, metric: str) -> list[list[str]]:
    """Return for each group the values of the options compared, and what `comparison_head` names."""
    rows, control_names = [], controls_with(comparison, metric)
    for group in comparison.groups:
        ours = group.metrics[metric]
        cells = [str(group.runs), NONE, NONE] if group.no_attack(metric) else _count_words(ours)
        cells += [unjudged_of(group)] if any_unjudged(comparison) else []
        estimated = NO_ATTACK if group.no_attack(metric) else interval_words(ours.interval, number)
        controls = (group.beside(name).get(metric) for name in control_names)
        control_means = [NONE if control is None else number(control.mean) for control in controls]
        if comparison.rate(metric):
            cells += [estimated, *control_means]
        else:
            cells += [number(ours.mean), *control_means, estimated]
        rows.append([*map(shown, group.values), *cells])
    return rows


def tidy(comparison: Comparison) -> "pd.DataFrame":
    """Return a row for each metric and group: the options compared, and all numbers, of twins and placebos too.

    ``value`` is the ``statistic``, median over seeds or rate. Its interval goes from ``low`` to ``high``, where one
    covers, and the seeds' values go from ``range_low`` to ``range_high``. ``unjudged`` is the number of cells that
    cannot be judged, and of which no number tells.
    """
    import pandas as pd

    rows, absent = [], any(group.placebos for group in comparison.groups)
    for metric in dict.fromkeys(name for group in comparison.groups for name in group.metrics):
        for group in comparison.groups:
            row: dict[str, object] = {"metric": metric, "at": str(comparison.at)}
            row |= {"less": comparison.against} if comparison.against else {}
            row |= dict(zip(comparison.by, group.values, strict=True))
            row |= _counts(group.metrics[metric]) | {"unjudged": len(group.unjudged)}
            row |= {"statistic": "rate" if comparison.rate(metric) else "median"}
            row |= _columns("", group.metrics[metric]) | _columns("control_", group.controls.get(metric))
            row |= _columns("placebo_", group.placebos.get(metric)) if absent else {}
            rows.append(row)
    return pd.DataFrame(rows)


def _count_words(measured: Measured) -> list[str]:
    """Write the counts; of a goal without targets there is a dash for these."""
    words = [str(count) for count in _counts(measured).values()]
    return words if measured.targets or not measured.runs else [*words[:-1], NONE]


def _counts(measured: Measured) -> dict[str, int]:
    return {name: getattr(measured, name) for name in COUNTS}


def _columns(prefix: str, measured: Measured | None) -> dict[str, float]:
    interval = measured.interval if measured else None
    numbers = [measured.mean if measured else nan, *ends(interval), *(interval.range if interval else (nan, nan))]
    names = ("mean", "value", "low", "high", "range_low", "range_high")
    return {f"{prefix}{name}": value for name, value in zip(names, numbers, strict=True)}


def number(value: float) -> str:
    """Format a number to three decimals, or as many digits where these would say little; a dash where there is none."""
    if isnan(value):
        return NONE
    if 100 <= abs(value) < 1e9:  # errors, in the unit of a regression's labels
        return f"{value:,.0f}"
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 100 else f"{value:.3g}"
