"""The metrics of interest against the rounds: of one run beside its controls, or of several runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from fedlens.analysis.order import METRICS, SIDES, in_order
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.report.data import Line, Range, attacked_rounds, lines_of, shaded
from fedlens.report.html.chart import (
    SHARE,
    Chart,
    Panel,
    bands,
    columns_of,
    drawn,
    evenly,
    lettered,
    lines,
    rounds_axis,
    sentence,
)
from fedlens.report.looks import STYLES, look, translucent
from fedlens.report.words import CONTROLS, error_words, in_number

if TYPE_CHECKING:
    import pandas as pd

CURVES = in_order(
    {
        "confidence": "Confidence in the target class",
        "asr": "Attack success rate",
        "accuracy": "Test accuracy of the global model",
        "true_confidence": "Confidence in the true class",
        "malicious_accuracy": "Test accuracy of the malicious model",
        "mae": "Test MAE of the global model",
        "malicious_mae": "Test MAE of the malicious model",
    },
    METRICS,
)
DASHES = {"control": "dot", "placebo": "2px,3px,8px,3px"}
"""The lines of what stands beside runs."""
LARGEST = 2_000
"""About so many rounds of all runs are in a chart of several."""


def metrics_chart(run: Run) -> Chart:
    """Chart the run's lines, and those of each control in a panel of their own."""
    titles = {"": "with the attack" if run.experiment.attack else "", "control": "without attack (benign twin)"}
    titles |= {"placebo": in_number("with the client absent (placebo)", run.experiment)}
    panels = [
        _side(run, known, side, title)
        for side, title in in_order(titles, SIDES).items()
        if (known := lines_of(run, side))
    ]
    names = [f"{side}_{name}" if side else name for name in STYLES for side in in_order(titles, SIDES)]
    columns = columns_of(run.rounds, ["round", "attacker", "acted", *names])
    said = "confidences are the global model's in the attacker's samples."
    rate = "the attack success rate is the share of triggered test samples that are taken for the class wanted."
    if run.regression:
        caption = "Mean absolute errors are over the whole test set, in the labels' unit."
    elif run.experiment.goal is None:
        caption = f"Accuracies are over the whole test set; {said}"
    elif "asr" in {line.column for line in lines_of(run)}:
        caption = f"Accuracies are over the whole test set; {rate}"
    else:
        caption = "Accuracies are over the whole test set."
    caption = f"{caption} {_attack_words(run)}".strip()
    return Chart("metrics", "Metrics of interest, round by round", caption, columns, panels)


def _side(run: Run, known: Sequence[Line], side: str, title: str) -> Panel:
    rounds = run.rounds["round"].tolist()
    traces = [
        lines(
            rounds, line.values, line.style.colour, line.style.symbol, name=line.style.label, hovertemplate="%{y:.4f}"
        )
        for line in known
    ]
    traces += [trace for line in known if line.band is not None for trace in _band(rounds, line, line.band)]
    layout = {
        "xaxis": rounds_axis(rounds[0], rounds[-1]),
        "yaxis": {"rangemode": "tozero"} if run.regression else {"range": SHARE},
        "hovermode": "x unified",
        "shapes": [] if side else bands(shaded(run)),
    }
    said = ", ".join(f"{line.style.label} {_last(line.values, share=not run.regression)}" for line in known)
    words = f"Lines over {len(rounds)} rounds{', ' if title else ''}{title}. At the end: {said}."
    return Panel(words, go.Figure(traces, layout), title)


def _band(rounds: Sequence[int], line: Line, band: Sequence[Range]) -> list[go.Scatter]:
    """Return the band of a line's 95 % intervals, which has one entry in the legend."""
    low, high = ([ends[end] for ends in band] for end in (0, 1))
    name = f"{line.style.label}, 95 % interval"
    look: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "color": line.style.colour}, "showlegend": False}
    return [
        go.Scatter(x=drawn(rounds), y=drawn(high), name=name, **look, hovertemplate="to %{y:.4f}"),
        go.Scatter(
            x=drawn(rounds), y=drawn(low), name=name, **look, hovertemplate="from %{y:.4f}",
            fill="tonexty", fillcolor=translucent(line.style.colour),
        ),
    ]  # fmt: skip


