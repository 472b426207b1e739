"""Whose updates the server's rule went by: the client that it chose, or the share of each."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from fedlens.analysis.run_results import Run
from fedlens.report.data import chosen_of, shaded, shares_of, shares_words
from fedlens.report.html.chart import Chart, Panel, bands, dots, evenly, rounds_axis, sentence
from fedlens.report.looks import BENIGN, MALICIOUS

LARGEST = 2_500
"""About so many shares are in the page."""

Row = tuple[int, int, float, bool]
"""Round, client, share, and whether the client attacked."""


def weights_chart(run: Run) -> Chart:
    """A dot for the client chosen in each round; or one for the share of each client.

    Raises:
        ConfigError: the rule does not tell what each update weighed.
    """
    shares = shares_of(run)
    rounds_kept, remark = evenly((part.round for part in shares), sum(1 + len(part.benign) for part in shares), LARGEST)
    rows: list[Row] = []
    for part in shares:
        if part.round in rounds_kept:
            everyone = [(part.round, client, share, False) for client, share in part.benign.items()]
            if part.malicious is not None:
                everyone.append((part.round, run.experiment.malicious, part.malicious, True))
            rows += sorted(everyone)
    single = chosen_of(run, shares) is not None
    figure = _chosen(run, rows) if single else _shared(rows)
    figure.layout.xaxis = rounds_axis(run.records[0]["round"], run.records[-1]["round"])
    figure.layout.shapes = bands(shaded(run))
    words = sentence(shares_words(run, shares))
    caption = words + (" Shaded: rounds in which the malicious client attacked." if shaded(run) else "") + remark
    title = "Whose update the rule chose" if single else "What each update weighed"
    columns = dict(zip(("round", "client", "share", "attacked"), map(list, zip(*rows, strict=True)), strict=True))
    return Chart("weights", title, caption, columns, [Panel(words, figure)])


def _chosen(run: Run, rows: Sequence[Row]) -> go.Figure:
    """A dot a round."""
    figure = go.Figure()
    for attacked, label, look in _sides("benign client chosen", "malicious client chosen"):
        ours = [(round_, client) for round_, client, share, acted in rows if acted == attacked and share == 1]
        x, y = ([pair[index] for pair in ours] for index in range(2))
        figure.add_trace(dots(x, y, 10, name=label, marker=look, hovertemplate="round %{x}: client %{y}"))
    figure.layout.yaxis = {
        "title": {"text": "client"},
        "range": [-0.7, run.experiment.clients - 0.3],
        "tickformat": "d",
    }
    return figure


def _shared(rows: Sequence[Row]) -> go.Figure:
    """A dot a client and round."""
    figure = go.Figure()
    hover = "client %{customdata}, round %{x}: %{y:.1%}"
    for attacked, label, look in _sides("benign client", "malicious client"):
        ours = [row for row in rows if row[3] == attacked]
        x, clients, y = ([row[index] for row in ours] for index in range(3))
        look["opacity"] = 0.8
        size = 9 if attacked else 6
        figure.add_trace(dots(x, y, size, customdata=clients, name=label, marker=look, hovertemplate=hover))
    figure.layout.yaxis = {"title": {"text": "share"}, "rangemode": "tozero", "tickformat": ".0%"}
    return figure


def _sides(benign: str, malicious: str) -> list[tuple[bool, str, dict[str, Any]]]:
    """Whether it attacked, what it is called, and its marker."""
    return [
        (False, benign, {"color": BENIGN, "symbol": "circle"}),
        (True, malicious, {"color": MALICIOUS, "symbol": "square"}),
    ]
