"""What the server sees of its clients: distances of their updates, and each check's scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from fedlens.analysis.defence import performance_of
from fedlens.analysis.run_results import Run
from fedlens.report.data import Range, are_wide, outgrown, overlap_words, ranges_of, to_benign_words, unseen_words
from fedlens.report.html.chart import Chart, Panel, dots, drawn, evenly, rounds_axis, sentence
from fedlens.report.looks import BENIGN, BESIDE, BLACK, MALICIOUS
from fedlens.runs.run_summary import Performance

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 2_500
"""About so many scores of a check are in the page."""


def distances_chart(run: Run) -> Chart:
    """Chart the ranges of distances among benign updates, and from the malicious one to these.

    Raises:
        ConfigError: the run kept no distances.
    """
    ranges = ranges_of(run)
    columns: dict[str, list[Any]] = {"round": [part.round for part in ranges]}
    figure = go.Figure(layout={"xaxis": _axis(run)})
    for side, colour, width, label in (
        ("benign", BENIGN, 7, "among benign updates"),
        ("malicious", MALICIOUS, 3, to_benign_words(run)),
    ):
        limits = [getattr(part, side) for part in ranges]
        for index, end in enumerate(("least", "greatest")):
            columns[f"{side}_{end}"] = [limit and limit[index] for limit in limits]
        if any(limits):
            figure.add_trace(_spans(columns["round"], limits, colour, width, label))
    columns["overlap"] = [part.overlap for part in ranges]
    scale = {"type": "log", "dtick": "D2"} if are_wide(ranges) else {"rangemode": "tozero"}
    figure.layout.yaxis = {"title": {"text": "L2 distance of two updates"}, **scale}
    words = sentence(overlap_words(run, ranges))
    caption = (
        f"{words} Where the ranges overlap, distances do not reveal the attacker{'s' * (len(run.experiment.team) > 1)}."
    )
    panel = Panel(words, figure)
    return Chart(
        "distances",
        "Distances between updates",
        caption if any(columns["malicious_least"]) else words,
        columns,
        [panel],
    )


def _spans(rounds: Sequence[int], limits: Sequence[Range | None], colour: str, width: int, label: str) -> go.Scatter:
    """Draw an upright bar a round from the least to the greatest distance, with a gap after it."""
    known = [(round_, limit) for round_, limit in zip(rounds, limits, strict=True) if limit is not None]
    return go.Scatter(
        x=drawn(x for round_, _ in known for x in (round_, round_, None)),
        y=drawn(y for _, limit in known for y in (*limit, None)),
        name=label,
        mode="lines+markers",
        line={"color": colour, "width": width},
        marker={"color": colour, "symbol": "line-ew-open", "size": 16, "line": {"width": 2}},
        hovertemplate="round %{x}: %{y:.4g}",
    )


def check_charts(run: Run) -> list[Chart]:
    """Chart, for each of the server's checks, the score of each client in each round."""
    charts = []
    for index, name in enumerate(run.experiment.judges):
        table = run.checks[run.checks["check"] == name]
        rounds_kept, remark = evenly(table["round"], len(table), LARGEST)
        shown = table[table["round"].isin(rounds_kept)]
        guilty, flagged = shown[shown["guilty"].astype(bool)], shown[shown["flagged"].astype(bool)]
        traces = [
            _dots(shown.drop(guilty.index), "benign client", 7, {"color": BENIGN, "opacity": 0.7}),
            _dots(guilty, "malicious client", 9, {"color": MALICIOUS, "symbol": "square"}),
            _dots(flagged, "flagged", 14, {"color": BLACK, "symbol": "circle-open", "line_width": 1.5}),
        ]
        traces[-1].update(hoverinfo="skip", hovertemplate=None)
        figure = go.Figure(traces, {"xaxis": _axis(run), "yaxis": {"title": {"text": "score"}}})
        if (threshold := getattr(run.experiment.judges[name], "boundary", None)) is not None:
            figure.add_trace(_line(run, threshold))
        if outgrown(table) is not None and table["score"].min() > 0 and (threshold is None or threshold > 0):
            figure.layout.yaxis.type = "log"
        words = caught_words(run, performance_of(run.records, name))
        panel = Panel(f"Scores of the check {name}, a dot for each client and round. {words}", figure)
        above = "" if threshold is None else f" Above {threshold:.4g}, the broken line, it is flagged."
        caption = f"{words} The higher a score, the more suspicious the client.{above}{remark}"
        columns = {column: shown[column].tolist() for column in ("round", "client", "score", "flagged", "guilty")}
        charts.append(Chart(f"check-{index + 1}", f"Check “{name}”", caption, columns, [panel], narrow=True))
    return charts


def _dots(scores: "pd.DataFrame", label: str, size: float, marker: dict[str, Any]) -> go.Scatter:
    """Draw a dot for each client and round."""
    trace = dots(scores["round"], scores["score"], size, name=label, marker=marker)
    hover = "client %{customdata}, round %{x}: %{y:.4g}"
    return trace.update(customdata=drawn(scores["client"]), hovertemplate=hover)


def _line(run: Run, threshold: float) -> go.Scatter:
    """Draw a broken line at the score above which clients are flagged."""
    line = {"color": BESIDE, "dash": "dash", "width": 1.2}
    return go.Scatter(
        x=_axis(run)["range"], y=[threshold] * 2, name="threshold", mode="lines", line=line, hoverinfo="skip"
    )


def caught_words(run: Run, done: Performance) -> str:
    """Say in a sentence how often it flagged the malicious client, and honest ones."""
    falsely = f"honest clients in {done.false_alarms} of {done.honest} cases"
    if not done.attacking:
        return f"It flagged {falsely}; {unseen_words(run)}."
    if len(run.experiment.team) > 1:
        return f"It flagged {done.caught} of {done.attacking} malicious updates, and {falsely}."
    return f"It flagged the malicious client in {done.caught} of {done.attacking} rounds with an attack, and {falsely}."


def noticed_words(run: Run) -> str:
    """Say how many of the checks flagged a malicious client at least once; empty if there were none."""
    checks = {name: performance_of(run.records, name) for name in run.experiment.judges}
    if not checks or not any(done.attacking for done in checks.values()):
        return ""
    several = len(run.experiment.team) > 1
    caught = [
        f"{name} {f'{share} malicious updates' if several else f'in {share} rounds'}"
        for name, done in checks.items()
        if done.caught and (share := f"{done.caught} of {done.attacking}")
    ]
    who = "a malicious client" if several else "the malicious client"
    many = f"the server's {len(checks)} checks" if len(checks) > 1 else "the server's one check"
    if not caught:
        return f"{'None of ' + many if len(checks) > 1 else many.capitalize() + ' never'} flagged {who}."
    which = (
        f"{'All' if len(caught) == len(checks) else len(caught)} of {many}" if len(checks) > 1 else many.capitalize()
    )
    return f"{which} flagged {who}: {', '.join(caught)}."


def _axis(run: Run) -> dict[str, Any]:
    return rounds_axis(run.records[0].round, run.records[-1].round)
