from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.made_sweeps import beside_both, sweep
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedlens.analysis.collect import collect
from fedlens.analysis.comparison import compare
from fedlens.analysis.measured import Curve
from fedlens.report.figures.canvas import GREY, grid, legend_below
from fedlens.report.figures.comparison import MOVED, SEEDS, THIN, TWIN, comparison_figure, lanes, look
from fedlens.report.figures.figures import save_figure


def drawn(
    folder: Path, fields: Mapping[str, Iterable[Any]], metrics: tuple[str, ...] = ("confidence",), **options: Any
) -> Figure:
    return comparison_figure(compare(collect([sweep(folder / "sweep", fields, **options)]), metrics=metrics), metrics)


def line(panel: Axes, label: str) -> tuple[list[float], list[float]]:
    (found,) = [line for line in panel.get_lines() if line.get_label() == label]
    return list(found.get_xdata()), list(found.get_ydata())


def dots(panel: Axes) -> list[tuple[float, float]]:
    """Where each group's dot is: lines of a single point."""
    points = [(line.get_xdata(), line.get_ydata()) for line in panel.get_lines() if len(line.get_xdata()) == 1]
    return [(float(x[0]), float(y[0])) for x, y in points]


def thin(panel: Axes) -> list[Line2D]:
    """The lines of single seeds, or the ranges of these."""
    return [line for line in panel.get_lines() if line.get_linewidth() == THIN["linewidth"]]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def shift(row: Mapping[str, Any]) -> dict[str, Any]:
    """A tenth of the boosting factor, and a hundredth of the seed."""
    return {"confidence": row["attack.boost"] / 10 + row["seed"] / 100, "control_confidence": 0.05}


def test_lines_and_bands_of_each_group(tmp_path: Path) -> None:
    figure = drawn(tmp_path, {"aggregation": ["mean", "krum(f=1)"]}, seeds=5)
    left, right = figure.axes
    rounds, medians = line(left, "krum(f=1)")
    assert rounds == [1, 2, 3]
    np.testing.assert_allclose(medians, [0.12, 0.22, 0.32])
    bands = [band for band in left.collections if isinstance(band, PolyCollection)]
    assert len(bands) == 2
    ends = bands[0].get_paths()[0].get_extents()
    np.testing.assert_allclose([ends.ymin, ends.ymax], [0.1, 0.34])
    assert line(left, TWIN) == ([1, 2, 3], pytest.approx([0.05] * 3))
    assert legend(figure) == ["mean", "krum(f=1)", TWIN]
    assert (left.get_xlabel(), left.get_ylabel(), right.get_title()) == (
        "round",
        "confidence in the target class",
        "last round and 95 % interval",
    )
    assert left.get_title() == "median and 95 % interval over 5 seeds"
    assert not thin(left)
    assert not thin(right)


def test_too_few_seeds_are_drawn_singly_and_named(tmp_path: Path) -> None:
    figure = drawn(tmp_path, {"aggregation": ["mean", "krum(f=1)"]})
    left, right = figure.axes
    singly = [list(line.get_ydata()) for line in thin(left)]
    np.testing.assert_allclose(singly, [[0.1, 0.2, 0.3], [0.11, 0.21, 0.31]] * 2)
    np.testing.assert_allclose([line.get_xdata() for line in thin(right)], [[0.3, 0.31]] * 2)
    assert np.isnan([line.get_xdata() for line in right.get_lines() if line.get_marker() == "|"]).all()
    assert not any(band.get_paths() for band in left.collections)
    assert legend(figure) == ["mean", "krum(f=1)", SEEDS, TWIN]
    assert left.get_title() == "median over 2 seeds"


def test_the_number_of_seeds_may_differ(tmp_path: Path) -> None:
    paths = [sweep(tmp_path / name, {"aggregation": [name]}, seeds=seeds) for name, seeds in (("a", 3), ("b", 6))]
    left, _ = comparison_figure(compare(collect(paths), ["aggregation"]), ["confidence"]).axes
    assert left.get_title() == "median and 95 % interval over 3 to 6 seeds"
    assert len(thin(left)) == 3


def test_a_rate_is_called_so(tmp_path: Path) -> None:
    figure = drawn(
        tmp_path, {"aggregation": ["mean"]}, ("success",), measure=lambda row: {"success": bool(row["seed"])}
    )
    left, right = figure.axes
    assert left.get_title() == "rate and 95 % interval over 2 seeds"
    assert dots(right) == [(0.5, 0)]
    assert not thin(left)


