"""The updates as histograms: a benign client's beside the malicious one's, round by round."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import log10
from typing import Any

import numpy as np
import plotly.graph_objects as go

from fedlens.analysis.histograms import Histogram, Histograms, kept_histograms, window
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.report.data import unseen_words
from fedlens.report.html.chart import Chart, Panel, evenly
from fedlens.report.html.table import Table
from fedlens.report.looks import BENIGN, MALICIOUS

LARGEST = 10_000
"""About so many bins of all rounds are in the page."""
ROW = 30
"""About so many bytes a bin takes, in the table and in the figures."""
COLUMNS = ("run", "round", "lower", "upper", "benign", "malicious")
COLOURS = {"benign": BENIGN, "malicious": MALICIOUS}
RUNS = 12
"""So many runs are drawn beside each other."""
STATISTICS: Mapping[str, Callable[[float], str]] = {
    "norm": "{:.4g}".format,
    "lowest": "{:.4g}".format,
    "highest": "{:.4g}".format,
    "sparsity": percent,
    "wasserstein": "{:.3g}".format,
}
LISTED = 200
"""About so many updates have their statistics listed."""


def updates_chart(run: Run) -> Chart | None:
    """Chart the histograms of the rounds with an attack, under a slider; ``None`` where no two can be compared.

    Bins that are empty in both histograms are left out, and what lies outside the window is told in words.

    Raises:
        ConfigError: the run recorded no histograms, or no norms, or no malicious update was finite.
        DamagedRunError: a file is missing or damaged.
    """
    chart = _chart({"": _pairs(run)}, LARGEST)
    attackers = [record.attacker for record in run.records if record.attacker is not None]
    if attackers and all(attacker.malformed for attacker in attackers):
        raise ConfigError(f"{run.path}: {unseen_words(run)}, and there are no updates to compare")
    return chart


def updates_of_several(runs: Mapping[str, Run | None], room: int) -> Chart | None:
    """Draw the histograms of several runs by their names in the page, all under one slider and with the same axes.

    Args:
        runs: those of the page in their order, ``None`` for one that recorded no histograms or norms.
        room: about so many bytes of the page they may take.

    Raises:
        DamagedRunError: a file is missing or damaged.
    """
    pairs_by_run = {
        name: _pairs(run) if run and run_index < RUNS else [] for run_index, (name, run) in enumerate(runs.items())
    }
    chart = _chart(pairs_by_run, max(1, min(LARGEST, room // ROW)))
    if chart is None or len(runs) <= RUNS:
        return chart
    return replace(chart, caption=f"{chart.caption} Only the first {RUNS} of {len(runs)} runs are drawn.")


def _pairs(run: Run) -> list[Histograms]:
    """Return the rounds in which two can be compared."""
    return [pair for pair in kept_histograms(run) if pair.benign and pair.malicious]


def _chart(pairs_by_run: Mapping[str, list[Histograms]], largest: int) -> Chart | None:
    """Chart the runs by their names; a run that is alone in the page needs none."""
    every = [pair for pairs in pairs_by_run.values() for pair in pairs]
    if not every:
        return None
    half = window(histogram for pair in every for histogram in _two(pair))
    rows = [(name, *row) for name, pairs in pairs_by_run.items() for pair in pairs for row in _rows(pair, half)]
    rounds_kept, remark = evenly(sorted({pair.round for pair in every}), len(rows), largest)
    columns = dict(
        zip(COLUMNS, map(list, zip(*(row for row in rows if row[1] in rounds_kept), strict=True)), strict=True)
    )
    if alone := len(pairs_by_run) == 1:
        del columns["run"]
    caption = (
        f"Entries of an update by their value; both axes are the same for {'both clients' if alone else 'all clients'} "
        f"and every round, the counts' is logarithmic. Entries beyond ±{half:.2g} are not drawn.{remark}"
    )
    layout = _layout(half, max(*columns["benign"], *columns["malicious"])) | {"height": 280 if alone else 220}
    panels = [
        _panel(side, _figure(side, pairs, half, layout, rounds_kept), pairs, None if alone else (run_index, name))
        for run_index, (name, pairs) in enumerate(pairs_by_run.items())
        if pairs
        for side in COLOURS
    ]
    return Chart("updates", "Updates of a benign and of a malicious client", caption, columns, panels, slider="round")


def statistics_table(run: Run) -> Table:
    """Tabulate the statistics of both updates: a row for each round with an attack and each of the two.

    Of a long run, rounds that lie evenly.

    Raises:
        ConfigError: the run recorded no histograms, or no norms.
        DamagedRunError: a file is missing or damaged.
    """
    attacked_pairs = [pair for pair in kept_histograms(run) if pair.malicious]
    rounds_kept, _ = evenly((pair.round for pair in attacked_pairs), 2 * len(attacked_pairs), LISTED)
    rows = [
        [pair.round, side, histogram.client, *(show(histogram.statistics[name]) for name, show in STATISTICS.items())]
        for pair in attacked_pairs
        for side, histogram in zip(COLOURS, (pair.benign, pair.malicious), strict=True)
        if pair.round in rounds_kept and histogram
    ]
    words = ["L2 norm", "least entry", "greatest entry", "entries below 1e-7", "Wasserstein-1 to the others"]
    return Table("Statistics of the updates", ["round", "update", "client", *words], rows, words=2)


def _two(pair: Histograms) -> list[Histogram]:
    return [histogram for histogram in (pair.benign, pair.malicious) if histogram is not None]


def _rows(pair: Histograms, half: float) -> list[tuple[float, ...]]:
    """Round, edges and both counts of each bin within ±`half` that is not empty, and is exact, in both."""
    benign, malicious = _two(pair)
    counts = [histogram.counts * histogram.exact for histogram in (benign, malicious)]
    rows = []
    for lower, upper, *both in zip(benign.edges[:-1], benign.edges[1:], *counts, strict=True):
        if abs(lower + upper) / 2 <= half and any(both):
            edges = (round(float(value), 9) for value in (lower, upper))
            rows.append((pair.round, *edges, *map(int, both)))
    return rows


def _layout(half: float, top: float) -> dict[str, Any]:
    """Return the axes: values within ±`half`, and counts up to `top`."""
    heights = [-0.2, log10(max(top, 1)) + 0.2]
    return {
        "xaxis": {"title": {"text": "value of an entry"}, "range": [-half, half]},
        "yaxis": {"title": {"text": "entries per bin"}, "type": "log", "dtick": 1, "range": heights},
        "bargap": 0,
    }


def _figure(
    side: str, pairs: Sequence[Histograms], half: float, layout: Mapping[str, Any], rounds: Iterable[int]
) -> go.Figure:
    """Draw one client's bars, from the first that is not empty to the last, with a frame for each of these `rounds`."""
    edges = _two(pairs[0])[0].edges
    width = float(edges[1] - edges[0])
    look = {"color": COLOURS[side], "line_width": 0}
    hover = "from %{x:.4f} on: %{y} entries<extra></extra>"
    bars = go.Bar(dx=width, offset=0, width=width, marker=look, hovertemplate=hover)
    frames = []
    for pair in pairs:
        if pair.round in rounds:
            histogram = _two(pair)[side == "malicious"]
            counts = histogram.counts * histogram.exact * (np.abs(edges[:-1] + edges[1:]) / 2 <= half)
            filled = np.flatnonzero(counts) if counts.any() else [0]
            part = go.Bar(x0=float(edges[filled[0]]), y=counts[filled[0] : filled[-1] + 1])
            frames.append(go.Frame(name=str(pair.round), data=[part]))
    return go.Figure(bars, layout, frames)


def _panel(side: str, figure: go.Figure, pairs: Sequence[Histograms], whose: tuple[int, str] | None) -> Panel:
    """Say what one client's bars are; `whose` is the index and the name of its run, where there are several."""
    norms = [_two(pair)[side == "malicious"].statistics["norm"] for pair in pairs]
    spread = f"{min(norms):.3g}" if len(norms) == 1 else f"{min(norms):.3g} to {max(norms):.3g}"
    words = f"Histogram of the {side} client's update in a round; the update's norm is {spread} over the rounds."
    if whose is None:
        return Panel(words, figure, f"{side} client")
    run_index, name = whose
    return Panel(f"{name}: {words}", figure, f"{name}: {side} client", run_index)
