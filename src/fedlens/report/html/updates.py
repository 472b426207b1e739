"""The updates as the server's histograms see them: a benign client's beside the malicious one's, round by round."""

from collections.abc import Sequence
from typing import Any

from fedlens.report.canvas import BENIGN, MALICIOUS
from fedlens.report.histograms import Histogram, Histograms, kept_histograms, window
from fedlens.report.html.chart import Chart, Panel, evenly
from fedlens.runs.load import Run

LARGEST = 10_000
"""About so many bins of all rounds are in the page."""
LISTED = 200
"""About so many updates have their statistics listed."""


def updates_chart(run: Run) -> Chart | None:
    """The histograms of the rounds with an attack, under a slider; ``None`` where there are no two to compare.

    Bins that are empty in both histograms are left out, and what lies outside the window is told in words.

    Raises:
        ConfigError: the run's server kept no histograms.
        DamagedRunError: a file is missing or damaged.
    """
    found = [pair for pair in kept_histograms(run) if pair.benign and pair.malicious]
    if not found:
        return None
    half = window(histogram for pair in found for histogram in _two(pair))
    rows = [row for pair in found for row in _rows(pair, half)]
    kept, remark = evenly((pair.round for pair in found), len(rows), LARGEST)
    rows = [row for row in rows if row[0] in kept]
    names = ("round", "lower", "upper", "benign", "malicious")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    top = max(*columns["benign"], *columns["malicious"])
    caption = (
        "Entries of an update by their value; both axes are the same for both clients and every round, the counts' is "
        f"logarithmic. Entries beyond ±{half:.2g} are not drawn.{remark}"
    )
    sides = (("benign", BENIGN), ("malicious", MALICIOUS))
    panels = [_panel(side, colour, half, float(top), found) for side, colour in sides]
    return Chart("updates", "Updates of a benign and of the malicious client", caption, columns, panels, slider="round")


def update_statistics(run: Run) -> list[dict[str, Any]]:
    """What the server's check says of both updates: a row for each round with an attack and each of the two.

    Of a long run, rounds that lie evenly.

    Raises:
        ConfigError: the run's server kept no histograms.
        DamagedRunError: a file is missing or damaged.
    """
    found = [pair for pair in kept_histograms(run) if pair.malicious]
    kept, _ = evenly((pair.round for pair in found), 2 * len(found), LISTED)
    return [
        {"round": pair.round, "update": side, "client": histogram.client, **histogram.statistics}
        for pair in found
        for side, histogram in zip(("benign", "malicious"), (pair.benign, pair.malicious), strict=True)
        if pair.round in kept and histogram
    ]


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


def _panel(side: str, colour: str, half: float, top: float, found: Sequence[Histograms]) -> Panel:
    """One client's bars."""
    from math import log10

    histograms = [_two(pair)[side == "malicious"] for pair in found]
    edges = histograms[0].edges
    norms = [histogram.statistics["norm"] for histogram in histograms]
    spread = f"{min(norms):.3g}" if len(norms) == 1 else f"{min(norms):.3g} to {max(norms):.3g}"
    trace = {
        "type": "bar",
        "from": {"x": "lower", "y": side},
        "offset": 0,
        "width": float(edges[1] - edges[0]),
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "from %{x:.4f} on: %{y} entries<extra></extra>",
    }
    heights = [-0.2, log10(max(top, 1)) + 0.2]
    layout = {
        "xaxis": {"title": {"text": "value of an entry"}, "range": [-half, half]},
        "yaxis": {"title": {"text": "entries per bin"}, "type": "log", "dtick": 1, "range": heights},
        "bargap": 0,
    }
    words = f"Histogram of the {side} client's update in a round; the update's norm is {spread} over the rounds."
    return Panel(words, [trace], layout, f"{side} client", 280)