def _last(values: "pd.Series[Any]", *, share: bool) -> str:
    known = values.dropna()
    if not len(known):
        return "unknown"
    return percent(known.iloc[-1]) if share else error_words(known.iloc[-1])


def _attack_words(run: Run) -> str:
    attacked = len(attacked_rounds(run))
    if run.experiment.attack is None:
        return ""
    who = "malicious clients" if len(run.experiment.team) > 1 else "the malicious client"
    if attacked == len(run.records):
        return sentence(f"{who} attacked in every round")
    return f"Shaded: the {attacked} of {len(run.records)} rounds in which {who} attacked."


def several_charts(runs: Sequence[Run], names: Sequence[str]) -> list[Chart]:
    """Chart each metric with a line for each run; `names` are the runs', in the page."""
    return [chart for metric, title in CURVES.items() if (chart := _several(runs, names, metric, title)) is not None]


def _several(runs: Sequence[Run], names: Sequence[str], metric: str, title: str) -> Chart | None:
    """Chart the runs' lines of `metric`, and thinner ones of their controls; ``None`` if no run has it."""
    import pandas as pd

    share = not metric.endswith("mae")
    longest = max((run.rounds["round"] for run in runs), key=len)
    rounds_kept, remark = evenly(longest, sum(len(run.records) for run in runs), LARGEST)
    metric_columns = [metric, *(f"{control}_{metric}" for control in CONTROLS)]
    traces: list[go.Scatter] = []
    tables, said = [], []
    for run_index, (run, name) in enumerate(zip(runs, names, strict=True)):
        table = run.rounds[run.rounds["round"].isin(rounds_kept | {run.records[-1].round})]
        table = table.reindex(columns=["round", *metric_columns]).astype(dict.fromkeys(metric_columns, float))
        table.insert(0, "run", name)
        table.insert(2, "attacked", table["round"].isin(attacked_rounds(run)))
        tables.append(table)
        traces += [_line(run_index, run, table, column) for column in metric_columns if table[column].notna().any()]
        said.append(f"{name} {_last(table[metric], share=share)}")
    if not traces:
        return None
    every = pd.concat(tables)
    words = f"{title}, a line a run. At the end: {'; '.join(said)}."
    axis = rounds_axis(every["round"].min(), every["round"].max())
    figure = go.Figure(traces, {"xaxis": axis, "yaxis": {"range": SHARE} if share else {"rangemode": "tozero"}})
    columns = columns_of(every, ["run", "round", "attacked", *metric_columns])
    return Chart(metric.replace("_", "-"), title, remark.strip(), columns, [Panel(words, figure)], toggled=True)


def _line(run_index: int, run: Run, table: "pd.DataFrame", column: str) -> go.Scatter:
    """Return a run's line, or one of its controls'; rounds without an attack have hollow markers."""
    control = next((control for control in CONTROLS if column.startswith(f"{control}_")), None)
    style, name = look(run_index), lettered(table["run"].iloc[0])
    x, y = table["round"].tolist(), table[column].tolist()
    meta = {"toggle": run_index, "twin": control is not None}
    hover = "%{fullData.name}<br>round %{x}: %{y:.4f}<extra></extra>"
    if control:
        line = {"color": style.colour, "dash": DASHES[control], "width": 1}
        name = f"{name}, {in_number(CONTROLS[control], run.experiment)}"
        return go.Scatter(x=drawn(x), y=drawn(y), mode="lines", line=line, name=name, meta=meta, hovertemplate=hover)
    trace = lines(x, y, style.colour, style.symbol, style.dash, name=name, meta=meta, hovertemplate=hover)
    trace.marker.symbol = [style.symbol + ("" if attacked else "-open") for attacked in table["attacked"]]
    return trace
