"""Explanations of images drawn: a row for each model and class explained, a column for each method.

Maps are red where a pixel counts for the class and blue where it counts against it. A method's maps have one scale, the
99.5th percentile of all their absolute values; where a map's own is much smaller, its corner says what share of the
scale it has, as in ``× 0.1``.
"""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fedlens.analysis.percent import percent
from fedlens.explanations.model_pair import ModelPair, Row
from fedlens.report.figures.canvas import plain, title_figure
from fedlens.report.images import pixels_of
from fedlens.report.looks import BENIGN, MALICIOUS
from fedlens.report.words import method_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE = 1.15
"""Inches of an image's side."""
_SCALE = 0.995
_FAINT = 0.5
"""Maps whose own scale is below this share of their method's are marked."""


def attribution_grid(pair: ModelPair, index: int, classes: Sequence[str]) -> "Figure":
    """Draw the maps of the image at `index` next to the image.

    Args:
        pair: the models' maps of images ``[n, channels, height, width]``.
        index: of the sample in the pair.
        classes: the classes' names.
    """
    from matplotlib.figure import Figure

    rows = pair.rows(index)
    methods = list(rows[0].maps)
    figure = Figure(figsize=(1.6 + _SIDE * (len(methods) + 1), 0.75 + 1.1 * _SIDE * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), len(methods) + 1, squeeze=False)
    scales = {method: _scale(torch.stack([row.maps[method] for row in rows])) for method in methods}
    image = pair.samples.x[index].cpu()
    for row, line in zip(rows, panels, strict=True):
        _show_image(line[0], image)
        line[0].set_ylabel(row_words(row, classes), rotation=0, ha="right", va="center", fontsize="small", labelpad=8)
        line[0].yaxis.label.set_color(colour_of(row))
        for panel, method in zip(line[1:], methods, strict=True):
            _show_map(panel, row.maps[method], scales[method])
    for panel, name in zip(panels[0], ["input", *methods], strict=True):
        panel.set_title(plain(fill(method_words(name), 13)), fontsize="small")
    said = f"{sample_words(pair, index, classes)}. Red counts for the class, blue against it"
    title_figure(figure, said)
    return figure


def row_words(row: Row, classes: Sequence[str]) -> str:
    """Name the model, its prediction, and the class whose reasons are shown."""
    said = f"{row.model} model says\n{plain(classes[row.predicted])}, {percent(row.confidence)}"
    return f"{said}\nreasons for\n{plain(classes[row.explained])}, {percent(row.probability)}"


def sample_words(pair: ModelPair, index: int, classes: Sequence[str]) -> str:
    """Name the sample, its class, and the round after which it is seen, if one was asked for."""
    when = "" if pair.round is None else f", after round {pair.round}"
    return f"test sample {pair.indices[index]}: {plain(classes[int(pair.samples.y[index])])}{when}"


def colour_of(row: Row) -> str:
    """Return the model's colour."""
    return MALICIOUS if row.model == "attacked" else BENIGN


def _scale(maps: Tensor) -> float:
    return float(np.quantile(_summed(maps).abs().numpy(), _SCALE))


def _summed(maps: Tensor) -> Tensor:
    """Add up channels: ``[..., height, width]``."""
    return maps.detach().cpu().double().sum(-3)


def _bare(panel: "Axes") -> None:
    panel.set_xticks([])
    panel.set_yticks([])


def _show_image(panel: "Axes", image: Tensor) -> None:
    panel.imshow(pixels_of(image), cmap="gray_r", vmin=0, vmax=1)
    _bare(panel)


def _show_map(panel: "Axes", map_: Tensor, scale: float) -> None:
    panel.imshow(_summed(map_).numpy(), cmap="RdBu_r", vmin=-scale or -1, vmax=scale or 1, interpolation="nearest")
    share = _scale(map_) / scale if scale else 1
    if share < _FAINT:
        panel.text(0.97, 0.03, f"× {share:.1g}", transform=panel.transAxes, ha="right", va="bottom", fontsize="x-small")
    _bare(panel)
