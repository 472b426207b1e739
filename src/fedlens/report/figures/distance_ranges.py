"""Ranges of the distances between a round's updates (Bhagoji et al. 2019, figure 3), several attacks compared.

The band is the range of pairwise L2 distances among the benign updates, a bar that of the malicious update's distances
from them. A server that compares the two sees nothing in the rounds in which they overlap; these are marked.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fedlens.analysis.run_results import Run
from fedlens.report.data import Ranges, are_wide, overlap_words, ranges_of, to_benign_words
from fedlens.report.figures.canvas import ACROSS, head_panel, legend_below, marker_size, rounds_axis, wrapped
from fedlens.report.looks import BENIGN, GREEN, MALICIOUS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def distance_ranges(runs: Sequence[Run]) -> "Figure":
    """Draw a panel for each run, with one axis of distances for all.

    Raises:
        ConfigError: a run kept no distances.
    """
    ranges_by_run = [ranges_of(run) for run in runs]
    figure, panels = wrapped(len(runs))
    for panel in panels:
        panel.use_sticky_edges = False  # the lowest band's edge would lie on the axis
    for panel, run, ranges in zip(panels, runs, ranges_by_run, strict=True):
        _draw(panel, run, ranges)
        rounds_axis(panel, run)
        head_panel(panel, run, overlap_words(run, ranges))
    if are_wide(part for ranges in ranges_by_run for part in ranges):
        panels[0].set_yscale("log")
    else:
        panels[0].set_ylim(bottom=0)
    for panel in panels[::ACROSS]:
        panel.set_ylabel("L2 distance of two updates")
    legend_below(figure, panels)
    return figure


def _draw(panel: "Axes", run: Run, ranges: list[Ranges]) -> None:
    """Draw a step of the band for each round, a bar in rounds with attack, a mark where the two overlap."""
    import numpy as np

    if band := [(part.round, *part.benign) for part in ranges if part.benign is not None]:
        rounds, low, high = map(np.array, zip(*band, strict=True))
        label = "among benign updates"
        panel.bar(rounds, high - low, width=1, bottom=low, color=BENIGN, alpha=0.3, linewidth=0, label=label)
        for edge in (low, high):
            panel.hlines(edge, rounds - 0.5, rounds + 0.5, color=BENIGN, linewidth=0.8)
    if bars := [(part.round, *part.malicious) for part in ranges if part.malicious is not None]:
        rounds, low, high = map(np.array, zip(*bars, strict=True))
        half = marker_size(run, 8) / 2
        style: dict[str, Any] = {"fmt": "none", "ecolor": MALICIOUS, "elinewidth": half / 2, "capsize": half}
        label = to_benign_words(run)
        panel.errorbar(rounds, (low + high) / 2, (high - low) / 2, **style, capthick=1.5, label=label)
    if overlapping := [part.round for part in ranges if part.overlap]:
        heights = [0.03] * len(overlapping)
        panel.plot(
            overlapping,
            heights,
            "^",
            color=GREEN,
            markersize=marker_size(run, 6),
            transform=panel.get_xaxis_transform(),
            label="ranges overlap",
        )
