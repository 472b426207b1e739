"""The metrics of interest against the rounds: of one run beside its controls, or of several runs."""

from collections.abc import Sequence

from fedlens.analysis.order import METRICS, SIDES, in_order
from fedlens.analysis.run_results import Run
from fedlens.report.figures.canvas import attacked_rounds
from fedlens.report.figures.metrics import STYLES
from fedlens.report.html.chart import SHARE, Chart, Panel, Trace, columns_of, evenly, rounds_axis, shading
from fedlens.report.html.looks import ABSENT, TWIN, look
from fedlens.report.words import CONTROLS, percent

SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "v": "triangle-down"}
"""matplotlib's markers as plotly.js calls them."""
CURVES = in_order(
    {
        "confidence": "Confidence in the target class",
        "accuracy": "Test accuracy of the global model",
        "true_confidence": "Confidence in the true class",
        "malicious_accuracy": "Test accuracy of the malicious model",
    },
    METRICS,
)
LARGEST = 2_000
"""About so many rounds of all runs are in a chart of several."""


def metrics_chart(run: Run) -> Chart:
    """Chart the run's lines, and those of each control in a panel of their own."""
    rounds = run.rounds
    titles = {"": "with the attack" if run.experiment.attack else "", "control": "without attack (benign twin)"}
    titles |= {"placebo": "with the client absent (placebo)"}
    sides = {side and f"{side}_": title for side, title in in_order(titles, SIDES).items()}
    names = [f"{prefix}{name}" for name in STYLES for prefix in sides]
    columns = columns_of(rounds, ["round", "attacker", "acted", *names])
    panels = [
        _side(run, columns, prefix, title)
        for prefix, title in sides.items()
        if any(f"{prefix}{name}" in columns for name in STYLES)
    ]
    caption = "Accuracies are over the whole test set; confidences are the global model's in the attacker's samples."
    caption = f"{caption} {_attack_words(run)}".strip()
    return Chart("metrics", "Metrics of interest, round by round", caption, columns, panels)


def _side(run: Run, columns: dict[str, list[float]], prefix: str, title: str) -> Panel:
    shown = {name: style for name, style in STYLES.items() if f"{prefix}{name}" in columns}
    traces: list[Trace] = [
        {
            "from": {"x": "round", "y": f"{prefix}{name}"},
            "name": style.label,
            "mode": "lines+markers",
            "line": {"color": style.colour},
            "marker": {"symbol": SYMBOLS[style.marker], "color": style.colour},
            "hovertemplate": "%{y:.4f}",
        }
        for name, style in shown.items()
    ]
    said = [f"{style.label} {_last(columns[f'{prefix}{name}'])}" for name, style in shown.items()]
    attacked = attacked_rounds(run) if not prefix else []
    layout = {
        "xaxis": rounds_axis(run.records[0].round, run.records[-1].round),
        "yaxis": {"range": SHARE},
        "hovermode": "x unified",
        "shapes": shading(attacked, len(run.records)),
    }
    words = f"Lines over {len(run.records)} rounds{', ' if title else ''}{title}. At the end: {', '.join(said)}."
    return Panel(words, traces, layout, title)


def _last(values: Sequence[float]) -> str:
    present = [value for value in values if value == value]  # noqa: PLR0124 - only what is missing differs from itself
    return percent(present[-1]) if present else "unknown"


def _attack_words(run: Run) -> str:
    attacked = len(attacked_rounds(run))
    if run.experiment.attack is None:
        return ""
    if attacked == len(run.records):
        return "The malicious client attacked in every round."
    return f"Shaded: the {attacked} of {len(run.records)} rounds in which the malicious client attacked."


def several_charts(runs: Sequence[Run], names: Sequence[str]) -> list[Chart]:
    """Chart each metric with a line for each run; `names` are the runs', in the page."""
    return [chart for metric, title in CURVES.items() if (chart := _several(runs, names, metric, title)) is not None]


def _several(runs: Sequence[Run], names: Sequence[str], metric: str, title: str) -> Chart | None:
    metric_columns = [metric, *(f"{control}_{metric}" for control in CONTROLS)]
    columns: dict[str, list[object]] = {"run": [], "round": [], "attacked": [], **{name: [] for name in metric_columns}}
    traces: list[Trace] = []
    longest = max((run.rounds["round"] for run in runs), key=len)
    rounds_kept, remark = evenly(longest, sum(len(run.records) for run in runs), LARGEST)
    for run_index, (run, name) in enumerate(zip(runs, names, strict=True)):
        attacked = set(attacked_rounds(run))
        rounds = run.rounds[run.rounds["round"].isin(rounds_kept | {run.records[-1].round})]
        columns["run"] += [name] * len(rounds)
        columns["round"] += rounds["round"].tolist()
        columns["attacked"] += [round_ in attacked for round_ in rounds["round"]]
        for column in metric_columns:
            columns[column] += rounds[column].tolist() if column in rounds else [None] * len(rounds)
        traces += [
            _line(run_index, name, column)
            for column in metric_columns
            if column in rounds and rounds[column].notna().any()
        ]
    if not traces:
        return None
    first, last = (limit(record.round for run in runs for record in run.records) for limit in (min, max))
    said = [f"{name} {_last(run.rounds[metric].tolist())}" for run, name in zip(runs, names, strict=True)]
    words = f"{title}, a line a run. At the end: {'; '.join(said)}."
    layout = {"xaxis": rounds_axis(first, last), "yaxis": {"range": SHARE}, "hovermode": "closest"}
    for column in metric_columns[1:]:
        if not any(value is not None for value in columns[column]):
            del columns[column]
    return Chart(metric.replace("_", "-"), title, remark.strip(), columns, [Panel(words, traces, layout)], toggled=True)


def _line(run_index: int, name: str, column: str) -> Trace:
    """Return a run's line, or one of its controls'; rounds without an attack have hollow markers."""
    control = next((control for control in CONTROLS if column.startswith(f"{control}_")), None)
    style = look(run_index)
    trace: Trace = {
        "from": {"x": "round", "y": column},
        "where": {"run": name},
        "name": f"{name}, {CONTROLS[control]}" if control else name,
        "meta": {"toggle": run_index, "twin": control is not None},
        "hovertemplate": "%{fullData.name}<br>round %{x}: %{y:.4f}<extra></extra>",
    }
    if control:
        dash = {"control": TWIN, "placebo": ABSENT}[control]
        return trace | {"mode": "lines", "line": {"color": style.colour, "dash": dash, "width": 1}}
    trace["hollow"] = "attacked"
    return trace | {
        "mode": "lines+markers",
        "line": {"color": style.colour, "dash": style.dash},
        "marker": {"symbol": style.symbol, "color": style.colour},
    }
