"""Runs that predict a quantity, shown: by their errors in the label's unit, and nowhere by an accuracy."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.calling import called
from rich.console import Console

import fedlens
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ExplanationError
from fedlens.explanations.gather import gather
from fedlens.report.figures.figures import draw
from fedlens.report.html.outcomes import ERROR_HEAD
from fedlens.report.html.swept import sweep_page
from fedlens.report.terminal.comparison_table import number
from fedlens.report.terminal.progress import Terminal
from fedlens.report.terminal.sweep_progress import _words
from fedlens.report.terminal.tables import summary_lines
from fedlens.report.verdict import verdict
from fedlens.report.words import error_words
from fedlens.simulation.callback import Event
from fedlens.sweeps.tasks import Reporter
from fedlens.tracking.tracker import metrics_of
from fedlens.watch.run_list import list_runs

PLAN = {
    "name": "prices", "data": {"name": "arrays", "path": "prices.npz", "task": "regression"}, "clients": 3,
    "rounds": 2, "local": {"steps": 2, "batch_size": 10}, "attack": "sign-flipping",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("prices")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        patch.delenv("FEDLENS_DATA", raising=False)
        x = np.sin(np.arange(300.0)).reshape(100, 3)
        np.savez("prices.npz", x=x, y=200_000 + 50_000 * x.sum(axis=1))
        yield folder


@pytest.fixture(scope="module")
def prices(folder: Path) -> Run:
    attack = {"name": "sign-flipping", "until": 2}
    return fedlens.run(fedlens.Experiment(**{**PLAN, "attack": attack}), folder / "runs" / "prices", engine="serial")


def test_errors_in_words() -> None:
    assert [error_words(value) for value in (None, 12345.6, 0.0123456, -1234.0)] == ["–", "12,346", "0.01235", "−1,234"]


def test_the_table_of_a_run(prices: Run) -> None:
    lines = {name: values for name, *values in summary_lines(prices)}
    last, first = prices.records[-1], prices.records[0]
    assert last.twin is not None
    assert first.twin is not None
    maes = [error_words(side.quality.mae) for side in (last.twin, last)]
    assert lines["test MAE"] == maes
    assert lines["test MAE, round 1"] == [error_words(side.quality.mae) for side in (first.twin, first)]
    assert first.malicious_model is not None
    assert lines["malicious model's MAE, last of round 1"] == ["", error_words(first.malicious_model.mae)]
    rise = first.quality.mae - first.twin.quality.mae  # type: ignore[operator]
    assert lines["rise of the MAE by the attack, round 1"] == ["", error_words(rise)]
    assert f"test MAE {error_words(first.quality.mae)} (the benign twin's {lines['test MAE, round 1'][0]})" in verdict(
        prices
    )


def test_no_command_speaks_of_accuracy(prices: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["show", prices.path],
        ["partition", prices.path],
        ["data", "prices.npz", "-o", "data.task=regression"],
    ):
        code, printed, complained = called(capsys, *command)
        assert (code, complained) == (0, "")
        assert "accuracy" not in printed
    assert re.search(r"training +\S+ +\S+ +\S+ +\S+", printed)  # least, mean, deviation, greatest


def test_the_report_of_a_run(prices: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, complained = called(capsys, "report", prices.path, "--output", "run.html")
    assert (code, complained) == (0, "")
    page = Path("run.html").read_text("utf-8")
    words = re.sub(r"<(script|style).*?</\1>", "", page[page.index("<body") :], flags=re.DOTALL)
    assert "accuracy" not in words.lower()
    assert f"{error_words(prices.records[-1].quality.mae)}" in page
    assert "Mean absolute errors are over the whole test set" in page


def test_the_report_of_several_runs(prices: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, complained = called(capsys, "report", prices.path, prices.path, "--output", "runs.html")
    assert (code, complained) == (0, "")
    page = Path("runs.html").read_text("utf-8")
    assert '<th scope="col">test MAE</th>' in page or "test MAE" in page
    assert "test accuracy" not in page


def test_the_figure_has_errors_on_its_axis(prices: Run) -> None:
    axes = draw("metrics", [prices]).axes[0]
    assert axes.get_ylabel() == "mean absolute error"
    assert axes.get_ylim()[1] > max(record.quality.mae or 0 for record in prices.records)


def test_progress_tells_the_error(prices: Run) -> None:
    said, events = io.StringIO(), list[Event]()
    terminal = Terminal(Console(file=said, width=100))
    terminal.begin(prices.experiment, 0, twin=False)
    terminal.round(prices.records[0])
    Reporter("key", events.append).round(prices.records[0])
    words = f"MAE {error_words(prices.records[0].quality.mae)}"
    assert f"round 1/2: {words}, " in said.getvalue()
    assert _words(events[0]) == words


def test_lists_and_trackers_have_errors(prices: Run) -> None:
    [listed] = list_runs(prices.path.parent)
    assert (listed.accuracy, listed.error) == (None, error_words(prices.records[-1].quality.mae))
    metrics = metrics_of(prices.records[0])
    assert metrics["mae"] == prices.records[0].quality.mae
    assert {"rmse", "control/nmae", "malicious/mae"} <= metrics.keys()
    assert "accuracy" not in metrics


def test_explanations_are_refused(prices: Run) -> None:
    with pytest.raises(ExplanationError, match="predicts a quantity, and explanations are of a class"):
        gather([prices], "cpu", None)


def test_groups_of_runs_are_compared_by_errors(prices: Run, folder: Path) -> None:
    calm = fedlens.run(fedlens.Experiment(**{**PLAN, "attack": "none"}), folder / "calm", engine="serial")
    page = sweep_page([prices.path, calm.path])
    assert page["groups"].head[1:6] == list(ERROR_HEAD)
    attacked, none = sorted(page["groups"].rows, key=lambda row: row[0] == "none")
    assert none[3] == number(calm.rounds["mae"].iloc[-1])
    judged = prices.rounds.iloc[0]  # the last of the attack's window
    assert attacked[4] == number(judged["mae"])
    assert attacked[5] == number(judged["mae"] - judged["control_mae"])
    assert page["cells"].head[-2] == "MAE"
    assert "Test MAE" in [table.caption.partition(",")[0] for table in page["tables"]]
