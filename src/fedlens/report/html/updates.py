"""The updates as the server's histograms see them: a benign client's beside the malicious one's, round by round."""

from collections.abc import Sequence
from typing import Any

from fedlens.report.canvas import BENIGN, MALICIOUS
from fedlens.report.histograms import Histogram, Histograms, kept_histograms, window
from fedlens.report.html.chart import Chart, Panel
from fedlens.runs.load import Run

LARGEST = 12_000
"""So many bins of all rounds are in the page; of longer runs, rounds that lie evenly."""


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
    rows = [_rows(pair, half) for pair in found]
    total = sum(map(len, rows))
    every = -(-total // LARGEST)
    rows = rows[::-1][::every][::-1]  # the last one always
    names = ("round", "lower", "upper", "middle", "benign", "malicious")
    columns = dict(zip(names, map(list, zip(*(row for round_ in rows for row in round_), strict=True)), strict=True))
    top = max(*columns["benign"], *columns["malicious"])
    caption = (
        "Entries of an update by their value; both axes are the same for both clients and every round, the counts' is "
        f"logarithmic. Entries beyond ±{half:.2g} are not drawn."
    )
    if every > 1:
        caption += f" Every {every}th round is here; `fedlens plot --kind updates --round N` draws any."
    sides = (("benign", BENIGN), ("malicious", MALICIOUS))
    panels = [_panel(side, colour, half, float(top), found) for side, colour in sides]
    return Chart("updates", "Updates of a benign and of the malicious client", caption, columns, panels, slider="round")


def update_statistics(run: Run) -> list[dict[str, Any]]:
    """What the server's check says of both updates: a row for each round with an attack and each of the two.

    Raises:
        ConfigError: the run's server kept no histograms.
        DamagedRunError: a file is missing or damaged.
    """
    return [
        {"round": pair.round, "update": side, "client": histogram.client, **histogram.statistics}
        for pair in kept_histograms(run)
        for side, histogram in zip(("benign", "malicious"), (pair.benign, pair.malicious), strict=True)
        if pair.malicious and histogram
    ]


def _two(pair: Histograms) -> list[Histogram]:
    return [histogram for histogram in (pair.benign, pair.malicious) if histogram is not None]


def _rows(pair: Histograms, half: float) -> list[tuple[float, ...]]:
    """Round, edges, middle and both counts of each bin within ±`half` that is not empty, and is exact, in both."""
    benign, malicious = _two(pair)
    counts = [histogram.counts * histogram.exact for histogram in (benign, malicious)]
    rows = []
    for lower, upper, *both in zip(benign.edges[:-1], benign.edges[1:], *counts, strict=True):
        middle = (lower + upper) / 2
        if abs(middle) <= half and any(both):
            edges = (round(float(value), 9) for value in (lower, upper, middle))
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
        "from": {"x": "middle", "y": side},
        "width": float(edges[1] - edges[0]),
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "about %{x:.4f}: %{y} entries<extra></extra>",
    }
    heights = [-0.2, log10(max(top, 1)) + 0.2]
    layout = {
        "xaxis": {"title": {"text": "value of an entry"}, "range": [-half, half]},
        "yaxis": {"title": {"text": "entries per bin"}, "type": "log", "dtick": 1, "range": heights},
        "bargap": 0,
    }
    words = f"Histogram of the {side} client's update in a round; the update's norm is {spread} over the rounds."
    return Panel(words, [trace], layout, f"{side} client", 280)
