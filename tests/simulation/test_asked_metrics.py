from pathlib import Path

import pytest
from sklearn import metrics as sklearn
from small import small

import fedlens
from fedlens.analysis.collect import collect
from fedlens.analysis.comparison import compare
from fedlens.core.errors import ConfigError
from fedlens.experiment.experiment import Experiment
from fedlens.report.html.opening import numbers
from fedlens.report.terminal.tables import summary_table
from fedlens.runs.reading import load_predictions
from fedlens.simulation.simulation import simulate

ASKED = ["balanced-accuracy", "f1", "auc"]
COLUMNS = ["balanced_accuracy", "f1", "auc"]


def test_what_is_asked_for_is_recorded_summed_up_compared_and_shown(tmp_path: Path) -> None:
    run = fedlens.run(small(control=True, metrics=ASKED), tmp_path / "run", engine="serial")
    assert run.summary is not None
    assert run.summary.twin is not None
    for record in run.records:
        assert list(record.quality.metrics) == COLUMNS
        assert record.twin is not None
        assert list(record.twin.quality.metrics) == COLUMNS
        per_class = [accuracy for accuracy in record.quality.per_class if accuracy is not None]
        assert record.quality.metrics["balanced_accuracy"] == pytest.approx(sum(per_class) / len(per_class))
    assert run.summary.metrics == run.records[-1].quality.metrics
    assert run.summary.twin.metrics == run.records[-1].twin.quality.metrics  # type: ignore[union-attr]
    assert run.rounds["f1"].tolist() == [record.quality.metrics["f1"] for record in run.records]
    assert run.rounds["control_auc"].notna().all()
    group = compare(collect([tmp_path / "run"]), metrics=["f1"]).groups[0]
    assert group.metrics["f1"].interval is not None
    lines = {str(cell) for cell in summary_table(run).columns[0].cells}
    assert {"balanced accuracy", "macro F1", "area under the ROC curve"} <= lines
    assert {"balanced accuracy", "macro F1"} <= {number.label for number in numbers(run)}
    assert fedlens.load_run(tmp_path / "run").records == run.records


def test_the_numbers_are_scikit_learns_on_the_recorded_predictions(tmp_path: Path) -> None:
    run = fedlens.run(small(attack=None, control=True, metrics=ASKED), tmp_path / "run", engine="serial")
    labels = run.experiment.data.load().test.y
    predicted = load_predictions(tmp_path / "run", 3).double()
    metrics = run.records[-1].quality.metrics
    assert metrics["f1"] == pytest.approx(sklearn.f1_score(labels, predicted.argmax(dim=1), average="macro"))
    area = sklearn.roc_auc_score(labels, predicted.softmax(dim=1), multi_class="ovr")
    assert metrics["auc"] == pytest.approx(area, abs=1e-6)


def test_nothing_else_changes() -> None:
    [plain, asked] = [
        [result.record for result in simulate(small(attack=None, metrics=metrics, rounds=1), engine="serial")]
        for metrics in ([], ASKED)
    ]
    assert "metrics" not in plain[0].plain()["quality"]
    assert plain[0].quality.accuracy == asked[0].quality.accuracy
    assert "metrics" not in Experiment().relevant()
    assert small(metrics=ASKED).twin() == small().twin()


def test_what_is_no_metric_is_refused() -> None:
    assert small(metrics="f1").metrics == ("f1",)
    with pytest.raises(ConfigError, match="metrics"):
        small(metrics=["recall"])
