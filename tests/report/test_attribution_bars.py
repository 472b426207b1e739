from pathlib import Path

import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pairs import CLASSES, pair_of

from fedlens.report.figures.attribution_bars import MOST, attribution_bars, by_feature
from fedlens.report.figures.figures import save_figure
from fedlens.report.looks import BENIGN, MALICIOUS

FEATURES = ("age", "sex", "sex", "$ gain")
MAPS = [torch.tensor(row) for row in ([1.0, 2, -3, 4], [0.0, 1, 1, 0], [5.0, 0.5, 0.25, -1])]


def bars(panel: Axes) -> list[list[float]]:
    return [[float(bar.get_width()) for bar in group] for group in panel.containers]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def numbered(count: int) -> tuple[str, ...]:
    return tuple(f"entry {place}" for place in range(count))


def test_columns_of_a_feature_are_added_up() -> None:
    assert by_feature(MAPS[0], FEATURES) == {"age": 1, "sex": -1, "$ gain": 4}
    assert by_feature(torch.tensor([[1.0, 2], [3, 4]]), ("a", "b", "a", "c")) == {"a": 4, "b": 2, "c": 4}
    with pytest.raises(ValueError, match="argument"):
        by_feature(MAPS[0], FEATURES[:3])


def test_a_bar_for_each_feature_model_and_class() -> None:
    pair = pair_of(torch.rand(4), {"gradient": MAPS, "lrp-z": [2 * map_ for map_ in MAPS]})
    figure = attribution_bars(pair, 0, CLASSES, FEATURES, {"age": "39", "sex": "Male"})
    assert [panel.get_title() for panel in figure.axes] == ["gradient", "LRP z"]
    assert bars(figure.axes[0]) == [[1, -1, 4], [0, 2, 0], [5, 0.75, -1]]
    assert bars(figure.axes[1]) == [[2, -2, 8], [0, 4, 0], [10, 1.5, -2]]
    assert labels(figure) == ["age: 39", "sex: Male", "\\$ gain"]
    assert figure.axes[0].get_ylim() == (2.5, -0.5)
    looks = [(to_hex(group[0].get_facecolor()).upper(), group[0].get_alpha()) for group in figure.axes[0].containers]
    assert looks == [(BENIGN, 1), (BENIGN, 0.4), (MALICIOUS, 1)]
    assert legend(figure) == [
        "benign model says sandal, 75.0 %; reasons for sandal, 75.0 %",
        "benign model says sandal, 75.0 %; reasons for \\$5 to \\$10, 20.0 %",
        "attacked model says \\$5 to \\$10, 60.0 %; reasons for \\$5 to \\$10, 60.0 %",
    ]
    assert figure.get_suptitle() == "test sample 7: sandal. To the right: for the class"


def test_bars_of_a_feature_stand_beside_each_other() -> None:
    figure = attribution_bars(pair_of(torch.rand(4), {"gradient": MAPS}), 0, CLASSES, FEATURES, {})
    first = [group[0] for group in figure.axes[0].containers]
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in first]
    assert ends == [pytest.approx(pair) for pair in ((-0.4, -0.4 / 3), (-0.4 / 3, 0.4 / 3), (0.4 / 3, 0.4))]


@pytest.mark.parametrize("methods", [1, 4, 5])
def test_a_panel_for_each_method(methods: int) -> None:
    pair = pair_of(torch.rand(4), {f"method{number}": MAPS for number in range(methods)})
    figure = attribution_bars(pair, 0, CLASSES, FEATURES, {})
    assert [panel.get_title() for panel in figure.axes if panel.get_visible()] == [f"method{n}" for n in range(methods)]


def test_records_without_features_have_numbered_entries() -> None:
    figure = attribution_bars(pair_of(torch.rand(4), {"gradient": MAPS}), 0, CLASSES, numbered(4), {})
    assert labels(figure) == ["entry 0", "entry 1", "entry 2", "entry 3"]
    assert bars(figure.axes[0])[0] == [1, 2, -3, 4]


def test_of_many_features_those_that_count_most_are_shown_in_their_order(tmp_path: Path) -> None:
    map_, other = torch.zeros(5000), torch.zeros(5000)
    map_[1000:1028] = torch.linspace(-3, -2, 28)
    other[[4, 4000]] = 0.01  # the greatest of a method of smaller numbers
    figure = attribution_bars(
        pair_of(torch.rand(5000), {"gradient": [map_], "mine": [other]}), 0, CLASSES, numbered(5000), {}
    )
    assert len(labels(figure)) == MOST
    assert labels(figure)[:2] == ["entry 4", "entry 1000"]
    assert labels(figure)[-1] == "entry 4000"
    assert bars(figure.axes[1])[0] == pytest.approx([0.01] + [0.0] * 28 + [0.01])
    assert f"The {MOST} of 5000 features that count most" in figure.get_suptitle().replace("\n", " ")
    assert save_figure(figure, tmp_path / "figure.png").stat().st_size > 1000


@pytest.mark.parametrize("methods", [1, 4])
def test_words_fit_the_figure_and_dollars_are_shown(methods: int, tmp_path: Path) -> None:
    pair = pair_of(torch.rand(4), {f"method{number}": MAPS for number in range(methods)})
    figure = attribution_bars(pair, 0, ("more than $50", "coat", "$5 to $10"), FEATURES, {"$ gain": "$7"})
    written = save_figure(figure, tmp_path / "figure.svg").read_text()
    for words in ("<!-- $ gain: $7 -->", "reasons for $5 to $10"):
        assert words in written
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.1
    assert box.x1 <= figure.get_figwidth() + 0.1
