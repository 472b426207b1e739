"""The page of logged updates that were put to checks."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from fedlens.report.audited import Rows
from fedlens.report.html.chart import Chart, Panel, dots, evenly, rounds_axis
from fedlens.report.html.opening import Number
from fedlens.report.html.table import Table
from fedlens.report.inspection import UNSEEN, clients, faults, findings, flags, sentence
from fedlens.report.looks import BENIGN, BESIDE, BLACK, ORANGE
from fedlens.runs.inspected import Inspected, InspectedClient, InspectedRound, read_inspected

NOTE = (
    "A check that flags a client accuses nobody: each has false alarms on honest clients, more of them where their "
    "data differ."
)
LARGEST = 2_500
"""About so many dots of a chart are in the page."""

Dots = list[tuple[int, InspectedClient]]


def inspection_page(path: Path) -> dict[str, Any]:
    """Return what the template ``findings.html`` shows.

    Raises:
        DamagedRunError: the inspection's files are missing or damaged.
    """
    inspected = read_inspected(path)
    charts = [*score_charts(inspected), norms_chart(inspected)]
    if any(one.examples is not None for round_ in inspected.rounds for one in round_.clients):
        charts.append(claims_chart(inspected))
    wrong = faults(inspected)
    return {
        "template": "findings.html",
        "title": path.resolve().name,
        "sentence": sentence(inspected),
        "numbers": _numbers(inspected),
        "findings": list(findings(inspected)),
        "flags": list(flags(inspected)),
        "table": _table(clients(inspected)),
        "note": NOTE,
        "amiss_title": "Malformed",
        "amiss": _table(wrong) if wrong.rows else None,
        "limits": UNSEEN,
        "charts": charts,
    }


def score_charts(inspected: Inspected) -> list[Chart]:
    """Chart, for each check, the score of each client in each round."""
    charts = []
    for index, name in enumerate(inspected.checks):
        found = [(round_.round, one) for round_ in inspected.rounds for one in round_.clients if name in one.checks]
        shown, remark = _some(found)
        scores = [one.checks[name].score for _, one in shown]
        flagged = [name in one.flagged_by for _, one in shown]
        figure = _figure(inspected, shown, scores, flagged, "score")
        boundary = inspected.head.boundaries[name]
        above = ""
        if boundary is not None:
            figure.add_hline(y=boundary, line={"color": BESIDE, "dash": "dash", "width": 1.2})
            above = f" Above {boundary:.4g}, the broken line, it is flagged."
        columns = _columns(shown) | {"score": scores, "flagged": flagged}
        caption = f"The higher a score, the less an update is like the others of its round.{above}{remark}"
        panel = Panel(f"Scores of the check {name}, a dot for each client and round.", figure)
        charts.append(Chart(f"check-{index + 1}", f"Check “{name}”", caption, columns, [panel], narrow=True))
    return charts


def norms_chart(inspected: Inspected) -> Chart:
    """Chart how long each update is."""
    found = [(round_.round, one) for round_ in inspected.rounds for one in round_.clients if one.norm]
    shown, remark = _some(found)
    norms = [one.norm for _, one in shown]
    figure = _figure(inspected, shown, norms, [bool(one.flagged_by) for _, one in shown], "L2 norm of the update")
    figure.layout.yaxis.type = "log"
    columns = _columns(shown) | {"norm": norms}
    panel = Panel("The length of each update, a dot for each client and round.", figure)
    caption = f"The length of each update; those that any check flagged are circled.{remark}"
    return Chart("norms", "How long updates are", caption, columns, [panel], narrow=True)


def claims_chart(inspected: Inspected) -> Chart:
    """Chart what share of a round's samples each client claims to have."""
    found = [(round_.round, one) for round_ in inspected.rounds for one in round_.clients if one.share is not None]
    shown, remark = _some(found)
    shares = [one.share for _, one in shown]
    figure = _figure(inspected, shown, shares, [(one.share or 0) > 1 / 2 for _, one in shown], "share of all samples")
    figure.layout.yaxis.tickformat = ".0%"
    figure.data[0].marker.color = ORANGE
    columns = _columns(shown) | {"samples": [one.examples for _, one in shown], "share": shares}
    panel = Panel("The share of samples that each client claims, a dot for each client and round.", figure)
    caption = (
        "The weight that a mean by claimed samples gives to each client; nobody can check the claims. "
        f"Who has more than all others together is circled.{remark}"
    )
    return Chart("claims", "How many samples clients claim", caption, columns, [panel], narrow=True)


def _figure(inspected: Inspected, shown: Dots, values: list[Any], circled: list[bool], what: str) -> go.Figure:
    rounds = [round_ for round_, _ in shown]
    every = dots(rounds, values, 7, {"color": BENIGN, "opacity": 0.7}, name="client")
    every.update(
        customdata=[one.client for _, one in shown], hovertemplate="client %{customdata}, round %{x}: %{y:.4g}"
    )
    ring = {"color": BLACK, "symbol": "circle-open", "line_width": 1.5}
    marked = [index for index, mark in enumerate(circled) if mark]
    rings = dots([rounds[index] for index in marked], [values[index] for index in marked], 14, ring, name="flagged")
    rings.update(hoverinfo="skip")
    axis = rounds_axis(inspected.rounds[0].round, inspected.rounds[-1].round)
    return go.Figure([every, rings], {"xaxis": axis, "yaxis": {"title": {"text": what}}})


def _some(found: Dots) -> tuple[Dots, str]:
    """Return as much as a page can hold, and a remark if that is not all."""
    kept, remark = evenly([round_ for round_, _ in found], len(found), LARGEST)
    return [pair for pair in found if pair[0] in kept], remark


def _columns(shown: Dots) -> dict[str, list[Any]]:
    return {"round": [round_ for round_, _ in shown], "client": [one.client for _, one in shown]}


def _numbers(inspected: Inspected) -> list[Number]:
    everybody: list[tuple[InspectedRound, InspectedClient]] = [
        pair for seen in inspected.of_clients().values() for pair in seen
    ]
    return [
        Number(str(len(inspected.rounds)), "rounds"),
        Number(str(len(everybody)), "updates"),
        Number(str(sum(bool(one.flagged_by) for _, one in everybody)), "flagged by a check"),
        Number(str(inspected.malformed), "malformed"),
    ]


def _table(rows: Rows) -> Table:
    return Table(rows.caption, rows.head, rows.rows, words=rows.words, stacked=True)
