"""The accuracy in each class, and which class is taken for which, without and with the attack."""

from typing import Any

import plotly.graph_objects as go
from torch import Tensor

from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.report.html.chart import Chart, Panel, columns_of, drawn, evenly, lettered
from fedlens.report.looks import BENIGN, MALICIOUS

LARGEST = 2_000
"""About so many rows of rounds and classes are in the page."""
TEXTS = 12
"""Up to so many classes have their numbers written into the confusion matrix."""


def classes_chart(run: Run) -> Chart:
    """Chart a bar for each class, and its benign twin's, after the round that a slider chooses."""
    table = run.classes[run.classes["accuracy"].notna()]
    rounds, remark = evenly(table["round"], len(table), LARGEST)
    table = table[table["round"].isin(rounds)]
    colours = {"accuracy": MALICIOUS if run.experiment.attack else BENIGN, "control_accuracy": BENIGN}
    labels = {"accuracy": "with the attack" if run.experiment.attack else "global model"}
    labels |= {"control_accuracy": "without attack (benign twin)"}
    columns = columns_of(table, ["round", "class", "accuracy", "control_accuracy"])
    names = [name for name in ("control_accuracy", "accuracy") if name in columns]
    last = table[table["round"] == table["round"].max()]
    classes = [*map(lettered, last["class"])]
    bars = [
        go.Bar(
            y=classes,
            orientation="h",
            name=labels[name],
            marker={"color": colours[name]},
            hovertemplate="%{y}: %{x:.1%}",
        )
        for name in names
    ]
    frames = []
    for round_, part in table.groupby("round"):
        y = None if (its := [*map(lettered, part["class"])]) == classes else its
        frames.append(go.Frame(name=str(round_), data=[go.Bar(x=drawn(part[name]), y=y) for name in names]))
    said = ", ".join(f"{name} {percent(value)}" for name, value in zip(last["class"], last["accuracy"], strict=True))
    layout = {
        "xaxis": {"title": {"text": "accuracy"}, "range": [0, 1.02], "tickformat": ".0%"},
        "yaxis": {"type": "category", "autorange": "reversed"},
        "barmode": "group",
        "height": 130 + 32 * len(last),
    }
    panel = Panel(f"Accuracy of each class after the last round: {said}.", go.Figure(bars, layout, frames))
    caption = "Share of each class's test samples that the global model gets right." + remark
    return Chart("classes", "Accuracy of each class", caption, columns, [panel], slider="round")


def confusion_chart(matrices: dict[str, Tensor], classes: tuple[str, ...]) -> Chart:
    """Chart a matrix for each model, by its name, as colours, which are shares of the row."""
    pairs = [(true, seen) for true in range(len(classes)) for seen in range(len(classes))]
    columns: dict[str, list[Any]] = {
        "true": [classes[true] for true, _ in pairs],
        "predicted": [classes[seen] for _, seen in pairs],
    }
    columns |= {f"{name}_samples": matrix.flatten().tolist() for name, matrix in matrices.items()}
    panels = [_matrix(name, matrix, classes) for name, matrix in matrices.items()]
    caption = "Test samples of each class (rows) by what the final model takes them for (columns); colours by row."
    return Chart("confusion", "Which class is taken for which", caption, columns, panels)


def _matrix(name: str, matrix: Tensor, classes: tuple[str, ...]) -> Panel:
    counts = matrix.sum(1, keepdim=True).clamp_min(1)
    shares = matrix / counts
    labels = [lettered(label) for label in classes]
    trace = go.Heatmap(
        x=labels,
        y=labels,
        z=shares.float().numpy(),
        text=matrix.tolist(),
        zmin=0,
        zmax=1,
        autocolorscale=True,
        showscale=False,
        hovertemplate="%{y} taken for %{x}: %{text} (%{z:.1%})<extra></extra>",
        xgap=1,
        ygap=1,
        **({"texttemplate": "%{text}", "textfont": {"size": 10}} if len(classes) <= TEXTS else {}),
    )
    layout = {
        "xaxis": {"title": {"text": "taken for"}, "type": "category", "showgrid": False, "tickangle": -45},
        "yaxis": {"title": {"text": "true class"}, "type": "category", "autorange": "reversed", "showgrid": False},
        "height": min(760, 190 + 28 * len(classes)),
    }
    wrong = [(int(matrix[i, j]), i, j) for i in range(len(classes)) for j in range(len(classes)) if i != j]
    worst = sorted(wrong, reverse=True)[:3]
    said = "; ".join(f"{count} of {classes[true]} taken for {classes[seen]}" for count, true, seen in worst if count)
    right = float(matrix.diagonal().sum() / matrix.sum().clamp_min(1))
    words = f"Confusion matrix of the {name} model, {percent(right)} right. Most often wrong: {said or 'none'}."
    return Panel(words, go.Figure(trace, layout), f"{name} model")
