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
    """Chart the client chosen in each round, or the effective weight of each client.

    Raises:
        ConfigError: the rule does not tell what each update weighed.
    """
    shares = shares_of(run)
    count = sum(len(part.attackers) + len(part.benign) for part in shares)
    rounds_kept, remark = evenly((part.round for part in shares), count, LARGEST)
    rows: list[Row] = []
    for part in shares:
        if part.round in rounds_kept:
            everyone = [(part.round, client, share, False) for client, share in part.benign.items()]
            everyone += [(part.round, client, share, True) for client, share in part.attackers.items()]
            rows += sorted(everyone)
    single = chosen_of(shares) is not None
    words = sentence(shares_words(run, shares))
    caption = words + (" Shaded: rounds with an attack." if shaded(run) else "") + remark
    title = "Whose update the rule chose" if single else "What each update weighed"
    columns = dict(zip(("round", "client", "share", "attacked"), map(list, zip(*rows, strict=True)), strict=True))
    return Chart("weights", title, caption, columns, [Panel(words, _figure(run, rows, single))])


def _figure(run: Run, rows: Sequence[Row], single: bool) -> go.Figure:
    """Draw a dot for the client chosen in each round, or one for each client and round."""
    traces = []
    for attacked, who, colour, symbol, size in (
        (False, "benign client", BENIGN, "circle", 6),
        (True, "malicious client", MALICIOUS, "square", 9),
    ):
        ours = [row for row in rows if row[3] == attacked and (row[2] == 1 or not single)]
        x, clients, shares = ([row[index] for row in ours] for index in range(3))
        marker = {"color": colour, "symbol": symbol, "opacity": 1 if single else 0.8}
        trace = dots(x, clients if single else shares, 10 if single else size, marker, customdata=clients)
        hover = "round %{x}: client %{y}" if single else "client %{customdata}, round %{x}: %{y:.1%}"
        traces.append(trace.update(name=f"{who} chosen" if single else who, hovertemplate=hover))
    axis: dict[str, Any] = {"title": {"text": "share"}, "rangemode": "tozero", "tickformat": ".0%"}
    if single:
        axis = {"title": {"text": "client"}, "range": [-0.7, run.experiment.clients - 0.3], "tickformat": "d"}
    rounds = rounds_axis(run.records[0].round, run.records[-1].round)
    return go.Figure(traces, {"xaxis": rounds, "yaxis": axis, "shapes": bands(shaded(run))})
