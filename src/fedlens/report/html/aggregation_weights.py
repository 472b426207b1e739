"""Whose updates the server's rule went by: the client that it chose, or the share of each."""

from typing import Any

from fedlens.analysis.run_results import Run
from fedlens.report.figures.aggregation_weights import Shares, shares_of
from fedlens.report.figures.canvas import BENIGN, MALICIOUS, attacked_rounds
from fedlens.report.html.chart import Chart, Panel, Trace, evenly, rounds_axis, shading
from fedlens.report.words import percent
from fedlens.runs.record_values import mean

LARGEST = 2_500
"""About so many shares are in the page."""


def weights_chart(run: Run) -> Chart:
    """Chart a dot for the client chosen in each round, or the malicious client's share and the benign ones' mean.

    Raises:
        ConfigError: the rule does not tell what each update weighed.
    """
    shares = shares_of(run)
    rounds_kept, remark = evenly((part.round for part in shares), sum(1 + len(part.benign) for part in shares), LARGEST)
    columns: dict[str, list[Any]] = {"round": [], "client": [], "share": [], "attacked": []}
    for part in shares:
        if part.round not in rounds_kept:
            continue
        clients = [(client, share, False) for client, share in part.benign.items()]
        if part.malicious is not None:
            clients.append((run.experiment.malicious, part.malicious, True))
        for client, share, attacked in sorted(clients):
            for name, value in zip(columns, (part.round, client, share, attacked), strict=True):
                columns[name].append(value)
    single = all(part.chosen(run.experiment.malicious) is not None for part in shares)
    words, traces, axis = _chosen(run, shares) if single else _shared(shares)
    shapes = shading(attacked_rounds(run), len(run.records))
    layout = {
        "xaxis": rounds_axis(run.records[0].round, run.records[-1].round),
        "yaxis": axis,
        "shapes": shapes,
        "hovermode": "closest",
    }
    caption = words + (" Shaded: rounds in which the malicious client attacked." if shapes else "") + remark
    title = "Whose update the rule chose" if single else "What each update weighed"
    return Chart("weights", title, caption, columns, [Panel(words, traces, layout)])


def _chosen(run: Run, shares: list[Shares]) -> tuple[str, list[Trace], dict[str, Any]]:
    """Chart a dot for each round."""
    ours = sum(bool(part.malicious) for part in shares)
    attacked = len(attacked_rounds(run))
    words = f"The malicious client's update was chosen in {ours} of {attacked} rounds with an attack."
    axis = {"title": {"text": "client"}, "range": [-0.7, run.experiment.clients - 0.3], "tickformat": "d"}
    sides = ((False, "benign client chosen", BENIGN, "circle"), (True, "malicious client chosen", MALICIOUS, "square"))
    traces: list[Trace] = [
        {
            "from": {"x": "round", "y": "client"},
            "where": {"attacked": attacked, "share": 1},
            "name": label,
            "mode": "markers",
            "marker": {"color": colour, "symbol": symbol, "size": 10},
            "hovertemplate": "round %{x}: client %{y}",
        }
        for attacked, label, colour, symbol in sides
    ]
    return (words if attacked else "Nobody attacked."), traces, axis


def _shared(shares: list[Shares]) -> tuple[str, list[Trace], dict[str, Any]]:
    """Chart a dot for each client and round."""
    ours = [part.malicious for part in shares if part.malicious is not None]
    benign = [share for part in shares for share in part.benign.values()]
    words = f"The malicious client's update weighed {percent(mean(ours))} on average" if ours else "Nobody attacked"
    words += f", a benign one {percent(mean(benign))}." if ours and benign else "."
    sides = ((False, "benign client", BENIGN, "circle", 6), (True, "malicious client", MALICIOUS, "square", 9))
    traces: list[Trace] = [
        {
            "from": {"x": "round", "y": "share", "text": "client"},
            "where": {"attacked": attacked},
            "name": label,
            "mode": "markers",
            "marker": {"color": colour, "symbol": symbol, "size": size, "opacity": 0.8},
            "hovertemplate": "client %{text}, round %{x}: %{y:.1%}",
        }
        for attacked, label, colour, symbol, size in sides
    ]
    return words, traces, {"title": {"text": "share"}, "rangemode": "tozero", "tickformat": ".0%"}