def test_groups_stand_below_each_other_with_dot_interval_and_twin(tmp_path: Path) -> None:
    right = drawn(tmp_path, {"aggregation": ["mean", "krum(f=1)"]}, seeds=5).axes[1]
    assert dots(right) == [(pytest.approx(0.32), 0), (pytest.approx(0.32), 1)]
    reaches = [line.get_xdata() for line in right.get_lines() if line.get_marker() == "|"]
    np.testing.assert_allclose(reaches, [[0.3, 0.34]] * 2)
    twins = [line.get_xdata() for line in right.get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_allclose(twins, [[0.05] * 2] * 2)
    assert [label.get_text() for label in right.get_yticklabels()] == ["mean", "krum(f=1)"]
    low, high = right.get_ylim()
    assert low > high  # the first is on top


@pytest.mark.parametrize(
    ("boosts", "scale"), [([3, 1, 2], "linear"), ([1, 2, 31], "log"), ([1, 2, 30], "linear"), ([0, 0.1, 5], "symlog")]
)
def test_three_numbers_have_an_axis_of_their_own(tmp_path: Path, boosts: list[float], scale: str) -> None:
    right = drawn(tmp_path, {"attack.boost": boosts}, measure=shift).axes[1]
    assert right.get_xscale() == scale
    assert right.get_xlabel() == "attack.boost"
    assert [x for x, _ in dots(right)] == sorted(boosts)
    np.testing.assert_allclose([y for _, y in dots(right)], [boost / 10 + 0.005 for boost in sorted(boosts)])
    through = [line for line in right.get_lines() if len(line.get_xdata()) == 3]
    assert [style.get_linestyle() for style in through] == ["--", "-"]


def test_numbers_that_are_close_are_not_marked_each(tmp_path: Path) -> None:
    right = drawn(tmp_path, {"attack.boost": [1, 1.01, 9]}, measure=shift).axes[1]
    assert 1.01 not in right.get_xticks()


@pytest.mark.parametrize("values", [[1, 2], [True, False], ["auto", "2", "5"]])
def test_anything_else_stands_below_each_other(tmp_path: Path, values: list[Any]) -> None:
    right = drawn(tmp_path, {"attack.boost": values}).axes[1]
    assert len(right.get_yticklabels()) == len(values)
    assert right.get_xlabel() == "confidence in the target class"


def test_a_row_a_metric(tmp_path: Path) -> None:
    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"confidence": 0.5, "loss": 700.0 * row["round"]}

    figure = drawn(tmp_path, {"aggregation": ["mean", "median"]}, ("confidence", "loss"), measure=measure)
    confidence, _, loss, dotted = figure.axes
    assert [panel.get_ylabel() for panel in (confidence, loss)] == [
        "confidence in the target class",
        "mean cross-entropy, nats",
    ]
    assert confidence.get_ylim() == (-0.05, 1.05)
    assert loss.get_ylim()[1] > 2100
    assert dots(dotted)[0][0] == 2100
    assert legend(figure) == ["mean", "median", SEEDS]


@pytest.mark.parametrize("boosts", [[1, 2, 3], [1, 2]])
def test_the_client_absent_has_a_look_of_its_own(tmp_path: Path, boosts: list[int]) -> None:
    fields = {"attack.boost": boosts}
    left, right = drawn(tmp_path, fields, measure=beside_both).axes
    assert line(left, "client absent (placebo)") == ([1, 2, 3], pytest.approx([0.02, 0.04, 0.06]))
    dotted = [found for found in right.get_lines() if found.get_linestyle() == ":"]
    values = np.concatenate([found.get_ydata() if len(boosts) == 3 else found.get_xdata() for found in dotted])
    np.testing.assert_allclose(values, [0.06] * len(values))
    assert len(dotted) == (1 if len(boosts) == 3 else 2)


def test_twins_that_differ_have_a_line_each(tmp_path: Path) -> None:
    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"confidence": 0.5, "control_confidence": {"adult": 0.2, "digits": 0.1, "mnist": 0.1}[row["data"]]}

    left = drawn(tmp_path, {"data": ["adult", "digits", "mnist"]}, measure=measure).axes[0]
    twins = [line for line in left.get_lines() if line.get_label() == TWIN]
    assert [twin.get_ydata()[0] for twin in twins] == pytest.approx([0.2, 0.1])
    assert [twin.get_marker() for twin in twins] == [look(0)["marker"], look(1)["marker"]]


