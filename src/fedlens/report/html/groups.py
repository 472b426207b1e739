"""Groups of runs in charts: a metric by the options that vary, with intervals, and round by round."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlens.analysis.comparison import Comparison
from fedlens.analysis.group import Group
from fedlens.analysis.interval_words import reach_words
from fedlens.analysis.intervals import Interval
from fedlens.analysis.measured import Curve, ends
from fedlens.analysis.order import METRICS, in_order
from fedlens.experiment.flat import Value, shown
from fedlens.report.figures.canvas import BLACK
from fedlens.report.figures.comparison import FRACTIONS, WIDE
from fedlens.report.html.chart import SHARE, Chart, Panel, Trace, evenly, lettered, plain, rounds_axis
from fedlens.report.html.looks import ABSENT, TWIN, look
from fedlens.report.terminal.comparison_table import number

TITLES = in_order(
    {
        "confidence": "Confidence in the target class",
        "true_confidence": "Confidence in the true class",
        "accuracy": "Test accuracy",
    },
    METRICS,
)
GREY = "#808080"
BESIDE = {"control": ("benign twins", TWIN), "placebo": ("with the client absent", ABSENT)}
"""What stands beside the groups: what it is called, and its line."""
ENDS = ("low", "high", "range_low", "range_high")
"""Where the interval begins and ends, and the range of the seeds."""
RANGE = "range of the seeds"
LARGEST = 3_000
"""About so many rounds of all groups are in a chart."""
SAID = 12
"""So many groups are named in the words for those who do not see the chart."""


def along(comparison: Comparison) -> int | None:
    """Choose the compared option that makes an axis: the one with most values, of numbers, three at least."""
    counts = {}
    for option_index in range(len(comparison.by)):
        values = {group.values[option_index] for group in comparison.groups} - {None}
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) and len(values) >= 3:
            counts[option_index] = len(values)
    return max(counts, key=counts.__getitem__) if counts else None


def option_chart(comparison: Comparison, metric: str) -> Chart:
    """Chart a metric by options: along an axis of numbers if one of these is a number, else a dot for each group."""
    statistic = _statistic(comparison, metric)
    columns: dict[str, list[Any]] = {"group": [group.label for group in comparison.groups]}
    for option_index, field in enumerate(comparison.by):
        columns[field] = [_cell(group.values[option_index]) for group in comparison.groups]
    for name in ("runs", "seeds"):
        columns[name] = [getattr(group.metrics[metric], name) for group in comparison.groups]
    numbers = _numbers(comparison.groups, metric)
    for side, side_values in numbers.items():
        for name, values in zip((statistic, *ENDS), side_values, strict=True):
            columns[f"{side}_{name}" if side else name] = list(values)
    axis = along(comparison)
    panel = _dots(comparison, metric) if axis is None else _axis(comparison, metric, axis)
    side_names = [called for side, (called, _) in BESIDE.items() if side in numbers]
    reach = reach_words(group.metrics[metric].interval for group in comparison.groups)
    caption = f"{statistic.capitalize()} over seeds{f' with {reach}' if reach else ''}, {comparison.at}."
    caption += f" Grey: {', '.join(side_names)}." if side_names else ""
    if axis is not None and any(group.values[axis] is None for group in comparison.groups):
        caption += f" Runs that have no {comparison.by[axis]} are in the table only."
    return Chart(f"{metric}-by-option", f"{TITLES.get(metric, metric)} by option", caption, columns, [panel])


def _numbers(groups: Sequence[Group], metric: str) -> dict[str, list[tuple[float, ...]]]:
    """Return each group's value and its `ENDS`, and those of its twins and placebos as far as they are known."""
    numbers_by_side = {"": list(zip(*(_all_ends(group.metrics[metric].interval) for group in groups), strict=True))}
    for side in BESIDE:
        controls = [group.beside(side).get(metric) for group in groups]
        intervals = [control.interval if control else None for control in controls]
        if any(intervals):
            numbers_by_side[side] = list(zip(*map(_all_ends, intervals), strict=True))
    return numbers_by_side


def _all_ends(interval: Interval | None) -> tuple[float, ...]:
    return (*ends(interval), *(interval.range if interval else (nan, nan)))


def _statistic(comparison: Comparison, metric: str) -> str:
    return "rate" if comparison.rate(metric) else "median"


