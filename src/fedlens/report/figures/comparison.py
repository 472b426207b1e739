"""A comparison drawn: a metric over the rounds, a line a group, and beside it each group's median with its interval.

A row of panels a metric. On the left bands are the 95 % intervals round by round, of so few groups that one can tell
them apart, and lines that would hide each other are drawn side by side. On the right groups stand below each other with
their values, or, where they differ in a number alone, along an axis of it. Where no interval covers, thin lines are the
single seeds and their range. Grey and dashed are the runs without attack or, where differences are drawn, zero; grey
and dotted those with the malicious clients absent.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fedlens.analysis.comparison import Comparison
from fedlens.analysis.measured import Curve
from fedlens.experiment.flat import shown
from fedlens.report import looks
from fedlens.report.figures.canvas import MARKERS, grid, legend_below, plain, whole_rounds
from fedlens.report.group_data import WIDE, along, spots, statistic
from fedlens.report.looks import BLACK, DASHES
from fedlens.report.metric_titles import is_share, metric_title
from fedlens.report.terminal.comparison_table import number
from fedlens.report.words import numbered

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES: Mapping[str, Any] = dict(zip(DASHES, ("-", (0, (6, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (1.5, 1))), strict=True))
TWIN = "without attack (benign twin)"
TWINS: dict[str, Any] = {"color": looks.BESIDE, "linestyle": "--", "linewidth": 1.2, "zorder": 1.5}
BESIDE = {"control": (TWIN, TWINS), "placebo": ("client absent (placebo)", TWINS | {"linestyle": ":"})}
"""How what stands beside the groups is called, and drawn."""
SEEDS = "thin: single seeds, and their range"
"""What is drawn in place of a band and of an interval."""
THIN: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.6, "zorder": 1.4}
APART = 0.08
"""Numbers that are further apart than this share of the axis are marked on it each."""
LETTERS, AXIS_LETTERS = 28, 34
"""How many letters of a group's name, and of an axis', stand beside each other."""
BANDS = 3
"""At most so many groups have bands, which would else make one grey area; their intervals are on the right."""
LANE, NEAR = 2.5, 0.01
"""By how many points lines that would hide each other are drawn apart; how near they are, as a share of the axis."""
MOVED = "Lines that would hide each other are drawn a little apart."
FEW = 5
"""How many parts the axis of the narrow panel has, that long numbers have room."""


def comparison_figure(comparison: Comparison, metrics: Sequence[str]) -> "Figure":
    """Draw a row of two panels for each of `metrics`."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    numeric, moved = _numeric(comparison), False
    height = 3.0 if numeric else max(3.0, 0.36 * len(comparison.groups) + 0.8)
    figure, panels = grid(len(metrics), 2, (4.8, height), widths=(3, 2))
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(w_pad=0.12)  # long names at the right would else touch the panel at the left
    for metric, left, right in zip(metrics, panels[::2], panels[1::2], strict=True):
        share = is_share(metric) and not comparison.against
        named = f"difference in {metric_title(metric)}" if comparison.against else metric_title(metric)
        moved |= _draw_rounds(left, comparison, metric)
        (_draw_along if numeric else _draw_below)(right, comparison, metric)
        if not numeric:
            right.set_xlabel(fill(plain(named), AXIS_LETTERS))
        if comparison.against:
            for line in (left.axhline, right.axhline if numeric else right.axvline):
                line(0, **TWINS)
        if share:
            left.set_ylim(-0.05, 1.05)
            (right.set_ylim if numeric else right.set_xlim)(-0.05, 1.05)
        elif not numeric:
            right.locator_params(axis="x", nbins=FEW)
        left.set_ylabel(fill(plain(named), AXIS_LETTERS))
        left.set_title(_estimated(comparison, metric), fontsize="medium")
        right.set_title(f"{comparison.at}{'' if numeric else _reach(comparison, metric)}", fontsize="medium")
    words = (
        [MOVED] * moved
        + [f"Red flag: {flag}" for flag in comparison.flags]
        + [f"Note: {remark}" for remark in comparison.remarks]
    )
    legend_below(figure, [*panels[::2], *panels[1::2]], words)
    return figure


