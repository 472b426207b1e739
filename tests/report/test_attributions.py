from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pairs import CLASSES, pair_of

from fedlens.report.figures.attributions import attribution_grid
from fedlens.report.figures.figures import save_figure
from fedlens.report.looks import BENIGN, MALICIOUS

IMAGE = torch.arange(64.0).reshape(1, 8, 8)


def drawn(panel: Axes) -> tuple[np.ndarray, tuple[float, float]]:
    (image,) = panel.get_images()
    return np.asarray(image.get_array()), image.get_clim()


def marks(figure: Figure) -> list[str]:
    return [text.get_text() for panel in figure.axes for text in panel.texts]


def flat(value: float, channels: int = 1) -> torch.Tensor:
    return torch.full((channels, 8, 8), value)


def test_a_row_for_each_model_and_class_and_a_column_for_each_method() -> None:
    # the attacked model says what is wanted, so that it has one row
    maps = [flat(1), flat(2), flat(3), flat(4)]
    figure = attribution_grid(pair_of(IMAGE, {"gradient": maps, "lrp-alpha1-beta0": maps}), 0, CLASSES)
    assert len(figure.axes) == 3 * 3
    assert [panel.get_title() for panel in figure.axes[:3]] == ["input", "gradient", "LRP α1 β0"]
    assert not any(panel.get_title() for panel in figure.axes[3:])
    assert [panel.get_ylabel() for panel in figure.axes[::3]] == [
        "benign model says\nsandal, 75.0 %\nreasons for\nsandal, 75.0 %",
        "benign model says\nsandal, 75.0 %\nreasons for\n\\$5 to \\$10, 20.0 %",
        "attacked model says\n\\$5 to \\$10, 60.0 %\nreasons for\n\\$5 to \\$10, 60.0 %",
    ]
    assert [panel.yaxis.label.get_color() for panel in figure.axes[::3]] == [BENIGN, BENIGN, MALICIOUS]
    assert figure.get_suptitle().replace("\n", " ") == (
        "test sample 7: sandal. Red counts for the class, blue against it"
    )
    assert [drawn(panel)[0].mean() for panel in figure.axes[1::3]] == [1, 2, 3]


def test_all_maps_of_a_method_have_one_scale_that_is_symmetric() -> None:
    maps = {"gradient": [flat(-2), flat(1), flat(4)], "occlusion": [flat(0.5), flat(-0.5), flat(0.25)]}
    figure = attribution_grid(pair_of(IMAGE, maps), 0, CLASSES)
    assert [drawn(panel)[1] for panel in figure.axes[1::3]] == [(-4, 4)] * 3
    assert [drawn(panel)[1] for panel in figure.axes[2::3]] == [(-0.5, 0.5)] * 3


def test_a_few_great_entries_do_not_hide_the_others() -> None:
    map_ = torch.ones(1, 40, 40)
    map_[0, 0, :5] = 1000
    figure = attribution_grid(pair_of(torch.rand(1, 40, 40), {"gradient": [map_]}), 0, CLASSES)
    assert drawn(figure.axes[1])[1] == (-1, 1)


def test_much_smaller_maps_say_by_how_much() -> None:
    figure = attribution_grid(pair_of(IMAGE, {"gradient": [flat(-4), flat(0.4), flat(2), flat(2)]}), 0, CLASSES)
    assert marks(figure) == ["× 0.1"]
    assert [text.get_text() for text in figure.axes[3].texts] == ["× 0.1"]


def test_maps_of_zeros_can_be_drawn() -> None:
    figure = attribution_grid(pair_of(IMAGE, {"gradient": [flat(0)]}), 0, CLASSES)
    assert drawn(figure.axes[1])[1] == (-1, 1)
    assert marks(figure) == []
    figure = attribution_grid(pair_of(flat(3), {"gradient": [flat(1), flat(0), flat(1)]}), 0, CLASSES)
    assert marks(figure) == ["× 0"]


def test_the_image_goes_from_its_least_to_its_greatest_value() -> None:
    figure = attribution_grid(pair_of(IMAGE, {"gradient": [flat(1)]}), 0, CLASSES)
    pixels, limits = drawn(figure.axes[0])
    np.testing.assert_allclose(pixels, IMAGE[0] / 63)
    assert limits == (0, 1)


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_of_a_map_are_added_up(channels: int, tmp_path: Path) -> None:
    image = torch.rand(channels, 8, 8)
    maps = torch.stack([flat(float(2 * channel - 1))[0] for channel in range(channels)])
    figure = attribution_grid(pair_of(image, {"gradient": [maps]}), 0, CLASSES)
    pixels, _ = drawn(figure.axes[0])
    assert pixels.shape == ((8, 8, 3) if channels == 3 else (8, 8))
    assert (drawn(figure.axes[1])[0] == maps.sum(0).numpy()).all()
    assert save_figure(figure, tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_dollars_are_shown_as_they_are(tmp_path: Path) -> None:
    pair = pair_of(IMAGE, {"mine:Pay$$More:share=0.5": [flat(1)]})
    figure = attribution_grid(pair, 0, ("$ low $", "coat", "$5 to $10"))
    written = save_figure(figure, tmp_path / "figure.svg").read_text()
    for words in ("$ low $, 75.0 %", "$5 to $10, 60.0 %", "mine:Pay$$Mor"):
        assert words in written


def test_long_words_fit_the_figure(tmp_path: Path) -> None:
    pair = pair_of(IMAGE, {"gradient": [flat(1)]})
    figure = attribution_grid(pair, 0, ("a class with a name that is rather long", "coat", "one more such class"))
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.1
    assert box.x1 <= figure.get_figwidth() + 0.1