def _dots(comparison: Comparison, metric: str) -> Panel:
    """Chart a dot with its interval for each group, the first on top."""
    groups = comparison.groups
    labels = [lettered(group.label) for group in groups]
    traces = []
    for side, (value, *reach) in _numbers(groups, metric).items():
        trace: Trace = {
            "x": list(map(plain, value)),
            "y": labels,
            "mode": "markers",
            "name": BESIDE[side][0] if side else "runs",
            "hovertemplate": "%{y}: %{x:.4g}<extra></extra>",
        }
        if side:
            symbol = {"control": "line-ns-open", "placebo": "x-thin-open"}[side]
            marker = {"symbol": symbol, "size": 14, "color": GREY, "line": {"width": 2}}
        else:
            marker = {"size": 10, "color": [look(group_index).colour for group_index in range(len(groups))]}
            marker["symbol"] = [look(group_index).symbol for group_index in range(len(groups))]
            trace["error_x"] = _bars(value, reach[0], reach[1])
            traces += _thin(reach, labels, "x", "y")
        traces.append({**trace, "marker": marker})
    layout = {
        "xaxis": {"title": {"text": TITLES.get(metric, metric)}, **_fraction(metric)},
        "yaxis": {"type": "category", "autorange": "reversed", "wide": True, **_categories(labels)},
        "hovermode": "closest",
    }
    return Panel(_said(comparison, metric), traces, layout, height=110 + 30 * len(groups))


def _categories(labels: Sequence[str]) -> dict[str, Any]:
    """Order the groups, which plotly.js would otherwise take from the first trace."""
    return {"categoryorder": "array", "categoryarray": list(labels)}


def _axis(comparison: Comparison, metric: str, option_index: int) -> Panel:
    """Draw a line along the option at `option_index` for each combination of the others."""
    lines: dict[tuple[Value, ...], list[Group]] = {}
    for group in comparison.groups:
        if group.values[option_index] is not None:
            lines.setdefault(group.values[:option_index] + group.values[option_index + 1 :], []).append(group)
    others = comparison.by[:option_index] + comparison.by[option_index + 1 :]
    traces: list[Trace] = []
    for number_, (values, groups) in enumerate(lines.items()):
        style = look(number_)
        x = [group.values[option_index] for group in groups]
        value, *reach = _numbers(groups, metric)[""]
        words = (v if isinstance(v, str) else f"{name}={shown(v)}" for name, v in zip(others, values, strict=True))
        traces.append(
            {
                "x": x,
                "y": list(map(plain, value)),
                "error_y": _bars(value, reach[0], reach[1], style.colour),
                "name": ", ".join(words) or "runs",
                "mode": "lines+markers",
                "line": {"color": style.colour, "dash": style.dash},
                "marker": {"symbol": style.symbol, "color": style.colour, "size": 9},
                "hovertemplate": "%{x}: %{y:.4g}",
            }
        )
        traces += _thin(reach, x, "y", "x")
        for side, (called, dash) in BESIDE.items():
            if (side_numbers := _numbers(groups, metric).get(side)) is not None:
                look_ = {"color": GREY, "dash": dash, "width": 1}
                traces.append({"x": x, "y": list(map(plain, side_numbers[0])), "mode": "lines", "line": look_})
                traces[-1] |= {"name": called, "hoverinfo": "skip"}
    numbers = [
        float(group.values[option_index] or 0) for group in comparison.groups if group.values[option_index] is not None
    ]
    far = min(numbers) > 0 and max(numbers) > WIDE * min(numbers)
    layout = {
        "xaxis": {"title": {"text": lettered(comparison.by[option_index])}, **({"type": "log"} if far else {})},
        "yaxis": {"title": {"text": TITLES.get(metric, metric)}, **_fraction(metric)},
        "hovermode": "closest",
    }
    return Panel(_said(comparison, metric), traces, layout, height=360)


