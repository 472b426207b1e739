"""What the server sees of its clients: distances of their updates, and each check's scores."""

from typing import Any

from fedlens.analysis.defence import performance_of
from fedlens.analysis.run_results import Run
from fedlens.report.figures.canvas import BENIGN, BLACK, MALICIOUS, attacked_rounds
from fedlens.report.figures.check_scores import WIDE as FAR
from fedlens.report.figures.distance_ranges import are_wide, ranges_of
from fedlens.report.html.chart import Chart, Panel, Trace, evenly, rounds_axis
from fedlens.runs.summary import Performance

GREY = "#808080"
LARGEST = 2_500
"""About so many scores of a check are in the page."""


def distances_chart(run: Run) -> Chart:
    """Chart the ranges of distances among benign updates, and from the malicious one to these.

    Raises:
        ConfigError: the run kept no distances.
    """
    columns: dict[str, list[Any]] = {"round": []}
    ranges = ranges_of(run)
    for part in ranges:
        columns["round"].append(part.round)
        for name, limits in (("benign", part.benign), ("malicious", part.malicious)):
            for end, value in zip(("least", "greatest"), limits or (None, None), strict=True):
                columns.setdefault(f"{name}_{end}", []).append(value)
        columns.setdefault("overlap", []).append(part.overlap)
    attacked, overlapping = len(attacked_rounds(run)), sum(columns["overlap"])
    words = f"The ranges overlap in {overlapping} of {attacked} rounds with an attack."
    traces = [
        _span("benign", BENIGN, 7, "among benign updates"),
        _span("malicious", MALICIOUS, 3, "malicious update to benign ones"),
    ]
    traces = [trace for trace in traces if any(v is not None for v in columns[trace["from"]["y"][0]])]
    scale = {"type": "log", "dtick": "D2"} if are_wide(ranges) else {"rangemode": "tozero"}
    axis = {"title": {"text": "L2 distance of two updates"}, **scale}
    layout = {"xaxis": _axis(run), "yaxis": axis, "hovermode": "closest"}
    caption = (
        f"{words} Where the ranges overlap, distances do not reveal the attacker." if attacked else "Nobody attacked."
    )
    return Chart("distances", "Distances between updates", caption, columns, [Panel(words, traces, layout)])


def _span(name: str, colour: str, width: int, label: str) -> Trace:
    """Chart an upright bar for each round from the least to the greatest distance."""
    return {
        "spans": True,
        "from": {"x": "round", "y": [f"{name}_least", f"{name}_greatest"]},
        "name": label,
        "mode": "lines+markers",
        "line": {"color": colour, "width": width},
        "marker": {"color": colour, "symbol": "line-ew-open", "size": 16, "line": {"width": 2}},
        "hovertemplate": "round %{x}: %{y:.4g}",
    }


def check_charts(run: Run) -> list[Chart]:
    """Chart, for each of the server's checks, the score of each client in each round."""
    charts = []
    for index, name in enumerate(run.experiment.detectors):
        table = run.checks[run.checks["check"] == name]
        rounds_kept, remark = evenly(table["round"], len(table), LARGEST)
        drawn = table[table["round"].isin(rounds_kept)]
        columns = {column: drawn[column].tolist() for column in ("round", "client", "score", "flagged", "guilty")}
        done = performance_of(run.records, name)
        traces = [
            _dots({"guilty": False}, "benign client", {"color": BENIGN, "size": 7, "opacity": 0.7}),
            _dots({"guilty": True}, "malicious client", {"color": MALICIOUS, "size": 9, "symbol": "square"}),
            _dots(
                {"flagged": True},
                "flagged",
                {"color": BLACK, "size": 14, "symbol": "circle-open", "line": {"width": 1.5}},
            )
            | {"hoverinfo": "skip", "hovertemplate": None},
        ]
        if (threshold := run.experiment.detectors[name].boundary) is not None:
            traces.append(_line(run, threshold))
        usual = table["score"][~table["guilty"].astype(bool)].abs().quantile(0.9)
        wide = bool(usual > 0 and table["score"].abs().max() > FAR * usual and table["score"].min() > 0)
        wide = wide and (threshold is None or threshold > 0)
        axis = {"title": {"text": "score"}, **({"type": "log"} if wide else {})}
        layout = {"xaxis": _axis(run), "yaxis": axis, "hovermode": "closest"}
        words = f"Scores of the check {name}, a dot for each client and round. {caught_words(done)}"
        panel = Panel(words, traces, layout)
        above = "" if threshold is None else f" Above {threshold:.4g}, the broken line, it is flagged."
        caption = f"{caught_words(done)} The higher a score, the more suspicious the client.{above}{remark}"
        charts.append(Chart(f"check-{index + 1}", f"Check “{name}”", caption, columns, [panel], narrow=True))
    return charts


def _line(run: Run, threshold: float) -> Trace:
    """Draw a broken line at the score above which clients are flagged."""
    ends = [run.records[0].round - 0.5, run.records[-1].round + 0.5]
    look = {"mode": "lines", "line": {"color": GREY, "dash": "dash", "width": 1.2}}
    return {"x": ends, "y": [threshold] * 2, "name": "threshold", "hoverinfo": "skip", **look}


def _dots(where: dict[str, bool], label: str, marker: dict[str, Any]) -> Trace:
    return {
        "from": {"x": "round", "y": "score", "text": "client"},
        "where": where,
        "name": label,
        "mode": "markers",
        "marker": marker,
        "hovertemplate": "client %{text}, round %{x}: %{y:.4g}",
    }


def caught_words(done: Performance) -> str:
    """Say in a sentence how often it flagged the malicious client, and honest ones."""
    falsely = f"honest clients in {done.false_alarms} of {done.honest} cases"
    if not done.attacking:
        return f"It flagged {falsely}; nobody attacked."
    return f"It flagged the malicious client in {done.caught} of {done.attacking} rounds with an attack, and {falsely}."


def noticed_words(run: Run) -> str:
    """Say how many of the checks flagged the malicious client at least once; empty if there were none."""
    checks = {name: performance_of(run.records, name) for name in run.experiment.detectors}
    if not checks or not any(done.attacking for done in checks.values()):
        return ""
    caught = [f"{name} in {done.caught} of {done.attacking} rounds" for name, done in checks.items() if done.caught]
    many = f"the server's {len(checks)} checks" if len(checks) > 1 else "the server's one check"
    if not caught:
        return f"{'None of ' + many if len(checks) > 1 else many.capitalize() + ' never'} flagged the malicious client."
    which = (
        f"{'All' if len(caught) == len(checks) else len(caught)} of {many}" if len(checks) > 1 else many.capitalize()
    )
    return f"{which} flagged the malicious client: {', '.join(caught)}."


def _axis(run: Run) -> dict[str, Any]:
    return rounds_axis(run.records[0].round, run.records[-1].round)
