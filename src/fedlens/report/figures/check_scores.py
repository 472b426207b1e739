"""What the server's checks made of the clients, round by round: every score, and whose updates were suspected.

A broken line is the threshold above which a check suspects a client, where one number decides.
"""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.report.data import outgrown
from fedlens.report.figures.canvas import (
    GREY,
    grid,
    legend_below,
    marker_size,
    plain,
    rounds_axis,
    run_title,
)
from fedlens.report.looks import BENIGN, BLACK, MALICIOUS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THRESHOLD = "threshold of the check"


def server_checks(runs: Sequence[Run]) -> "Figure":
    """Draw a row for each check with one axis of scores and its threshold, a column for each run; ring flagged clients.

    Raises:
        ConfigError: a run had no checks.
    """
    import pandas as pd

    for run in runs:
        if not run.experiment.judges:
            checks = f"checks=[{'' if run.regression else 'accuracy, '}distances, statistics]"
            raise ConfigError(f"{run.path}: the server checked nothing; run it with -o '{checks}'")
    names = list(dict.fromkeys(name for run in runs for name in run.experiment.judges))
    figure, panels = grid(len(names), len(runs), (4.9, 2.2), share_x="col", share_y="row")
    for row, name in enumerate(names):
        scores_by_run = [run.checks[run.checks["check"] == name] for run in runs]
        row_panels = panels[row * len(runs) : (row + 1) * len(runs)]
        for panel, run, scores in zip(row_panels, runs, scores_by_run, strict=True):
            _draw(panel, run, scores)
            if (boundary := getattr(run.experiment.judges.get(name), "boundary", None)) is not None:
                panel.axhline(boundary, color=GREY, linestyle="--", linewidth=1.2, zorder=1.5, label=THRESHOLD)
        _scale(row_panels[0], pd.concat(scores_by_run))
        row_panels[0].set_ylabel(f"{plain(fill(name, 24))}\nscore")
    for top, bottom, run in zip(panels, panels[-len(runs) :], runs, strict=False):
        top.set_title(run_title(run))
        rounds_axis(bottom, run)
    figure.align_ylabels(panels)
    legend_below(figure, panels)
    return figure


def _draw(panel: "Axes", run: Run, scores: "pd.DataFrame") -> None:
    """Draw a dot for each client and round."""
    if scores.empty:
        panel.text(0.5, 0.5, "not switched on", transform=panel.transAxes, ha="center", va="center")
    benign: dict[str, Any] = {"marker": "o", "color": BENIGN, "markersize": marker_size(run, 3.5), "alpha": 0.6}
    malicious: dict[str, Any] = {"marker": "s", "color": MALICIOUS, "markersize": marker_size(run, 5)}
    ring: dict[str, Any] = {"marker": "o", "color": BLACK, "markersize": 1.7 * marker_size(run, 6), "fillstyle": "none"}
    for who, style, label in (
        (~scores["guilty"].astype(bool), benign, "benign client"),
        (scores["guilty"].astype(bool), malicious, "malicious client"),
        (scores["flagged"].astype(bool), ring, "flagged"),
    ):
        if who.any():
            panel.plot(scores["round"][who], scores["score"][who], linestyle="none", label=label, **style)


def _scale(panel: "Axes", scores: "pd.DataFrame") -> None:
    """Keep one enormous score from flattening all others."""
    if (usual := outgrown(scores)) is not None:
        panel.set_yscale("symlog", linthresh=usual)