def test_what_should_be_known_is_in_the_figure(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean", "median"]}, seeds=5)
    collection = replace(collect([path]), remarks=("two have failed",))
    words = comparison_figure(compare(collection), ["confidence"]).texts[-1].get_text()
    assert words == f"{MOVED}\nNote: two have failed"  # for both groups are alike


def test_a_single_run_has_neither_band_nor_interval_but_flags(tmp_path: Path) -> None:
    figure = drawn(tmp_path, {"aggregation": ["mean"]}, seeds=1, targets=1, rounds=1)
    (words,) = figure.texts
    assert words.get_text().startswith("Red flag: one seed")
    assert "Red flag: one target" in words.get_text()
    assert words.get_color() == GREY
    assert not thin(figure.axes[0])
    assert np.isnan([line.get_xdata() for line in figure.axes[1].get_lines() if line.get_marker() == "|"]).all()
    assert save_figure(figure, tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_looks_do_not_recur_soon() -> None:
    assert len({tuple(map(str, look(place).values())) for place in range(56)}) == 56
    assert len({look(place)["color"] for place in range(7)}) == 7


def test_many_long_names_and_dollars_can_be_written(tmp_path: Path) -> None:
    names = [f"mine.attacks:Attack{'Long' * 12}{place}(cost=$5, price=$6)" for place in range(12)]
    figure = drawn(tmp_path, {"attack": names})
    for ending in ("png", "pdf"):
        assert save_figure(figure, tmp_path / f"figure.{ending}").stat().st_size > 1000
    assert "(cost=$5, price=$6)" in save_figure(figure, tmp_path / "figure.svg").read_text()


@pytest.mark.parametrize("lengths", [(35, 34, 54, 29), (10, 10, 60, 10, 10), (80, 5), (20, 20, 20, 20, 20, 20, 20)])
def test_the_legend_is_not_wider_than_the_figure(lengths: tuple[int, ...]) -> None:
    figure, panels = grid(1, 2, (4.8, 3.0))
    for place, length in enumerate(lengths):
        panels[0].plot([0, 1], label=f"{place} " + "n" * (length - 2))
    legend_below(figure, panels)
    figure.canvas.draw()
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width


def test_differences_are_drawn_around_zero(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"attack.boost": [2, 5]}, shift)
    left, right = comparison_figure(compare(collect([path]), against="2"), ["confidence"]).axes
    assert line(left, "attack.boost=5") == ([1, 2, 3], pytest.approx([0.3] * 3))
    assert dots(right) == [(pytest.approx(0.3), 0)]
    assert left.get_ylabel() == right.get_xlabel() == "difference in confidence in the\ntarget class"
    assert any(list(drawn.get_ydata()) == [0, 0] for drawn in left.get_lines())
    assert any(list(drawn.get_xdata()) == [0, 0] for drawn in right.get_lines())
    assert left.get_ylim()[1] < 1


def curve(*values: float, first: int = 1) -> Curve:
    value = np.array(values)
    return Curve(np.arange(first, first + len(values)), value, value, value, value[:, None])


def test_lines_that_would_hide_each_other_are_drawn_apart() -> None:
    up, flat, nan = curve(0.0, 0.5, 1.0), curve(1.0, 1.0, 1.0), curve(np.nan, 1.0, 0.2)
    assert lanes([up, flat, flat, curve(1.0, 0.995, 0.3), flat, nan], near=0.01) == [0, 0, 1, -1, 2, 0]
    assert lanes([curve(1.0, first=3), flat, curve(0.5)], near=0.01) == [0, 1, 0]
    assert lanes([curve(1.0), curve(1.0, first=2)], near=0.01) == [0, 0]  # which have no round in common


def test_of_many_groups_the_intervals_are_on_the_right_alone(tmp_path: Path) -> None:
    rules = ["mean", "median", "krum(f=1)", "bulyan(f=1)"]
    figure = drawn(tmp_path, {"aggregation": rules}, ("counts",), measure=lambda row: {"counts": bool(row["seed"])})
    left, right = figure.axes
    assert not left.collections
    assert (left.get_title(), right.get_title()) == ("rate over 2 seeds", "last round and 95 % interval")
    assert [text.get_text() for text in right.texts] == ["0.500"] * 4
    moved = [line.get_transform() != left.transData for line in left.get_lines()]
    assert moved == [False, True, True, True]
    assert figure.texts[0].get_text().startswith(MOVED)


def test_a_success_rate_has_an_axis_from_0_to_1_and_its_name_in_words(tmp_path: Path) -> None:
    figure = drawn(tmp_path, {"aggregation": ["mean", "median"]}, ("asr",), measure=lambda _: {"asr": 0.98})
    left, right = figure.axes
    assert left.get_ylim() == right.get_xlim() == (-0.05, 1.05)
    assert left.get_ylabel() == right.get_xlabel() == "attack success rate"
