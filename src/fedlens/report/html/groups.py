"""Groups of runs in charts: a metric by the options that vary, with intervals, and round by round."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fedlens.analysis.comparison import Comparison
from fedlens.analysis.group import Group
from fedlens.analysis.interval_words import reach_words
from fedlens.analysis.measured import Curve
from fedlens.experiment.flat import Value, shown
from fedlens.report.group_data import Spot, along, far_apart, spots, statistic
from fedlens.report.html.chart import SHARE, Chart, Panel, drawn, evenly, lettered, lines, rounds_axis
from fedlens.report.html.metrics import DASHES
from fedlens.report.looks import BESIDE, BLACK, look
from fedlens.report.metric_titles import heading, is_share
from fedlens.report.terminal.comparison_table import number
from fedlens.report.words import numbered

CONTROLS = {"control": "benign twins", "placebo": "with the client absent"}
"""What stands beside the groups."""
MARKERS = {"control": "line-ns-open", "placebo": "x-thin-open"}
RANGE = "range of the seeds"
LARGEST = 3_000
"""About so many rounds of all groups are in a chart."""
SAID = 12
"""So many groups are named in the words for those who do not see the chart."""


def option_chart(comparison: Comparison, metric: str) -> Chart:
    """Chart a metric by options: along an axis of numbers if one of these is a number, else a dot for each group."""
    columns: dict[str, list[Any]] = {"group": [group.label for group in comparison.groups]}
    for option_index, field in enumerate(comparison.by):
        columns[field] = [_cell(group.values[option_index]) for group in comparison.groups]
    for name in ("runs", "seeds"):
        columns[name] = [getattr(group.metrics[metric], name) for group in comparison.groups]
    spots_by_side = spots(comparison.groups, metric)
    for side, side_spots in spots_by_side.items():
        for name, values in zip(
            (statistic(comparison, metric), *Spot._fields[1:]), zip(*side_spots, strict=True), strict=True
        ):
            columns[f"{side}_{name}" if side else name] = list(values)
    axis = along(comparison)
    panel = _dots(comparison, metric) if axis is None else _axis(comparison, metric, axis)
    side_names = [_beside(comparison, side) for side in spots_by_side if side]
    reach = reach_words(group.metrics[metric].interval for group in comparison.groups)
    caption = (
        f"{statistic(comparison, metric).capitalize()} over seeds{f' with {reach}' if reach else ''}, {comparison.at}."
    )
    caption += f" Grey: {', '.join(side_names)}." if side_names else ""
    if axis is not None and any(group.values[axis] is None for group in comparison.groups):
        caption += f" Runs that have no {comparison.by[axis]} are in the table only."
    title = f"{heading(metric)} by option"
    return Chart(f"{metric}-by-option", title, caption, columns, [panel], wide=axis is None)


def _beside(comparison: Comparison, side: str) -> str:
    return numbered(CONTROLS[side], several=comparison.several)


def _dots(comparison: Comparison, metric: str) -> Panel:
    """Chart a dot with its interval for each group, the first on top."""
    groups = comparison.groups
    labels = [lettered(group.label) for group in groups]
    figure = go.Figure()
    for side, side_spots in spots(groups, metric).items():
        dots = go.Scatter(
            x=_values(side_spots), y=labels, mode="markers", hovertemplate="%{y}: %{x:.4g}<extra></extra>"
        )
        if side:
            look_ = {"symbol": MARKERS[side], "size": 14, "color": BESIDE, "line": {"width": 2}}
            figure.add_trace(dots.update(name=_beside(comparison, side), marker=look_))
        else:
            looks = [look(index) for index in range(len(groups))]
            look_ = {"size": 10, "color": [one.colour for one in looks], "symbol": [one.symbol for one in looks]}
            figure.add_traces(_thin(side_spots, labels, "x", "y"))
            figure.add_trace(dots.update(name="runs", marker=look_, error_x=_bars(side_spots, BLACK)))
    figure.layout = {
        "xaxis": {"title": {"text": heading(metric)}, **_fraction(metric)},
        # plotly.js would else take the order of the groups from the trace that is drawn first
        "yaxis": {"type": "category", "autorange": "reversed", "categoryorder": "array", "categoryarray": labels},
        "height": 110 + 30 * len(groups),
    }
    return Panel(_said(comparison, metric), figure)


def _axis(comparison: Comparison, metric: str, option_index: int) -> Panel:
    """Draw a line along the option at `option_index` for each combination of the others."""
    groups_by_line: dict[tuple[Value, ...], list[Group]] = {}
    for group in comparison.groups:
        if group.values[option_index] is not None:
            others = group.values[:option_index] + group.values[option_index + 1 :]
            groups_by_line.setdefault(others, []).append(group)
    names = comparison.by[:option_index] + comparison.by[option_index + 1 :]
    figure = go.Figure()
    for index, (values, groups) in enumerate(groups_by_line.items()):
        style = look(index)
        x = [float(group.values[option_index] or 0) for group in groups]
        spots_by_side = spots(groups, metric)
        own = spots_by_side.pop("")
        words = (v if isinstance(v, str) else f"{name}={shown(v)}" for name, v in zip(names, values, strict=True))
        line = lines(x, _values(own), style.colour, style.symbol, style.dash, hovertemplate="%{x}: %{y:.4g}")
        line.marker.size = 9
        figure.add_trace(line.update(name=lettered(", ".join(words)) or "runs", error_y=_bars(own, style.colour)))
        figure.add_traces(_thin(own, x, "y", "x"))
        for side, side_spots in spots_by_side.items():
            grey = {"color": BESIDE, "dash": DASHES[side], "width": 1}
            figure.add_trace(
                go.Scatter(x=x, y=_values(side_spots), mode="lines", line=grey, name=_beside(comparison, side))
            )
            figure.data[-1].hoverinfo = "skip"
    far = far_apart([number for trace in figure.data for number in trace.x if number is not None])
    figure.layout = {
        "xaxis": {"title": {"text": lettered(comparison.by[option_index])}, **({"type": "log"} if far else {})},
        "yaxis": {"title": {"text": heading(metric)}, **_fraction(metric)},
        "height": 360,
    }
    return Panel(_said(comparison, metric), figure)


def curves_chart(comparison: Comparison, metric: str) -> Chart:
    """Chart a line for each group over the rounds, which the page's checkboxes show and hide."""
    names = ("group", "round", "seeds", statistic(comparison, metric), *Spot._fields[1:])
    columns: dict[str, list[Any]] = {name: [] for name in names}
    traces = []
    curves = [group.metrics[metric].curve for group in comparison.groups]
    every = sorted({int(round_) for curve in curves for round_ in curve.rounds})
    rounds_kept, remark = evenly(every, sum(len(curve.rounds) for curve in curves), LARGEST)
    for group_index, (group, curve) in enumerate(zip(comparison.groups, curves, strict=True)):
        shown_ = [int(round_) in rounds_kept for round_ in curve.rounds]
        rows = [values[shown_] for values in (curve.rounds, *_over_rounds(curve))]
        columns["group"] += [group.label] * sum(shown_)
        for name, values in zip(names[1:], rows, strict=True):
            columns[name] += values.tolist()
        hover = "%{fullData.name}<br>round %{x}: %{y:.4g}<extra></extra>"
        trace = lines(rows[0], rows[2], *look(group_index), name=lettered(group.label), hovertemplate=hover)
        traces.append(trace.update(meta={"toggle": group_index, "twin": False}))
    title = heading(metric)
    layout = {
        "xaxis": rounds_axis(min(columns["round"]), max(columns["round"])),
        "yaxis": {"title": {"text": title}, **_fraction(metric)},
        "height": 380,
    }
    words = f"{title} round by round, a line for each of {len(comparison.groups)} groups of runs."
    caption = f"{statistic(comparison, metric).capitalize()} over seeds; the table has the {_reaches(curves)}." + remark
    panel = Panel(words, go.Figure(traces, layout))
    return Chart(f"{metric}-by-round", f"{title} by round", caption, columns, [panel], toggled=True)


