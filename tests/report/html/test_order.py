"""Figures, plots and reports show panels, metrics and sides in one order."""

from pathlib import Path

import pytest
from helpers import made_sweeps
from reading import Reader

import fedlens
from fedlens.analysis.order import METRICS, PANELS, in_order
from fedlens.report.figures.figures import KINDS
from fedlens.report.figures.metrics import metrics_of_interest
from fedlens.report.html.metrics import metrics_chart, several_charts
from fedlens.report.html.swept import sweep_page
from fedlens.report.terminal.tables import summary_table

pytestmark = pytest.mark.xdist_group("html")

CALLED = {"weights": "selection", "check-1": "checks", "check-2": "checks", "check-3": "checks"}
"""Charts of a page whose panels are called otherwise."""


def test_panels(page: Path) -> None:
    assert list(KINDS) == [name for name in PANELS if name in KINDS]
    charts = [CALLED.get(name, name) for name in Reader(page.read_text()).placed]
    assert charts == sorted(charts, key=PANELS.index)
    assert len(set(charts)) > 6


def test_metrics(full: fedlens.Run, tmp_path: Path) -> None:
    def measure(row: dict[str, object]) -> dict[str, object]:
        return {"accuracy": 0.5, "true_confidence": 0.5, "confidence": 0.5}

    others = {"asr", "accuracy_drop", "mae_rise", "mae", "malicious_mae"}  # of other goals, and of regressions
    shown = [name for name in METRICS if name not in others]
    legend = [text.get_text() for text in metrics_of_interest([full]).legends[0].get_texts()]
    words = ["confidence in target class", "confidence in true class", "global accuracy", "malicious model's accuracy"]
    assert [word for word in legend if word in words] == words
    assert [trace.name for trace in metrics_chart(full).panels[-1].figure.data] == words
    assert [chart.name.replace("-", "_") for chart in several_charts([full], ["one"])] == shown
    swept = sweep_page([made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]}, measure)])
    names = [chart.name for chart in swept["charts"]]
    assert names == [f"{name}-by-{what}" for what in ("option", "round") for name in shown[:3]]


def test_what_stands_beside_a_run_comes_first(absent: fedlens.Run, full: fedlens.Run) -> None:
    titles = ["without attack (benign twin)", "with the client absent (placebo)", "with the attack"]
    assert [panel.title for panel in metrics_chart(absent).panels] == titles
    assert [panel.get_title() for panel in metrics_of_interest([full]).axes] == [titles[0], "explicit-boosting"]
    heads = [str(column.header) for column in summary_table(absent).columns]
    assert heads == ["", "without attack", "client absent", "explicit-boosting"]


def test_nothing_is_left_out_of_an_order() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        in_order({"confidence": 1, "other": 2}, METRICS)
