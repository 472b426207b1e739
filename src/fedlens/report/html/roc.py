"""How well the server's checks tell: the ROC of each over all clients and rounds, of one run or of several."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from fedlens.analysis.defence import performance_of
from fedlens.analysis.run_results import Run
from fedlens.report.html.chart import SHARE, Chart, Panel, drawn, lettered
from fedlens.report.looks import BESIDE, Look, look
from fedlens.runs.run_summary import Performance

LARGEST = 1_500
"""About so many points of all curves are in the page."""
MARK = "What each check could tell at any threshold, over all clients and rounds; the mark is its threshold here."


class _Curve(NamedTuple):
    """A check's curve: `points` are threshold, false-positive rate and recall each."""

    check: str
    done: Performance
    points: Sequence[tuple[float, float, float]]


def roc_chart(run: Run) -> Chart | None:
    """Chart the ROC of every check and where its threshold lies; return ``None`` without an attack."""
    curves = list(_curves(run))
    if not curves:
        return None
    every = _every(curves)
    traces = [trace for index, curve in enumerate(curves) for trace in _traces(curve, every, curve.check, look(index))]
    columns = _columns([((curve.check,), curve) for curve in curves], ["check"], every)
    panel = _panel([(curve.check, curve) for curve in curves], traces)
    return Chart("roc", "How well the checks detect the attack", MARK, columns, [panel], narrow=True)


def roc_of_several(runs: Mapping[str, Run]) -> Chart | None:
    """Draw a panel for each check, with a line for each run that had it, which the page's checkboxes show and hide."""
    indexed_curves = [
        (name, run_index, curve) for run_index, (name, run) in enumerate(runs.items()) for curve in _curves(run)
    ]
    if not indexed_curves:
        return None
    every = _every(curve for _, _, curve in indexed_curves)
    panels = []
    for check in dict.fromkeys(curve.check for _, _, curve in indexed_curves):
        ours = [indexed for indexed in indexed_curves if indexed[2].check == check]
        traces = [
            trace.update(meta={"toggle": run_index, "twin": False})
            for name, run_index, curve in ours
            for trace in _traces(curve, every, name, look(run_index))
        ]
        panels.append(_panel([(name, curve) for name, _, curve in ours], traces, f"check “{check}”"))
    columns = _columns([((name, curve.check), curve) for name, _, curve in indexed_curves], ["run", "check"], every)
    return Chart(
        "roc",
        "How well the checks detect the attack",
        f"{MARK} A line a run; where they coincide, the last one is seen.",
        columns,
        panels,
        toggled=True,
    )


def _curves(run: Run) -> Iterable[_Curve]:
    """Yield the curve of every check that had somebody to find."""
    from sklearn.metrics import roc_curve

    for check in run.experiment.judges:
        done, table = performance_of(run.records, check), run.checks[run.checks["check"] == check]
        if done.roc_auc is not None:
            false, true, thresholds = roc_curve(table["guilty"].astype(bool), table["score"], drop_intermediate=True)
            yield _Curve(check, done, list(zip(thresholds.tolist(), false.tolist(), true.tolist(), strict=True)))


def _every(curves: Iterable[_Curve]) -> int:
    """Of how many points one is in the page."""
    return max(1, -(-sum(len(curve.points) for curve in curves) // LARGEST))


def _thinned(curve: _Curve, every: int) -> list[tuple[float, float, float]]:
    """Points that lie evenly, and the last one."""
    return [*curve.points[:-1][::every], curve.points[-1]]


def _columns(
    labelled_curves: Sequence[tuple[tuple[str, ...], _Curve]], names: Sequence[str], every: int
) -> dict[str, list[Any]]:
    """Tabulate the points of all curves, each with the words that tell whose it is."""
    rows = [(*words, *point) for words, curve in labelled_curves for point in _thinned(curve, every)]
    return dict(
        zip([*names, "threshold", "false_positive_rate", "recall"], map(list, zip(*rows, strict=True)), strict=True)
    )


def _traces(curve: _Curve, every: int, name: str, style: Look) -> list[go.Scatter]:
    """Return the line, and a mark where the check's threshold lies."""
    thresholds, false, recall = map(drawn, zip(*_thinned(curve, every), strict=True))
    line = go.Scatter(
        x=false,
        y=recall,
        customdata=thresholds,
        name=f"{lettered(name)} (AUC {curve.done.roc_auc:.2f})",
        mode="lines",
        line={"color": style.colour, "dash": style.dash},
        hovertemplate="from score %{customdata:.4g} on: %{y:.0%} caught, %{x:.1%} falsely",
    )
    mark = go.Scatter(
        x=[curve.done.false_positive_rate],
        y=[curve.done.recall],
        mode="markers",
        marker={"symbol": style.symbol, "color": style.colour, "size": 12},
        name=f"threshold of {lettered(name)}",
        hovertemplate="%{y:.0%} caught, %{x:.1%} falsely",
    )
    return [line, mark]


def _panel(named_curves: Sequence[tuple[str, _Curve]], traces: Sequence[go.Scatter], title: str = "") -> Panel:
    """Return the `traces`, and the line of those that tell nothing."""
    grey = {"dash": "dot", "color": BESIDE, "width": 1}
    chance = go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=grey, name="by chance", hoverinfo="skip")
    said = ", ".join(f"{name} {curve.done.roc_auc:.2f}" for name, curve in named_curves)
    layout = {
        "xaxis": {"title": {"text": "honest clients flagged"}, "range": SHARE, "tickformat": ".0%"},
        "yaxis": {"title": {"text": "malicious clients caught"}, "range": SHARE, "tickformat": ".0%"},
    }
    whose = f" of the {title}" if title else ""
    return Panel(f"ROC curves{whose}. Area under them: {said}.", go.Figure([chance, *traces], layout), title)