def _estimated(comparison: Comparison, metric: str) -> str:
    """Say what is drawn, and over how many seeds: ``median and 95 % interval over 5 seeds``."""
    counts = sorted({group.metrics[metric].seeds for group in comparison.groups})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    reach = _reach(comparison, metric) if len(comparison.groups) <= BANDS else ""
    return f"{statistic(comparison, metric)}{reach} over {seeds} seed{'s' * (counts[-1] != 1)}"


def _reach(comparison: Comparison, metric: str) -> str:
    """Name the intervals, if there are any."""
    intervals = [group.metrics[metric].interval for group in comparison.groups]
    return " and 95 % interval" if any(interval and interval.low is not None for interval in intervals) else ""


def look(index: int) -> dict[str, Any]:
    """Return the colour, marker and line of the group at `index`."""
    colour, symbol, dash = looks.look(index)
    return {"color": colour, "marker": MARKERS[symbol], "linestyle": LINES[dash]}


def _numeric(comparison: Comparison) -> bool:
    """Tell whether groups differ only in a number that has at least three values."""
    missing = any(value is None for group in comparison.groups for value in group.values)
    return len(comparison.by) == 1 and along(comparison) is not None and not missing


def _draw_rounds(panel: "Axes", comparison: Comparison, metric: str) -> bool:
    """Draw a line for each group with its band or seeds, and its controls in grey, marked where they differ.

    Returns:
        Whether any line is drawn beside its place.
    """
    from matplotlib.transforms import ScaledTranslation

    curves = [group.metrics[metric].curve for group in comparison.groups]
    places = lanes(curves, near=NEAR * (1 if is_share(metric) else _extent(curves)))
    for index, (group, curve, lane) in enumerate(zip(comparison.groups, curves, places, strict=True)):
        style = look(index)
        if len(curves) <= BANDS:
            panel.fill_between(curve.rounds, curve.low, curve.high, color=style["color"], alpha=0.15, linewidth=0)
        style |= _marked(curve, style["marker"])
        (line,) = panel.plot(curve.rounds, curve.value, **style, label=plain(group.label), linewidth=1.6)
        if lane:
            up = ScaledTranslation(0, LANE * lane / 72, panel.figure.dpi_scale_trans)  # in inches
            line.set_transform(panel.transData + up)
    for index, group in enumerate(comparison.groups):
        _draw_seeds(panel, group.metrics[metric].curve, look(index))
    for name, (label, look_beside) in BESIDE.items():
        controls, words = dict(_controls(comparison, metric, name)), numbered(label, several=comparison.several)
        for index, curve in controls.items():
            marker = look(index)["marker"] if len(controls) > 1 else "_" if len(curve.rounds) == 1 else ""
            panel.plot(curve.rounds, curve.value, **look_beside, **_marked(curve, marker), label=words)
    every = np.concatenate([group.metrics[metric].curve.rounds for group in comparison.groups])
    whole_rounds(panel, int(every.min()), int(every.max()))
    return any(places)


def lanes(curves: Sequence[Curve], near: float) -> list[int]:
    """Return how many lanes above its place to draw each curve (0, 1, -1, 2, ...), so that none hides another.

    Curves hide each other if they are nearer than `near` in two rounds, or in the only one.
    """
    outwards = [0, *(side * step for step in range(1, len(curves)) for side in (1, -1))]
    taken: list[int] = []
    for curve in curves:
        touched = {lane for other, lane in zip(curves, taken, strict=False) if _touch(curve, other, near)}
        taken.append(next(lane for lane in outwards if lane not in touched))
    return taken


def _touch(first: Curve, second: Curve, near: float) -> bool:
    """Tell whether two curves hide each other."""
    both, ours, theirs = np.intersect1d(first.rounds, second.rounds, return_indices=True)
    close = np.abs(first.value[ours] - second.value[theirs]) <= near
    return bool(close.sum() >= min(2, max(len(both), 1)))


def _extent(curves: Sequence[Curve]) -> float:
    """Return how far the curves reach, from the smallest to the largest value."""
    values = np.concatenate([curve.value[np.isfinite(curve.value)] for curve in curves])
    return float(np.ptp(values)) if len(values) else 0.0


def _draw_seeds(panel: "Axes", curve: Curve, style: Mapping[str, Any]) -> None:
    """Draw a thin line for each of several seeds, over the rounds without an interval; dots for a single round."""
    single = np.where(np.isnan(curve.low)[:, None], curve.seeds, np.nan)
    if single.shape[1] > 1 and np.isfinite(single).any():
        marker = "." if len(curve.rounds) == 1 else ""
        labels = [SEEDS, *[None] * (single.shape[1] - 1)]
        panel.plot(curve.rounds, single, color=style["color"], marker=marker, label=labels, **THIN)


