from typing import Any

import pytest
from handmade import Made
from matplotlib.axes import Axes

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.report.figures.check_scores import THRESHOLD, server_checks


def scores(*values: float, flagged: tuple[int, ...] = ()) -> dict[str, Any]:
    return {"scores": list(values), "flagged": [place in flagged for place in range(len(values))]}


def dots(panel: Axes, label: str) -> list[tuple[float, float]]:
    found = [line for line in panel.get_lines() if line.get_label() == label]
    return [(x, y) for one in found for x, y in zip(one.get_xdata(), one.get_ydata(), strict=True)]


def test_every_score_is_a_dot_and_the_flagged_are_ringed(made: Made) -> None:
    rounds = [
        {"checks": {"distances": scores(0.1, 0.2, 0.3, 0.9, flagged=(2, 3))}},
        {"checks": {"distances": scores(0.1, 0.2, 0.3, 0.4)}, "attack": None},
    ]
    figure = server_checks([made(rounds, checks=["distances"])])
    (panel,) = figure.axes
    assert dots(panel, "malicious client") == [(1, 0.9)]
    assert dots(panel, "flagged") == [(1, 0.3), (1, 0.9)]
    assert dots(panel, "benign client") == [(1, 0.1), (1, 0.2), (1, 0.3), (2, 0.1), (2, 0.2), (2, 0.3), (2, 0.4)]
    assert panel.get_title() == "explicit-boosting\nmade"
    assert panel.get_yscale() == "linear"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "benign client",
        "malicious client",
        "flagged",
        THRESHOLD,
    ]


def test_whoever_is_above_the_line_is_flagged_and_nobody_else(checked: fedlens.Run) -> None:
    panels = server_checks([checked]).axes
    for panel, name in zip(panels, checked.experiment.detectors, strict=True):
        (line,) = (line for line in panel.get_lines() if line.get_label() == THRESHOLD)
        scores = checked.checks[checked.checks["check"] == name]
        assert scores["flagged"].tolist() == (scores["score"] > line.get_ydata()[0]).tolist()
        assert checked.experiment.detectors[name].boundary == line.get_ydata()[0]
    assert [panel.get_lines()[-1].get_ydata()[0] for panel in panels] == pytest.approx([0.1, 0, 2])


def test_a_check_whose_threshold_is_not_known_has_no_line(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(DistanceCheck, "boundary")
    (panel,) = server_checks([made([{"checks": {"distances": scores(0.1, 0.2, 0.3, 0.4)}}], checks=["distances"])]).axes
    assert THRESHOLD not in [line.get_label() for line in panel.get_lines()]


def test_an_enormous_score_does_not_flatten_the_others(made: Made) -> None:
    rounds = [{"checks": {"statistics": scores(-1.0, 1.0, 2.0, 300.0, flagged=(3,))}}]
    (panel,) = server_checks([made(rounds, checks=["statistics"])]).axes
    assert panel.get_yscale() == "symlog"


def test_a_row_is_a_check_and_a_column_a_run(checked: fedlens.Run, partial: fedlens.Run) -> None:
    panels = server_checks([checked, partial]).axes
    assert len(panels) == 6
    assert [panel.get_ylabel() for panel in panels] == [
        "accuracy\nscore",
        "",
        "distances\nscore",
        "",
        "statistics\nscore",
        "",
    ]
    assert panels[0].get_title().endswith("checked")
    assert panels[1].get_title().endswith("partial")
    assert panels[1].texts[0].get_text() == "not switched on"
    assert len(dots(panels[0], "malicious client")) == 2
    assert len(dots(panels[0], "benign client")) == 10


def test_what_is_missing_is_said(plain: fedlens.Run) -> None:
    expected = r"plain: the server checked nothing; run it with -o 'checks=\[accuracy, distances, statistics\]'"
    with pytest.raises(ConfigError, match=expected):
        server_checks([plain])
