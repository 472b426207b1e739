"""Histograms of a round's updates: a benign client's beside a malicious one's (Bhagoji et al. 2019, figures 1b, 4b).

Both panels have the same axes: counts on a logarithmic scale, values in the window that holds 99.9 % of either update's
entries. What lies outside is written at the edges.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fedlens.analysis.histograms import Histogram, histograms_of, require_histograms, window
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.report.data import attacked_rounds, unseen_words
from fedlens.report.figures.canvas import grid, run_title
from fedlens.report.looks import BENIGN, MALICIOUS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def update_histograms(runs: Sequence[Run], round_: int | None = None) -> "Figure":
    """Draw a row for each run: a benign client's update on the left, a malicious one's on the right.

    Of several attackers in the round, it is that of the first.

    Args:
        runs: what to draw.
        round_: the round to look at; by default the last in which a malicious client attacked.

    Raises:
        ConfigError: a run recorded no histograms or no norms, or the round has no malicious update that is finite.
    """
    histograms_by_run = [_at(run, round_) for run in runs]
    figure, panels = grid(len(runs), 2, (4.6, 3.2))
    for index, (run, (number, *pair)) in enumerate(zip(runs, histograms_by_run, strict=True)):
        row = panels[2 * index : 2 * index + 2]
        half, top = window(pair), max(int(histogram.counts.max()) for histogram in pair)
        named = [
            f"{side} client {histogram.client}" for side, histogram in zip(("benign", "malicious"), pair, strict=True)
        ]
        attacking = len(next(record for record in run.records if record.round == number).attackers)
        named[1] += f", one of {attacking} attackers" if attacking > 1 else ""
        for panel, histogram, name, colour in zip(row, pair, named, (BENIGN, MALICIOUS), strict=True):
            _draw(panel, histogram, half, name, colour)
            panel.set(xlim=(-half, half), ylim=(0.7, 40 * top), yscale="log", xlabel="value of an entry of the update")
        row[0].set_title(f"{run_title(run, ': ')}, round {number}", loc="left")
        row[0].set_ylabel("entries per bin")
        row[1].tick_params(labelleft=False)
    return figure


def _at(run: Run, round_: int | None) -> tuple[int, Histogram, Histogram]:
    """Return the round's number, the benign and a malicious client's histogram."""
    require_histograms(run)
    attacked = [record.round for record in run.records if any(client.attacked for client in record.seen)]
    if not attacked:
        raise ConfigError(f"{run.path}: {unseen_words(run)}, and there are no updates to compare; e.g. --kind metrics")
    several = len(run.experiment.team) > 1
    chosen = attacked[-1] if round_ is None else round_
    if chosen not in attacked:
        refused = "no malicious update was finite" if several else "the malicious update was not finite"
        why = refused if chosen in attacked_rounds(run) else "nobody attacked"
        rounds = ", ".join(map(str, attacked)) if len(attacked) <= 20 else f"{attacked[0]} to {attacked[-1]}"
        raise ConfigError(f"{run.path}: {why} in round {chosen}; choose one of {rounds}, e.g. --round {attacked[-1]}")
    histograms = histograms_of(run, next(record for record in run.records if record.round == chosen))
    assert histograms.malicious is not None
    if histograms.benign is None:
        who = "malicious clients were" if several else "the malicious client was"
        alone = f"{who} alone in round {chosen}; there is nothing to compare with"
        raise ConfigError(f"{run.path}: {alone}; e.g. --kind metrics")
    return chosen, histograms.benign, histograms.malicious


def _draw(panel: "Axes", histogram: Histogram, half: float, name: str, colour: str) -> None:
    """Draw the bins within ±`half`, the update's statistics, and what lies outside."""
    numbers = histogram.statistics
    lines = [
        name,
        f"norm {numbers['norm']:.3g}",
        f"{100 * numbers['sparsity']:.1f} % of entries below 1e-7",
        f"Wasserstein-1 to the others: {numbers['wasserstein']:.2g}",
    ]
    counts = histogram.counts * histogram.exact
    panel.stairs(counts, histogram.edges, fill=True, color=colour, alpha=0.35, baseline=0.1)
    panel.stairs(counts, histogram.edges, color=colour, linewidth=1.2, baseline=0.1, label="\n".join(lines))
    panel.legend(loc="upper left", frameon=False, fontsize="small", handlelength=1)
    below, above = histogram.outside(half)
    background = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1.5}
    text_style: dict[str, Any] = {"transform": panel.transAxes, "fontsize": "small", "va": "center", "bbox": background}
    if below:
        words = f"← {below:,} more\ndown to {numbers['lowest']:.2g}".replace("-", "−")
        panel.text(0.02, 0.5, words, ha="left", **text_style)
    if above:
        words = f"{above:,} more →\nup to {numbers['highest']:.2g}"
        panel.text(0.98, 0.5, words, ha="right", **text_style)
