"""Explanations of records drawn: a panel for each method, a bar for each feature, model and class explained."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from fedlens.experiment.setting import Setting
from fedlens.explanations.model_pair import ModelPair
from fedlens.report.figures.attributions import attribution_grid, colour_of, row_words, sample_words
from fedlens.report.figures.canvas import legend_below, plain, title_figure
from fedlens.report.words import method_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30
"""So many features are drawn at most."""


def attribution_figure(pair: ModelPair, index: int, setting: Setting) -> "Figure":
    """Draw the maps of the sample at `index` to suit its data: on the image, or as bars by feature."""
    classes = setting.dataset.classes
    if len(setting.dataset.shape) == 3:
        return attribution_grid(pair, index, classes)
    record = pair.samples.x[index].cpu().clone()
    columns = setting.columns
    features = columns.features or tuple(f"entry {number}" for number in range(record.numel()))
    return attribution_bars(pair, index, classes, features, columns.words(record))


def attribution_bars(
    pair: ModelPair, index: int, classes: Sequence[str], features: Sequence[str], words: Mapping[str, str]
) -> "Figure":
    """Draw the attributions of the record at `index`: a panel for each method, a bar for each feature, model and class.

    Args:
        pair: the models' maps of records ``[n, columns]``.
        index: of the sample in the pair.
        classes: the classes' names.
        features: of each column; columns of the same one are added up.
        words: what the record says of each feature.
    """
    from matplotlib.figure import Figure

    rows = pair.rows(index)
    methods = list(rows[0].maps)
    values = {method: [by_feature(row.maps[method], features) for row in rows] for method in methods}
    names = _foremost(values)
    across = min(4, len(methods))
    down = -(-len(methods) // across)
    size = (max(6.4, 2.0 + 2.4 * across), 1.2 + (0.6 + 0.23 * len(names)) * down)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for panel, method in zip(panels.flat, methods, strict=False):
        for number, row in enumerate(rows):
            look: dict[str, Any] = {"color": colour_of(row), "alpha": 1 if row.explained == row.predicted else 0.4}
            look["label"] = row_words(row, classes).replace("\nreasons", "; reasons").replace("\n", " ")
            _draw_bars(panel, [values[method][number][name] for name in names], (number, len(rows)), look)
        panel.set_title(plain(fill(method_words(method), 28)), fontsize="small")
        panel.axvline(0, color="black", linewidth=0.6)
        panel.tick_params(labelsize="small")
        panel.locator_params(axis="x", nbins=4)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels.flat[len(methods) :]:
        panel.set_visible(False)
    labels = [plain(f"{name}: {words[name]}" if name in words else name) for name in names]
    panels[0, 0].set_yticks(range(len(names)), labels, fontsize="small")
    panels[0, 0].set_ylim(len(names) - 0.5, -0.5)
    legend_below(figure, panels[0, :1])
    said = f"{sample_words(pair, index, classes)}. To the right: for the class"
    if len(names) < (count := len(set(features))):
        said = f"{said}. The {len(names)} of {count} features that count most"
    title_figure(figure, said)
    return figure


def by_feature(map_: Tensor, features: Sequence[str]) -> dict[str, float]:
    """Add attributions (``[columns]``) up over the columns of each feature."""
    total = dict.fromkeys(features, 0.0)
    for name, value in zip(features, map_.flatten().tolist(), strict=True):
        total[name] += value
    return total


def _foremost(values: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """Name at most `MOST` features, in their order: those with the greatest part in some method's bars."""
    shares: dict[str, float] = {}
    for rows in values.values():
        greatest = max(abs(value) for row in rows for value in row.values()) or 1
        for name, value in ((name, abs(value) / greatest) for row in rows for name, value in row.items()):
            shares[name] = max(value, shares.get(name, 0))
    foremost = set(sorted(shares, key=lambda name: -shares[name])[:MOST])
    return [name for name in shares if name in foremost]


def _draw_bars(panel: "Axes", values: Sequence[float], which: tuple[int, int], look: dict[str, Any]) -> None:
    """Draw a bar for each feature, next to those of other rows; `which` row of how many this is."""
    number, count = which
    height = 0.8 / count
    places = np.arange(len(values)) + (number - (count - 1) / 2) * height
    panel.barh(places, values, height, **look)