def _marked(curve: Curve, marker: str) -> dict[str, Any]:
    return {"marker": marker, "markersize": 4, "markevery": max(1, len(curve.rounds) // 20)}


def _controls(comparison: Comparison, metric: str, name: str) -> Iterator[tuple[int, Curve]]:
    """Yield each distinct curve of a control with the index of the first group that has it; groups often share one."""
    seen: list[Curve] = []
    for index, group in enumerate(comparison.groups):
        if metric in group.beside(name):
            curve = group.beside(name)[metric].curve
            if not any(_equal(curve, other) for other in seen):
                seen.append(curve)
                yield index, curve


def _equal(first: Curve, second: Curve) -> bool:
    same = np.array_equal(first.rounds, second.rounds)
    return same and np.allclose(first.value, second.value, rtol=0, atol=1e-9, equal_nan=True)


def _draw_below(panel: "Axes", comparison: Comparison, metric: str) -> None:
    """Chart a dot with its interval for each group, the first on top."""
    spots_by_side = spots(comparison.groups, metric)
    for index, spot in enumerate(spots_by_side.pop("")):
        style = look(index)
        panel.plot([spot.value], [index], color=style["color"], marker=style["marker"], markersize=7)
        panel.plot([spot.low, spot.high], [index] * 2, color=style["color"], marker="|", linewidth=1.6)
        if spot.thin:
            panel.plot([spot.range_low, spot.range_high], [index] * 2, color=style["color"], label=SEEDS, **THIN)
        if isfinite(spot.value):
            panel.annotate(
                number(spot.value), (spot.value, index), (0, 6), textcoords="offset points", annotation_clip=False,
                ha="center", fontsize="x-small",
            )  # fmt: skip
        for side, controls in spots_by_side.items():
            panel.plot([controls[index].value] * 2, [index - 0.3, index + 0.3], **BESIDE[side][1])
    labels = [fill(plain(group.label), LETTERS) for group in comparison.groups]
    panel.set_yticks(range(len(labels)), labels, fontsize="small")
    panel.set_ylim(len(labels) - 0.5, -0.5)


def _draw_along(panel: "Axes", comparison: Comparison, metric: str) -> None:
    """Draw a line through the groups along an axis of the number that they differ in."""
    numbers = np.array([group.values[0] for group in comparison.groups], dtype=float)
    spots_by_side = spots(comparison.groups, metric)
    own = spots_by_side.pop("")
    for side, controls in spots_by_side.items():
        panel.plot(numbers, [spot.value for spot in controls], **BESIDE[side][1])
    if not comparison.against:  # a line would pass by the baseline, which has its number, too
        panel.plot(numbers, [spot.value for spot in own], color=BLACK, linewidth=1.2, zorder=1.6)
    for index, (x, spot) in enumerate(zip(numbers, own, strict=True)):
        style = look(index)
        panel.plot([x], [spot.value], color=style["color"], marker=style["marker"], markersize=7)
        panel.plot([x] * 2, [spot.low, spot.high], color=style["color"], marker="_", linewidth=1.6)
        if spot.thin:
            panel.plot([x] * 2, [spot.range_low, spot.range_high], color=style["color"], label=SEEDS, **THIN)
    positions = _scaled(panel, numbers)
    if np.diff(positions).min() > APART * np.ptp(positions):
        panel.set_xticks(numbers, [shown(value) for value in numbers.tolist()])
        panel.minorticks_off()
    panel.set_xlabel(plain(comparison.by[0]))


def _scaled(panel: "Axes", numbers: NDArray[Any]) -> NDArray[Any]:
    """Choose the x axis for `numbers`; returns where they are on it. A 0 stands a decade below the next number."""
    positive = numbers[numbers > 0]
    if numbers.min() < 0 or positive.max() <= WIDE * positive.min():
        return numbers
    least = positive.min()
    panel.set_xscale("symlog" if numbers.min() == 0 else "log", **({"linthresh": least} if numbers.min() == 0 else {}))
    decades: NDArray[Any] = np.where(numbers > 0, np.log10(np.maximum(numbers, least) / least), -1.0)
    return decades
