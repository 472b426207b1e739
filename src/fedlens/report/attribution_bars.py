"""Explanations of records drawn: a panel for each method, a bar for each feature, model and class explained."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from fedlens.explanations.pair import Pair
from fedlens.federation.setting import Setting
from fedlens.report.attributions import attribution_grid, colour_of, row_words, sample_words
from fedlens.report.canvas import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def attribution_figure(pair: Pair, place: int, setting: Setting) -> "Figure":
    """The maps of the sample at `place`, drawn as its data wants: on the image, or as bars by feature."""
    data, classes = setting.experiment.data, setting.dataset.classes
    if len(setting.dataset.shape) == 3:
        return attribution_grid(pair, place, classes)
    columns = pair.samples.x[place].numel()
    features = data.features() or tuple(f"entry {number}" for number in range(columns))
    return attribution_bars(pair, place, classes, features, data.words(pair.samples.x[place].cpu()))


def attribution_bars(
    pair: Pair, place: int, classes: Sequence[str], features: Sequence[str], words: Mapping[str, str]
) -> "Figure":
    """The attributions of the record at `place`: a panel for each method, a bar for each feature, model and class.

    Args:
        pair: the models' maps of records ``[n, columns]``.
        place: which of the samples.
        classes: the classes' names.
        features: of each column; columns of the same one are added up.
        words: what the record says of each feature.
    """
    from matplotlib.figure import Figure

    rows, names = pair.rows(place), list(dict.fromkeys(features))
    methods = list(rows[0].maps)
    across = min(4, len(methods))
    down = -(-len(methods) // across)
    figure = Figure(figsize=(2.0 + 2.4 * across, 1.2 + (0.6 + 0.23 * len(names)) * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for panel, method in zip(panels.flat, methods, strict=False):
        for number, row in enumerate(rows):
            look: dict[str, Any] = {"color": colour_of(row), "alpha": 1 if row.explained == row.predicted else 0.4}
            look["label"] = row_words(row, classes).replace("\n", " ")
            _draw_bars(panel, by_feature(row.maps[method], features), (number, len(rows)), look)
        panel.set_title(method.replace("-", " "), fontsize="small")
        panel.axvline(0, color="black", linewidth=0.6)
        panel.tick_params(labelsize="small")
        panel.locator_params(axis="x", nbins=4)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels.flat[len(methods) :]:
        panel.set_visible(False)
    labels = [plain(f"{name}: {words[name]}" if name in words else name) for name in names]
    panels[0, 0].set_yticks(range(len(names)), labels, fontsize="small")
    panels[0, 0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(f"{sample_words(pair, place, classes)}. To the right: for the class", fontsize="medium")
    return figure


def by_feature(map_: Tensor, features: Sequence[str]) -> dict[str, float]:
    """Attributions (``[columns]``) added up over the columns of each feature."""
    total = dict.fromkeys(features, 0.0)
    for name, value in zip(features, map_.flatten().tolist(), strict=True):
        total[name] += value
    return total


def _draw_bars(panel: "Axes", values: Mapping[str, float], which: tuple[int, int], look: dict[str, Any]) -> None:
    """A bar for each feature, beside those of other rows; `which` row of how many this is."""
    number, count = which
    height = 0.8 / count
    places = np.arange(len(values)) + (number - (count - 1) / 2) * height
    panel.barh(places, list(values.values()), height, **look)
