"""How the histograms of updates change over the rounds (Bhagoji et al. 2019, figure 9), several attacks compared.

A column of an image is a round's histogram: the colour says how many entries a bin counts, on a logarithmic scale
that all panels share, as they share the axis of values. Where the paper offsets curves, an image stays legible for any
number of rounds.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fedlens.analysis.histograms import Histogram, kept_histograms, window
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.report.data import unseen_words
from fedlens.report.figures.canvas import grid, rounds_axis, run_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

MAP = "viridis_r"
"""Uniform to the eye; few entries are light, so that none at all can be white."""

ZEROS = "all zero"
"""Stands in the column of an update without an entry to be counted."""

Side = Mapping[int, Histogram]
"""One side of a row: a histogram by round, where there is one."""


def histogram_evolution(runs: Sequence[Run]) -> "Figure":
    """Draw a row for each run: histograms over the rounds, a benign client's left, the malicious one's right.

    The benign client is the first one of each round's cohort; rounds without attack are empty on the right.

    Raises:
        ConfigError: a run recorded no histograms, or no norms.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    rows = [_sides(run) for run in runs]
    every = [histogram for row in rows for side in row for histogram in side.values()]
    if not every:
        raise ConfigError(f"{runs[0].path}: no update was finite, so there are no histograms")
    half, norm = window(every), LogNorm(1, max(10, *(int(histogram.counts.max()) for histogram in every)))
    figure, panels = grid(len(runs), 2, (4.6, 2.7), share_y="all")
    for index, (run, (benign, malicious)) in enumerate(zip(runs, rows, strict=True)):
        left, right = panels[2 * index : 2 * index + 2]
        for panel, side in ((left, benign), (right, malicious)):
            _draw(panel, run, side, norm)
            panel.set_ylim(-half, half)
            rounds_axis(panel, run)
        who = f"malicious, {_whose(run)}" if malicious else unseen_words(run)
        _entitle(left, run_title(run, ": "), f"benign, first client of each cohort{_outside(benign, half)}")
        _entitle(right, "", f"{who}{_outside(malicious, half)}")
        left.set_ylabel("value of an entry")
    height = min(1.0, 2 / len(runs))
    figure.colorbar(ScalarMappable(norm, MAP), ax=panels, label="entries per bin", shrink=height, pad=0.02)
    return figure


def _whose(run: Run) -> str:
    """Say whose update the malicious one is: the first attacker's of several."""
    team = run.experiment.team
    return f"client {team[0]}" if len(team) == 1 else "first attacker of each cohort"


def _sides(run: Run) -> tuple[Side, Side]:
    rounds = list(kept_histograms(run))
    benign = {histograms.round: histograms.benign for histograms in rounds if histograms.benign is not None}
    return benign, {histograms.round: histograms.malicious for histograms in rounds if histograms.malicious is not None}


def _draw(panel: "Axes", run: Run, side: Side, norm: "LogNorm") -> None:
    """Draw a column for each round, white where nothing is counted."""
    import numpy as np

    if not side:
        return
    rounds = [record.round for record in run.records]
    edges = next(iter(side.values())).edges
    counts = np.zeros((len(edges) - 1, len(rounds)))
    for round_, histogram in side.items():
        counts[:, rounds.index(round_)] = histogram.counts * histogram.exact
    borders = np.array([rounds[0] - 0.5, *(round_ + 0.5 for round_ in rounds)])
    panel.pcolormesh(borders, edges, np.ma.masked_less(counts, 1), norm=norm, cmap=MAP, rasterized=True)
    for round_, histogram in side.items():
        if not histogram.counts.any():
            panel.text(round_, 0, ZEROS, rotation=90, ha="center", va="center", fontsize="small")


def _outside(side: Side, half: float) -> str:
    """Remark on what lies outside ±`half`, if anything does."""
    shares = [sum(histogram.outside(half)) / max(int(histogram.counts.sum()), 1) for histogram in side.values()]
    most = max(shares, default=0)
    return f" (up to {100 * most:.2g} % outside)" if most else ""


def _entitle(panel: "Axes", first: str, second: str) -> None:
    """Write a title in two lines, only the first of them large."""
    panel.set_title(f"{first}\n", loc="left")
    panel.annotate(second, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize="medium")
