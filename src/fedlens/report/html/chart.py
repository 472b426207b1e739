"""A chart of a page: figures of plotly beside each other, the numbers behind them, and what they say in words."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fedlens.experiment.flat import Value, plain_value
from fedlens.report.looks import MALICIOUS, SYMBOLS, look

SHARE = [-0.04, 1.04]
"""The axis of what lies between 0 and 1."""
ROOM = 900_000
"""Bytes of charts and pictures together, so that the page stays below 6 MB; plotly.js takes 4.8."""
HEIGHT = 320
"""Of a plot in pixels, unless its layout has another."""
MANY = 60
"""Markers of more rounds than these are smaller."""
OTHERS = ("circle-open", "line-ns-open", "line-ew-open", "x-thin-open")
SIGNS = dict(zip((*SYMBOLS, *OTHERS), "●■◆▲▼✚✖★○│━✕", strict=True))
"""Markers as letters."""
STROKES = {"dash": "7 4", "longdashdot": "10 3 2 3", "dashdot": "6 3 2 3", "dot": "2 3"}
"""Dashes as those of SVG."""


class Key(NamedTuple):
    """A line of a legend: what is drawn in which colour, by which marker, and the dashes of its line, if it has one."""

    name: str
    colour: str
    sign: str
    stroke: str | None = None

    @property
    def label(self) -> str:
        """The name as it is written outside of plotly.js."""
        return unescape(self.name)


@dataclass(frozen=True)
class Panel:
    """One plot of a chart.

    Attributes:
        says: what is to be seen, for those who do not see it.
        figure: what is drawn; a frame for each step of the chart's slider has what changes, and that step's name.
        title: what stands above it.
        toggle: the index of the run that it belongs to, if the page's checkboxes show and hide it.
    """

    says: str
    figure: go.Figure
    title: str = ""
    toggle: int | None = None

    @property
    def height(self) -> int:
        """In pixels."""
        return self.figure.layout.height or HEIGHT


@dataclass(frozen=True)
class Chart:
    """Plots of the same numbers, beside each other.

    Attributes:
        name: of the chart, and of the file that its numbers are saved in; each in a page has its own.
        title: what it shows.
        caption: how it is to be read, in sentences.
        columns: the numbers and words behind it, of equal lengths.
        panels: the plots.
        slider: the column of which one value at a time is shown, if there is one.
        toggled: whether the page's checkboxes show and hide its lines, by the ``meta`` of traces.
        narrow: whether it may stand beside another one.
        wide: whether it takes the width of a page, for long names stand at its side.
    """

    name: str
    title: str
    caption: str
    columns: Mapping[str, Sequence[Any]]
    panels: Sequence[Panel]
    slider: str | None = None
    toggled: bool = False
    narrow: bool = False
    wide: bool = False

    def steps(self) -> list[Any]:
        """Return the values that the slider goes through."""
        return list(dict.fromkeys(self.columns[self.slider])) if self.slider else []

    def keys(self) -> list[Key]:
        """Return the legend, with a checkbox a line; empty for a single line, or if the page has checkboxes."""
        traces = [] if self.toggled else [trace for panel in self.panels for trace in panel.figure.data if trace.name]
        keys = {trace.name: _key(trace) for trace in traces}
        return list(keys.values()) if len(keys) > 1 else []

    def embedded(self) -> dict[str, Any]:
        """Return what the page's scripts need."""
        columns = {name: coded(list(map(plain, values))) for name, values in self.columns.items()}
        figures = [panel.figure.to_dict() for panel in self.panels]
        for figure in figures:
            figure["layout"].pop("template", None)  # the page has one for all
        return {"columns": columns, "figures": figures, "slider": self.slider, "steps": self.steps()}


def room_left(charts: Iterable[Chart]) -> int:
    """Return the bytes that a page with these charts has left for more of them and for pictures."""
    return ROOM - len(json.dumps([chart.embedded() for chart in charts]))


def plain(value: Any) -> Value:
    """Return a cell as JSON can hold it: what is missing, or not a finite number, is ``None``."""
    plain_cell = plain_value(value)
    return None if isinstance(plain_cell, float) and not isfinite(plain_cell) else plain_cell


