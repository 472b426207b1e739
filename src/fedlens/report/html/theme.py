"""The look of a page's charts: a template of plotly's, and what stands for its colours on a dark page."""

from typing import Any

import plotly.graph_objects as go

from fedlens.report.looks import BESIDE, BLACK, BLUE, SKY

INK, FAINT, GRID, PAPER, CLEAR = "#1a1d21", "#555b63", "#dfe3e7", "#ffffff", "rgba(0,0,0,0)"
ON_DARK = {
    **{INK: "#e8eaed", FAINT: "#a8b0b9", GRID: "#31373e", PAPER: "#14171a"},
    **{BLACK: "#f0f0f0", BLUE: SKY, SKY: "#3D8FD1", BESIDE: "#a8b0b9"},
}
"""Colours that a dark page would swallow, or be dazzled by, and what stands for them there."""


def template() -> dict[str, Any]:
    """Return what all charts have in common, as JSON."""
    axis: dict[str, Any] = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": FAINT, "tickcolor": FAINT}
    axis |= {"fixedrange": True, "automargin": True, "title": {"standoff": 8}, "showline": True, "ticks": "outside"}
    layout = go.Layout(
        xaxis=axis,
        yaxis=axis,
        font={"color": INK, "size": 12},
        colorscale={"sequential": [[0, PAPER], [1, BLUE]]},
        hoverlabel={"bgcolor": PAPER, "font": {"color": INK}, "namelength": -1},
        hovermode="closest",
        margin={"l": 48, "r": 12, "t": 12, "b": 40},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        autosize=False,
        dragmode=False,
        showlegend=False,
    )
    scatter = go.Scatter(line={"width": 2}, marker={"size": 7})
    described: dict[str, Any] = go.layout.Template(layout=layout, data={"scatter": [scatter]}).to_plotly_json()
    return described
