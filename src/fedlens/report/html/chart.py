"""A chart: its numbers as columns, how plotly.js is to draw them, and what they say in words.

The columns are in the page once. A trace names those that it draws under ``from``, and under ``where`` the values that
others must have; so whatever is drawn is in the table below the chart, and in the file that can be saved of it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import Any

from fedlens.experiment.flat import Value, plain_value
from fedlens.report.figures.canvas import stretches

Trace = dict[str, Any]
"""A trace of plotly.js; ``from`` maps its attributes to columns, ``where`` columns to a value each."""

ATTACK = "#D55E00"
"""The malicious client's colour; the page's script knows what becomes of it on a dark page."""
SHARE = [-0.04, 1.04]
"""The axis of what lies between 0 and 1."""
ROOM = 900_000
"""Bytes of charts and pictures together, so that the page stays below 6 MB; plotly.js takes 4.8."""


@dataclass(frozen=True)
class Panel:
    """One plot of a chart.

    Attributes:
        says: what is to be seen, for those who do not see it.
        traces: what is drawn.
        layout: of plotly.js, where it differs from the page's usual one.
        title: what stands above it.
        height: in pixels.
        toggle: the index of the run that it belongs to, if the page's checkboxes show and hide it.
    """

    says: str
    traces: Sequence[Trace]
    layout: Mapping[str, Any]
    title: str = ""
    height: int = 320
    toggle: int | None = None


@dataclass(frozen=True)
class Chart:
    """Plots of the same numbers, beside each other.

    Attributes:
        name: of the chart, and of the file that its numbers are saved in; each in a page has its own.
        title: what it shows.
        caption: how it is to be read, in sentences.
        columns: the numbers and words that are drawn, of equal lengths.
        panels: the plots.
        slider: the column of which one value at a time is shown, if there is one.
        toggled: whether the page's checkboxes show and hide its lines.
        narrow: whether it may stand beside another one.
    """

    name: str
    title: str
    caption: str
    columns: Mapping[str, Sequence[Any]]
    panels: Sequence[Panel]
    slider: str | None = None
    toggled: bool = False
    narrow: bool = False

    @property
    def wide(self) -> bool:
        """Whether it takes the width of a page, for long names stand at its side."""
        return any(panel.layout.get("yaxis", {}).get("wide") for panel in self.panels)

    def steps(self) -> list[Any]:
        """Return the values that the slider goes through."""
        return list(dict.fromkeys(self.columns[self.slider])) if self.slider else []

    def embedded(self) -> dict[str, Any]:
        """Return what the page's script gets to know."""
        return {
            "columns": {name: [plain(value) for value in values] for name, values in self.columns.items()},
            "panels": [
                {"traces": panel.traces, "layout": panel.layout, "toggle": panel.toggle, "height": panel.height}
                for panel in self.panels
            ],
            "slider": self.slider,
            "steps": self.steps(),
        }


def room_left(charts: Iterable[Chart]) -> int:
    """Return the bytes that a page with these charts has left for more of them and for pictures."""
    return ROOM - len(json.dumps([chart.embedded() for chart in charts]))


def plain(value: Any) -> Value:
    """Return a cell as JSON can hold it: what is missing, or not a finite number, is ``None``."""
    plain_cell = plain_value(value)
    return None if isinstance(plain_cell, float) and not isfinite(plain_cell) else plain_cell


def lettered(words: str) -> str:
    """Return `words` as plotly.js shows them, which takes some of HTML's tags for instructions."""
    return escape(words, quote=False)


def shading(rounds: Iterable[int], every: int) -> list[dict[str, Any]]:
    """Return shapes that shade `rounds`, each half a round to either side; none if these are `every` round there is."""
    shaded_rounds = list(rounds)
    if len(shaded_rounds) == every:
        return []
    band = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 0}}
    return [
        {**band, "x0": first - 0.5, "x1": last + 0.5, "fillcolor": ATTACK, "opacity": 0.15}
        for first, last in stretches(shaded_rounds)
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
