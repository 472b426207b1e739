"""What is drawn is what was recorded."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import Made
from reading import listed
from sklearn.metrics import auc
from small import Convolutions, small

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.experiment.flat import Value
from fedlens.report.html.aggregation_weights import weights_chart
from fedlens.report.html.chart import Chart, coded, plain
from fedlens.report.html.check_scores import check_charts, distances_chart, noticed_words
from fedlens.report.html.classes import classes_chart
from fedlens.report.html.final import look_at
from fedlens.report.html.metrics import metrics_chart, several_charts
from fedlens.report.html.roc import roc_chart, roc_of_several
from fedlens.report.html.updates import updates_chart, updates_of_several
from fedlens.report.looks import STYLES
from fedlens.runs.metadata import TargetRecord

pytestmark = pytest.mark.xdist_group("html")


def number(value: object) -> bool:
    """Whether the value is a number and not missing."""
    return not isinstance(value, str) and value is not None and bool(np.isfinite(value))  # type: ignore[call-overload]


def same(ours: object, theirs: object) -> bool:
    return np.array_equal(np.array(ours, dtype=float), np.array(theirs, dtype=float), equal_nan=True)


def test_metrics_are_the_runs_own(full: fedlens.Run) -> None:
    columns = metrics_chart(full).columns
    for name in ("round", "accuracy", "confidence", "true_confidence", "malicious_accuracy", "control_accuracy"):
        assert same(columns[name], full.rounds[name])


def test_whatever_is_drawn_is_in_the_table(full: fedlens.Run, at_hand: None) -> None:
    charts: list[Chart | None] = [metrics_chart(full), *several_charts([full, full], ["a", "b"])]
    charts += [distances_chart(full), *check_charts(full), roc_chart(full), updates_chart(full), classes_chart(full)]
    for chart in charts:
        assert chart is not None
        assert len({len(values) for values in chart.columns.values()}) == 1
        numbers = {float(np.float32(value)) for values in chart.columns.values() for value in values if number(value)}
        drawn = 0
        for figure in (panel.figure for panel in chart.panels):
            for trace in (*figure.data, *(part for frame in figure.frames for part in frame.data)):
                values = trace.x if trace.orientation == "h" or (trace.type == "bar" and trace.y is None) else trace.y
                if values is None or (trace.name or "").startswith(("threshold", "by chance")):
                    continue
                drawn += len(values)
                assert {float(np.float32(value)) for value in values if number(value)} <= numbers, chart.name
        assert drawn > 0
        assert all(panel.says for panel in chart.panels)


def test_rounds_with_the_attacker_are_shaded_where_there_are_others(full: fedlens.Run) -> None:
    attacked = set(full.rounds["round"][full.rounds["acted"]])
    assert 0 < len(attacked) < len(full.records)
    chart = metrics_chart(full)
    shaded = {
        round_
        for shape in chart.panels[-1].figure.layout.shapes
        for round_ in range(int(shape["x0"] + 0.5), int(shape["x1"] + 0.5))
    }
    assert shaded == attacked
    assert not chart.panels[0].figure.layout.shapes
    assert f"{len(attacked)} of 4 rounds" in chart.caption


def test_several_runs_have_a_line_and_a_twin_each(full: fedlens.Run) -> None:
    chart = next(chart for chart in several_charts([full, full], ["a", "b"]) if chart.name == "confidence")
    traces = chart.panels[0].figure.data
    assert [trace.name for trace in traces] == ["a", "a, benign twin", "b", "b, benign twin"]
    assert [trace.meta["toggle"] for trace in traces] == [0, 0, 1, 1]
    assert np.allclose(traces[2].y, full.rounds["confidence"])
    hollow = [symbol.endswith("-open") for symbol in traces[2].marker.symbol]
    assert hollow == (~full.rounds["acted"]).tolist()
    rows = [place for place, run in enumerate(chart.columns["run"]) if run == "b"]
    assert same([chart.columns["confidence"][row] for row in rows], full.rounds["confidence"])
    assert same([chart.columns["control_confidence"][row] for row in rows], full.rounds["control_confidence"])


def test_the_client_absent_has_a_panel_and_a_line(absent: fedlens.Run, full: fedlens.Run) -> None:
    chart = metrics_chart(absent)
    titles = ["without attack (benign twin)", "with the client absent (placebo)", "with the attack"]
    assert [panel.title for panel in chart.panels] == titles
    assert chart.columns["placebo_confidence"] == [0.125, 0.5, 0.625, 0.75, 0.375, 0.0]
    assert len(metrics_chart(full).panels) == 2
    found = next(chart for chart in several_charts([absent, full], ["a", "b"]) if chart.name == "confidence")
    traces = found.panels[0].figure.data
    names = [trace.name for trace in traces]
    assert names == ["a", "a, benign twin", "a, client absent", "b", "b, benign twin"]
    assert len({trace.line.dash for trace in traces[:3]}) == 3
    assert len(found.columns["placebo_confidence"]) == 6 + 4


def test_checks_and_their_roc(full: fedlens.Run) -> None:
    charts = check_charts(full)
    assert [chart.title for chart in charts] == ["Check “accuracy”", "Check “distances”", "Check “statistics”"]
    for chart, name in zip(charts, full.experiment.detectors, strict=True):
        table = full.checks[full.checks["check"] == name]
        assert same(chart.columns["score"], table["score"])
        assert chart.columns["client"] == table["client"].tolist()
    roc = roc_chart(full)
    assert roc is not None
    assert full.summary is not None
    for name, done in full.summary.checks.items():
        rows = [place for place, check in enumerate(roc.columns["check"]) if check == name]
        recall, false = ([roc.columns[of][row] for row in rows] for of in ("recall", "false_positive_rate"))
        assert auc(false, recall) == pytest.approx(done.roc_auc)


def test_the_roc_of_several_runs_is_a_line_each(full: fedlens.Run) -> None:
    one, both = roc_chart(full), roc_of_several({"a": full, "b": replace(full, path=Path("b"))})
    assert one is not None
    assert both is not None
    assert [panel.title for panel in both.panels] == [f"check “{name}”" for name in full.experiment.detectors]
    for panel, check in zip(both.panels, full.experiment.detectors, strict=True):
        chance, *lines = panel.figure.data
        assert chance.meta is None
        assert [line.meta["toggle"] for line in lines] == [0, 0, 1, 1]
        rows = [place for place, of in enumerate(one.columns["check"]) if of == check]
        for line, run in zip(lines[::2], "ab", strict=True):
            assert line.name.startswith(f"{run} (AUC ")
            assert np.allclose(line.y, [one.columns["recall"][row] for row in rows])
    for run in "ab":
        rows = [place for place, of in enumerate(both.columns["run"]) if of == run]
        assert {name: [both.columns[name][row] for row in rows] for name in one.columns} == one.columns


def test_many_points_of_roc_curves_are_thinned(full: fedlens.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = roc_chart(full)
    monkeypatch.setattr("fedlens.report.html.roc.LARGEST", 6)
    thin = roc_chart(full)
    assert whole is not None
    assert thin is not None
    assert 6 <= len(thin.columns["recall"]) < len(whole.columns["recall"])
    ends = [place for place, recall in enumerate(thin.columns["recall"]) if recall == 1]
    assert {thin.columns["check"][place] for place in ends} == set(full.experiment.detectors)


def test_how_many_checks_noticed(full: fedlens.Run) -> None:
    assert full.summary is not None
    caught = {name: done for name, done in full.summary.checks.items() if done.caught}
    words = noticed_words(full)
    assert all(f"{name} in {done.caught} of {done.attacking} rounds" in words for name, done in caught.items())


def test_histograms_have_the_counts_that_were_kept(made: Made) -> None:
    run = made.histograms(
        [[[1, 2, 3, 0], [0] * 4, [0] * 4, [0, 7, 8, 0]], [[0, 5, 0, 0], [0] * 4, [0] * 4, [0, 0, 6, 0]]]
    )
    chart = updates_chart(run)
    assert chart is not None
    rows = list(zip(*(chart.columns[name] for name in ("round", "lower", "benign", "malicious")), strict=True))
    # the made run's least malicious entry lies beyond the first bin, which therefore counts others' entries too
    assert rows == [(1, -2, 1, 0), (1, -1, 2, 7), (1, 0, 3, 8), (2, -1, 5, 0), (2, 0, 0, 6)]
    assert chart.steps() == [1, 2]
    for panel, steps in zip(
        chart.panels, ({"1": (-2, [1, 2, 3]), "2": (-1, [5])}, {"1": (-1, [7, 8]), "2": (0, [6])}), strict=True
    ):
        frames = {frame.name: (frame.data[0].x0, frame.data[0].y.tolist()) for frame in panel.figure.frames}
        assert frames == steps


def test_histograms_of_several_runs_have_the_same_axes_and_one_slider(made: Made, full: fedlens.Run) -> None:
    run = made.histograms(
        [[[1, 2, 3, 0], [0] * 4, [0] * 4, [0, 7, 8, 0]], [[0, 5, 0, 0], [0] * 4, [0] * 4, [0, 0, 6, 0]]]
    )
    one, both = updates_chart(run), updates_of_several({"none": None, "a": run, "b": full}, 900_000)
    assert one is not None
    assert both is not None
    ours = [place for place, name in enumerate(both.columns["run"]) if name == "a"]
    assert {name: [both.columns[name][row] for row in ours] for name in one.columns} == one.columns
    assert both.steps() == sorted({1, 2, *full.rounds["round"][full.rounds["acted"]]})
    assert [(panel.title, panel.toggle) for panel in both.panels] == [
        ("a: benign client", 1),
        ("a: malicious client", 1),
        ("b: benign client", 2),
        ("b: malicious client", 2),
    ]
    assert len({str(panel.figure.layout) for panel in both.panels}) == 1
    assert all(panel.says.startswith(panel.title[:2]) for panel in both.panels)
    assert updates_of_several({"a": None}, 900_000) is None


def test_histograms_of_several_runs_keep_to_their_room(full: fedlens.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, steps = [], []
    for room in (900_000, 15_000, 0, -1_000_000):
        chart = updates_of_several({"a": full, "b": full}, room)
        assert chart is not None
        sizes.append(len(json.dumps(chart.embedded())))
        steps.append(chart.steps())
    assert sizes[0] > 15_000 > sizes[1] == sizes[2] == sizes[3]
    assert steps[1:] == [steps[0][-1:]] * 3
    monkeypatch.setattr("fedlens.report.html.updates.RUNS", 1)
    chart = updates_of_several({"a": full, "b": full}, 900_000)
    assert chart is not None
    assert {panel.toggle for panel in chart.panels} == {0}
    assert chart.caption.endswith("Only the first 1 of 2 runs are drawn.")


def test_a_run_without_histograms_is_refused(made: Made) -> None:
    with pytest.raises(ConfigError, match="no histograms were kept"):
        updates_chart(made([{}]))


def test_weights_of_a_rule_that_chooses_one(made: Made) -> None:
    rounds = [{"shares": [0.0, 1.0, 0.0, 0.0]}, {"shares": [0.0, 0.0, 0.0, 1.0]}]
    chart = weights_chart(made(rounds))
    assert "chosen in 1 of 2 rounds" in chart.caption
    chosen = [row for row, share in enumerate(chart.columns["share"]) if share == 1]
    assert [chart.columns["client"][row] for row in chosen] == [1, 3]


def test_weights_of_a_rule_that_mixes(made: Made) -> None:
    chart = weights_chart(made([{"shares": [0.3, 0.3, 0.3, 0.1]}]))
    assert chart.columns["share"] == [0.3, 0.3, 0.3, 0.1]
    assert "weighed 10.0 % on average, a benign one 30.0 %" in chart.caption


def test_classes_after_every_round(full: fedlens.Run) -> None:
    chart = classes_chart(full)
    known = full.classes[full.classes["accuracy"].notna()]
    assert same(chart.columns["accuracy"], known["accuracy"])
    assert same(chart.columns["control_accuracy"], known["control_accuracy"])
    assert chart.steps() == [1, 2, 3, 4]


def test_confusion_matrices_have_the_recorded_accuracies(full: fedlens.Run, at_hand: None) -> None:
    chart = look_at(full).confusion
    assert chart is not None
    last = full.records[-1]
    assert last.twin is not None
    for name, quality in (("benign", last.twin.quality), ("attacked", last.quality)):
        matrix = np.array(chart.columns[f"{name}_samples"]).reshape(10, 10)
        assert matrix.trace() / matrix.sum() == pytest.approx(quality.accuracy)
        assert (matrix.diagonal() / matrix.sum(1)).tolist() == pytest.approx(quality.per_class)


def test_without_the_twin_there_is_the_runs_own_matrix_and_why(full: fedlens.Run) -> None:
    final = look_at(full)
    assert final.confusion is not None
    assert list(final.confusion.columns) == ["true", "predicted", "attacked_samples"]
    assert "benign twin is not in the cache" in final.why[0]


def test_the_twin_is_looked_for_once_and_may_not_fit(
    full: fedlens.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fedlens.run(small(attack=None, rounds=1, model=Convolutions()), tmp_path / "other")
    asked: list[fedlens.Run] = []

    def find(run: fedlens.Run) -> Path:
        asked.append(run)
        return other.path

    monkeypatch.setattr("fedlens.report.html.final.find_twin_of", find)
    final = look_at(full)
    assert asked == [full]
    assert final.confusion is not None
    assert list(final.confusion.columns) == ["true", "predicted", "attacked_samples"]
    (why,) = final.why
    assert why.startswith("The benign model's confusion matrix is left out (…/other: has 1490 weights")


def test_without_weights_there_is_none(made: Made) -> None:
    target = TargetRecord(index=[3], true=[5], target=[7], classes=list("0123456789"))
    final = look_at(replace(made([{"control": None}]), target=target))
    assert final.inputs is not None
    assert final.confusion is None
    assert "left out" in final.why[0]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (None, None),
    ],
)
def test_what_is_no_number_is_missing(value: object, found: object) -> None:
    assert plain(value) == found


def test_a_benign_run_has_no_twin_and_no_roc(plain_run: fedlens.Run) -> None:
    assert [panel.title for panel in metrics_chart(plain_run).panels] == [""]
    assert roc_chart(plain_run) is None
    assert classes_chart(plain_run).panels[0].figure.data[0].name == "global model"


def test_a_run_that_lacks_a_metric_stands_beside_one_that_has_it(plain_run: fedlens.Run, full: fedlens.Run) -> None:
    chart = next(chart for chart in several_charts([plain_run, full], "ab") if chart.name == "malicious-accuracy")
    assert [trace.name for trace in chart.panels[0].figure.data] == ["b"]
    assert "At the end: a unknown; b " in chart.panels[0].says


def test_a_legend_has_a_key_for_each_name(full: fedlens.Run) -> None:
    keys = metrics_chart(full).keys()
    assert [key.label for key in keys] == [
        style.label for name, style in STYLES.items() if name not in {"asr", "mae", "malicious_mae"}
    ]
    assert [(key.sign, key.stroke) for key in keys] == [("▲", "none"), ("▼", "none"), ("●", "none"), ("■", "none")]
    several = roc_of_several({"a": full})
    assert several is not None
    assert several.keys() == []  # the page has boxes of its own


def test_columns_are_coded_where_that_is_shorter() -> None:
    columns: list[list[Value]] = [[None, "a", 0.5] * 300, [True, False] * 50, [*range(1000)] * 4, [0.1, 0.2, 0.3], []]
    for values in columns:
        assert listed(json.loads(json.dumps(coded(values)))) == values
    assert [isinstance(coded(values), dict) for values in columns] == [True, True, True, False, False]


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    return fedlens.run(small(attack=None, rounds=1), tmp_path_factory.mktemp("runs") / "benign")
