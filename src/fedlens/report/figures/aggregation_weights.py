"""Whose updates the server's rule went by (Bhagoji et al. 2019, figure 10).

A rule that applies one update alone, as Krum does, is shown by a dot a round at the client that it chose; any other by
the mean share of the malicious clients and that of the benign ones, round by round.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedlens.analysis.run_results import Run
from fedlens.report.data import Shares, chosen_of, shares_of, shares_words
from fedlens.report.figures.canvas import (
    head_panel,
    legend_below,
    marker_size,
    rounds_axis,
    shade_attacks,
    wrapped,
)
from fedlens.report.looks import BENIGN, MALICIOUS
from fedlens.runs.record_values import mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def selected_clients(runs: Sequence[Run]) -> "Figure":
    """Draw a panel for each run, leaving out rounds in which the model stayed as it was.

    Raises:
        ConfigError: a run's rule does not tell what each update weighed.
    """
    shares_by_run = [shares_of(run) for run in runs]
    figure, panels = wrapped(len(runs), share_y="none")
    for panel, run, shares in zip(panels, runs, shares_by_run, strict=True):
        if (chosen := chosen_of(shares)) is not None:
            _draw_chosen(panel, run, shares, chosen)
        else:
            _draw_shares(panel, run, shares)
        rule = str(run.experiment.server)
        head_panel(panel, run, f"{rule}: {shares_words(run, shares)}")
        shade_attacks(panel, run)
        rounds_axis(panel, run)
    legend_below(figure, panels)
    return figure


def _draw_chosen(panel: "Axes", run: Run, shares: list[Shares], chosen: list[int]) -> None:
    """Chart a dot for each round."""
    from matplotlib.ticker import MaxNLocator

    team = run.experiment.team
    the = "the malicious client" if len(team) == 1 else "the malicious clients"
    ours = [(part.round, client) for part, client in zip(shares, chosen, strict=True) if part.malicious]
    others = [(part.round, client) for part, client in zip(shares, chosen, strict=True) if not part.malicious]
    if others:
        label = "benign client chosen"
        panel.plot(*zip(*others, strict=True), "o", color=BENIGN, markersize=marker_size(run, 5), label=label)
    for number, client in enumerate(team):
        label = the if number == 0 else "_"  # one entry in the legend for all
        panel.axhline(client, color=MALICIOUS, linewidth=0.8, alpha=0.6, zorder=1, label=label)
    if ours:
        label = "malicious client chosen"
        panel.plot(*zip(*ours, strict=True), "s", color=MALICIOUS, markersize=marker_size(run, 6), label=label)
    panel.set_ylim(-0.7, run.experiment.clients - 0.3)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.set_ylabel("client")


def _draw_shares(panel: "Axes", run: Run, shares: list[Shares]) -> None:
    """Two lines, broken where there is no such client."""
    rounds = [part.round for part in shares]
    benign = [mean(list(part.benign.values())) if part.benign else float("nan") for part in shares]
    malicious = [mean(list(part.attackers.values())) if part.attackers else float("nan") for part in shares]
    panel.plot(rounds, benign, "o-", color=BENIGN, markersize=4, label="benign clients' mean share")
    if any(part.malicious is not None for part in shares):
        label = "malicious clients' mean share" if len(run.experiment.team) > 1 else "malicious client's share"
        panel.plot(rounds, malicious, "s-", color=MALICIOUS, markersize=4, label=label)
    panel.set_ylim(bottom=-0.04 * panel.get_ylim()[1])
    panel.set_ylabel("share in the global update")