def coded(values: list[Value]) -> list[Value] | dict[str, Any]:
    """Return a column as it is or, if that is shorter, its distinct cells and a code for each cell."""
    indices = {value: index for index, value in enumerate(dict.fromkeys(values))}
    size = 1 if len(indices) <= 256 else 2
    codes = b"".join(indices[value].to_bytes(size, "little") for value in values)
    column = {"values": list(indices), "size": size, "codes": b64encode(codes).decode()}
    return values if len(json.dumps(values)) <= len(json.dumps(column)) else column


def drawn(values: Iterable[Any]) -> NDArray[Any] | list[Any]:
    """Numbers as they are drawn: whole ones, or as precise as 32 bits are, NaN where there is none."""
    array = np.array([np.nan if value is None else value for value in values])
    if not len(array) or array.dtype.kind != "f":
        return array if len(array) else []
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32)
    return array if (np.isinf(narrow) & np.isfinite(array)).any() else narrow


def lettered(words: str) -> str:
    """Return `words` as plotly.js shows them, which takes some of HTML's tags for instructions."""
    return escape(words, quote=False)


def sentence(words: str) -> str:
    """`words` as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def lines(
    x: Iterable[Any], y: Iterable[Any], colour: str, symbol: str, dash: str | None = None, **look: Any
) -> go.Scatter:
    """Draw a line with markers."""
    positions = drawn(x)
    marker = {"symbol": symbol, "color": colour} | ({"size": 4} if len(positions) > MANY else {})
    line = {"color": colour, "dash": dash}
    return go.Scatter(x=positions, y=drawn(y), mode="lines+markers", line=line, marker=marker, **look)


def dots(x: Iterable[Any], y: Iterable[Any], size: float, marker: dict[str, Any], **look: Any) -> go.Scatter:
    """Draw a marker of `size` pixels for each of these, smaller where there are many rounds."""
    positions = drawn(x)
    marker["size"] = 0.6 * size if len(set(positions)) > MANY else size
    return go.Scatter(x=positions, y=drawn(y), mode="markers", marker=marker, **look)


def bands(stretches: Iterable[tuple[int, int]]) -> list[go.layout.Shape]:
    """Shapes that shade stretches of rounds, each half a round to either side."""
    look = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line_width": 0}
    return [
        go.layout.Shape(x0=first - 0.5, x1=last + 0.5, fillcolor=MALICIOUS, opacity=0.15, **look)
        for first, last in stretches
    ]


def rounds_axis(first: int, last: int) -> dict[str, Any]:
    """Return the x axis of rounds, each half a round wide to either side."""
    axis = {"title": {"text": "round"}, "range": [first - 0.5, last + 0.5]}
    return axis | ({"dtick": 1} if last - first < 12 else {"tickformat": "d"})


def evenly(rounds: Iterable[int], rows: int, largest: int) -> tuple[set[int], str]:
    """Choose which rounds to keep, the last one always, and remark if these are not all.

    Args:
        rounds: all of them, in order.
        rows: of how many rows they are.
        largest: about so many rows may be kept.
    """
    every = max(1, -(-rows // largest))
    rounds_kept = set(list(dict.fromkeys(rounds))[::-1][::every])
    return rounds_kept, "" if every == 1 else f" One round in {every} is in this page; the run's directory has all."


def columns_of(table: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """Return those columns of a data frame that exist and have a value."""
    return {name: table[name].tolist() for name in names if name in table and table[name].notna().any()}


def keys_of(names: Iterable[str]) -> list[Key]:
    """Return the keys of runs or groups, given by their names in order."""
    looks = [(name, look(index)) for index, name in enumerate(names)]
    return [Key(lettered(name), style.colour, SIGNS[style.symbol]) for name, style in looks]


def _key(trace: Any) -> Key:
    """Return what a legend shows of a trace; where its markers differ, a dot in the colour of words."""
    if trace.type == "bar":
        return Key(trace.name, trace.marker.color, SIGNS["square"])
    if trace.fill:
        return Key(trace.name, trace.line.color, SIGNS["square"])
    colour, symbol = trace.marker.color or trace.line.color, trace.marker.symbol
    same = isinstance(colour, str)
    sign = SIGNS[symbol or "circle"] if same else "●"
    stroke = STROKES.get(trace.line.dash, "none") if "lines" in trace.mode else None
    return Key(trace.name, colour if same else "currentColor", sign if "markers" in trace.mode else "", stroke)