def curves_chart(comparison: Comparison, metric: str) -> Chart:
    """Chart a line for each group over the rounds, which the page's checkboxes show and hide."""
    statistic = _statistic(comparison, metric)
    names = ("group", "round", "seeds", statistic, *ENDS)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    traces: list[Trace] = []
    curves = [group.metrics[metric].curve for group in comparison.groups]
    every = sorted({int(round_) for curve in curves for round_ in curve.rounds})
    rounds_kept, remark = evenly(every, sum(len(curve.rounds) for curve in curves), LARGEST)
    for group_index, (group, curve) in enumerate(zip(comparison.groups, curves, strict=True)):
        style, shown_ = look(group_index), [int(round_) in rounds_kept for round_ in curve.rounds]
        rows = [values[shown_] for values in (curve.rounds, *_over_rounds(curve))]
        columns["group"] += [group.label] * sum(shown_)
        for name, values in zip(names[1:], rows, strict=True):
            columns[name] += values.tolist()
        traces.append(
            {
                "from": {"x": "round", "y": statistic},
                "where": {"group": group.label},
                "name": group.label,
                "meta": {"toggle": group_index, "twin": False},
                "mode": "lines+markers",
                "line": {"color": style.colour, "dash": style.dash},
                "marker": {"symbol": style.symbol, "color": style.colour},
                "hovertemplate": "%{fullData.name}<br>round %{x}: %{y:.4g}<extra></extra>",
            }
        )
    first, last = min(columns["round"]), max(columns["round"])
    layout = {
        "xaxis": rounds_axis(first, last),
        "yaxis": {"title": {"text": TITLES.get(metric, metric)}, **_fraction(metric)},
        "hovermode": "closest",
    }
    words = f"{TITLES.get(metric, metric)} round by round, a line for each of {len(comparison.groups)} groups of runs."
    caption = f"{statistic.capitalize()} over seeds; the table has the {_reaches(curves)}." + remark
    panel = Panel(words, traces, layout, height=380)
    return Chart(
        f"{metric}-by-round", f"{TITLES.get(metric, metric)} by round", caption, columns, [panel], toggled=True
    )


def _over_rounds(curve: Curve) -> tuple[NDArray[Any], ...]:
    """Return how many seeds there are, the value and its `ENDS`, a number for each round."""
    measured = np.isfinite(curve.seeds)
    smallest, largest = (np.where(measured, curve.seeds, far) for far in (np.inf, -np.inf))
    ranges = (np.where(measured.any(axis=1), end, np.nan) for end in (smallest.min(axis=1), largest.max(axis=1)))
    return measured.sum(axis=1), curve.value, curve.low, curve.high, *ranges


def _reaches(curves: Sequence[Curve]) -> str:
    """Name the ranges that the table shows."""
    has_intervals = any(np.isfinite(curve.low).any() for curve in curves)
    return "95 % intervals and the ranges of the seeds" if has_intervals else "ranges of the seeds"


def _said(comparison: Comparison, metric: str) -> str:
    intervals = [(group.label, group.metrics[metric].interval) for group in comparison.groups]
    said = [f"{name} {number(interval.value)}" for name, interval in intervals if interval is not None]
    words = "; ".join(said[:SAID]) + (f"; and {len(said) - SAID} more in the table" if len(said) > SAID else "")
    return f"{TITLES.get(metric, metric)}, {_statistic(comparison, metric)} of each group: {words}."


def _bars(
    value: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str = BLACK
) -> Mapping[str, Any]:
    """Return error bars, as far as there are intervals."""
    up = [plain(end - middle) for middle, end in zip(value, high, strict=True)]
    down = [plain(middle - end) for middle, end in zip(value, low, strict=True)]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.3, "color": colour}


def _thin(reach: Sequence[Sequence[float]], positions: Sequence[Any], along: str, across: str) -> list[Trace]:
    """Thin lines from the smallest to the largest seed, of groups without an interval; `reach` is as `ENDS`."""
    drawn: Trace = {along: [], across: []}
    for position, low, _, smallest, largest in zip(positions, *reach, strict=True):
        if isnan(low) and smallest < largest:
            drawn[along] += [smallest, largest, None]
            drawn[across] += [position, position, None]
    if not drawn[along]:
        return []
    return [drawn | {"mode": "lines", "line": {"color": GREY, "width": 1}, "name": RANGE, "hoverinfo": "skip"}]


def _fraction(metric: str) -> dict[str, Any]:
    return {"range": SHARE} if metric.endswith(FRACTIONS) else {}


def _cell(value: Value) -> Value:
    return shown(value) if isinstance(value, bool) else value
