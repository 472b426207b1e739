from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from small import small

import fedlens
from fedlens.report.figures.canvas import GREY, SHADING
from fedlens.report.figures.metrics import WINDOW_END, metrics_of_interest


def labels(panel: Axes) -> set[str]:
    return {str(line.get_label()) for line in panel.get_lines()}


def line(panel: Axes, label: str) -> dict[int, float]:
    found = next(line for line in panel.get_lines() if line.get_label() == label)
    return dict(zip(found.get_xdata(), found.get_ydata(), strict=True))


def shaded(panel: Axes) -> list[tuple[float, float]]:
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in panel.patches]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_run_and_its_twin_have_a_panel_each(attacked: fedlens.Run) -> None:
    figure = metrics_of_interest([attacked])
    twin, ours = figure.axes
    assert labels(twin) == {"global accuracy", "confidence in target class", "confidence in true class"}
    assert labels(ours) == labels(twin) | {"malicious model's accuracy"}
    assert set(legend(figure)) == labels(ours) | {SHADING}
    assert figure.get_suptitle().startswith("attacked: test sample")


def test_lines_show_the_recorded_values(attacked: fedlens.Run) -> None:
    twin, ours = metrics_of_interest([attacked]).axes
    for panel, column in ((twin, "control_confidence"), (ours, "confidence")):
        shown = line(panel, "confidence in target class")
        assert list(shown) == [1, 2, 3, 4, 5, 6]
        assert list(shown.values()) == list(attacked.rounds[column])


def test_the_malicious_line_is_broken_where_the_client_is_missing(attacked: fedlens.Run) -> None:
    ours = metrics_of_interest([attacked]).axes[1]
    shown = line(ours, "malicious model's accuracy")
    present = {record.round: record.malicious for record in attacked.records}
    assert list(shown) == list(present)
    for round_, accuracy in shown.items():
        client = present[round_]
        assert isnan(accuracy) if client is None else client.model is not None and accuracy == client.model.accuracy


def test_rounds_with_attack_are_shaded_where_there_are_others(attacked: fedlens.Run, checked: fedlens.Run) -> None:
    twin, ours = metrics_of_interest([attacked]).axes
    acted = [record.round for record in attacked.records if record.malicious is not None]
    assert 0 < len(acted) < 6
    inside = [round_ for round_ in range(1, 7) if any(low < round_ < high for low, high in shaded(ours))]
    assert inside == acted
    assert not shaded(twin)
    assert not shaded(metrics_of_interest([checked]).axes[0])


def test_shading_begins_with_a_delayed_attack(tmp_path: Path) -> None:
    attack = {"name": "explicit-boosting", "delay": 3, "step_cap": 5}
    figure = metrics_of_interest([fedlens.run(small(rounds=4, attack=attack), tmp_path / "run")])
    assert shaded(figure.axes[0]) == [(2.5, 4.5)]
    assert not any(map(isnan, line(figure.axes[0], "malicious model's accuracy").values()))


def broken(panel: Axes) -> list[float]:
    return [float(line.get_xdata()[0]) for line in panel.get_lines() if line.get_label() == WINDOW_END]


def test_the_end_of_a_window_is_marked_where_the_run_goes_on(windowed: fedlens.Run, attacked: fedlens.Run) -> None:
    figure = metrics_of_interest([windowed])
    twin, ours = figure.axes
    assert broken(ours) == [4.5]
    assert not broken(twin)
    assert WINDOW_END in legend(figure)
    assert not broken(metrics_of_interest([attacked]).axes[1])
    attack = {"name": "explicit-boosting", "step_cap": 105, "delay": 2, "until": 7}
    to_the_end = replace(windowed, experiment=small(fraction=0.5, rounds=6, attack=attack))
    assert not broken(metrics_of_interest([to_the_end]).axes[1])


def test_several_runs_have_a_panel_each_with_the_twin_in_broken_lines(
    attacked: fedlens.Run, plain: fedlens.Run
) -> None:
    figure = metrics_of_interest([attacked, plain])
    assert len(figure.axes) == 2
    styles = {str(line.get_label()): line.get_linestyle() for line in figure.axes[0].get_lines()}
    assert styles["global accuracy, benign twin"] == "--"
    assert styles["confidence in target class, benign twin"] == ":"
    assert "global accuracy, benign twin" not in labels(figure.axes[1])
    assert [panel.get_title() for panel in figure.axes] == ["explicit-boosting\nattacked", "no attack\nplain"]


def test_the_client_absent_is_a_third_line_where_it_is_known(absent: fedlens.Run, attacked: fedlens.Run) -> None:
    third = "confidence in target class, client absent"
    twin, ours = metrics_of_interest([absent]).axes
    assert list(line(ours, third).values()) == [0.125, 0.5, 0.625, 0.75, 0.375, 0.0]
    assert list(line(ours, "global accuracy, client absent").values()) == [0.5] * 6
    assert "client absent" not in " ".join(labels(twin))
    several = metrics_of_interest([absent, attacked])
    first, second = several.axes
    assert {third, "confidence in target class, benign twin"} < labels(first)
    assert third not in labels(second)
    assert third in legend(several)


def test_many_runs_wrap_and_hide_what_is_left_over(checked: fedlens.Run) -> None:
    figure = metrics_of_interest([checked] * 4)
    assert [panel.get_visible() for panel in figure.axes] == [True] * 4 + [False] * 2
    assert [bool(panel.get_ylabel()) for panel in figure.axes[:4]] == [True, False, False, True]


def test_red_flags_stand_in_the_figure(attacked: fedlens.Run, checked: fedlens.Run) -> None:
    for runs in ([checked], [attacked, checked]):
        assert any("no control" in text.get_text() for text in metrics_of_interest(runs).texts)
    (words,) = metrics_of_interest([attacked, checked]).texts
    assert any(line.endswith("(1. attacked)") for line in words.get_text().splitlines())  # one of four clients


@pytest.mark.parametrize("count", [1, 2, 4])
def test_red_flags_stand_in_grey_below_the_legend_which_is_below_the_panels(
    attacked: fedlens.Run, checked: fedlens.Run, count: int
) -> None:
    figure = metrics_of_interest([attacked, checked, attacked, checked][:count])
    figure.draw_without_rendering()
    (words,) = figure.texts[-1:]
    assert words.get_text().startswith("Red flag: ")
    assert words.get_color() == GREY
    box, legend = words.get_window_extent(), figure.legends[0].get_window_extent()
    assert 0 <= box.y0 < box.y1 < legend.y0
    assert 0 <= box.x0 < box.x1 < figure.bbox.width
    lowest = min(panel.xaxis.label.get_window_extent().y0 for panel in figure.axes if panel.get_visible())
    assert legend.y1 < lowest