def _over_rounds(curve: Curve) -> tuple[NDArray[Any], ...]:
    """How many seeds there are, and the fields of a `Spot`, a number for each round."""
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
    return f"{heading(metric)}, {statistic(comparison, metric)} of each group: {words}."


def _values(side_spots: Sequence[Spot]) -> Any:
    return drawn(spot.value for spot in side_spots)


def _bars(side_spots: Sequence[Spot], colour: str) -> dict[str, Any]:
    """Return error bars, as far as there are intervals."""
    up, down = (
        drawn(spot.high - spot.value for spot in side_spots),
        drawn(spot.value - spot.low for spot in side_spots),
    )
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.3, "color": colour}


def _thin(side_spots: Sequence[Spot], positions: Sequence[Any], axis: str, other: str) -> list[go.Scatter]:
    """Thin lines from the smallest to the largest seed, of groups without an interval."""
    ranges = [(place, spot) for place, spot in zip(positions, side_spots, strict=True) if spot.thin]
    if not ranges:
        return []
    ends = {
        axis: [end for _, spot in ranges for end in (spot.range_low, spot.range_high, None)],
        other: [end for place, _ in ranges for end in (place, place, None)],
    }
    return [go.Scatter(**ends, mode="lines", line={"color": BESIDE, "width": 1}, name=RANGE, hoverinfo="skip")]


def _fraction(metric: str) -> dict[str, Any]:
    return {"range": SHARE} if is_share(metric) else {}


def _cell(value: Value) -> Value:
    return shown(value) if isinstance(value, bool) else value
