"""Whose updates the server's rule went by (Bhagoji et al. 2019, figure 10).

A rule that applies one update alone, as Krum does, is shown by a dot a round at the client that it chose; any other by
the malicious client's share and the mean of the benign ones, round by round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.core.registry import name_of
from fedlens.report.figures.canvas import (
    BENIGN,
    MALICIOUS,
    attacked_rounds,
    legend_below,
    marker_size,
    plain,
    rounds_axis,
    run_title,
    shade_attacks,
    wrapped,
)
from fedlens.report.words import percent
from fedlens.runs.record_values import mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Shares:
    """What each update weighed in a round.

    Attributes:
        round: the round's number.
        benign: share of each client that did not attack, by its number.
        malicious: share of the malicious client, if it attacked.
    """

    round: int
    benign: dict[int, float]
    malicious: float | None

    def chosen(self, malicious: int) -> int | None:
        """Return the client that had all the weight, if one had; `malicious` is the malicious client's number."""
        everyone = self.benign if self.malicious is None else {**self.benign, malicious: self.malicious}
        used = {client: share for client, share in everyone.items() if share}
        return next(iter(used)) if list(used.values()) == [1.0] else None


def selected_clients(runs: Sequence[Run]) -> "Figure":
    """Draw a panel for each run, leaving out rounds in which the model stayed as it was.

    Raises:
        ConfigError: a run's rule does not tell what each update weighed.
    """
    shares_by_run = [shares_of(run) for run in runs]
    figure, panels = wrapped(len(runs), share_y="none")
    for panel, run, shares in zip(panels, runs, shares_by_run, strict=True):
        chosen = [part.chosen(run.experiment.malicious) for part in shares]
        one_each = [client for client in chosen if client is not None]
        result = (
            _draw_chosen(panel, run, shares, one_each) if len(one_each) == len(shares) else _draw_shares(panel, shares)
        )
        rule = plain(name_of("aggregation", run.experiment.aggregation))
        panel.set_title(f"{run_title(run)}\n{rule}: {result}", fontsize="medium")
        shade_attacks(panel, run)
        rounds_axis(panel, run)
    legend_below(figure, panels)
    return figure


def all_alike(run: Run) -> bool:
    """Whether every update got its weight α_i in every round, so that there is nothing to see."""
    return bool(run.experiment.aggregation.averages) and not any(record.rejected for record in run.records)


def shares_of(run: Run) -> list[Shares]:
    """Return the shares of every round in which the rule was applied.

    Raises:
        ConfigError: the run's rule does not tell what each update weighed.
    """
    rounds = [record for record in run.records if record.effective_weights is not None and record.skipped is None]
    if not rounds:
        rule = name_of("aggregation", run.experiment.aggregation)
        raise ConfigError(f"{run.path}: the rule {rule} does not tell what each update weighed; e.g. --kind metrics")
    shares_by_round = []
    for record in rounds:
        shares = dict(zip(record.cohort, record.effective_weights or [], strict=True))
        malicious = shares.pop(record.attacker.client) if record.attacker is not None else None
        shares_by_round.append(Shares(record.round, shares, malicious))
    return shares_by_round


def _draw_chosen(panel: "Axes", run: Run, shares: list[Shares], chosen: list[int]) -> str:
    """Draw a dot for each round; return in words how often the malicious client was chosen."""
    from matplotlib.ticker import MaxNLocator

    malicious = run.experiment.malicious
    ours = [part.round for part in shares if part.malicious]
    others = [(part.round, client) for part, client in zip(shares, chosen, strict=True) if not part.malicious]
    if others:
        label = "benign client chosen"
        panel.plot(*zip(*others, strict=True), "o", color=BENIGN, markersize=marker_size(run, 5), label=label)
    if run.experiment.attack is not None:
        panel.axhline(malicious, color=MALICIOUS, linewidth=0.8, alpha=0.6, zorder=1, label="the malicious client")
    if ours:
        label = "malicious client chosen"
        panel.plot(ours, [malicious] * len(ours), "s", color=MALICIOUS, markersize=marker_size(run, 6), label=label)
    panel.set_ylim(-0.7, run.experiment.clients - 0.3)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.set_ylabel("client")
    attacked = len(attacked_rounds(run))
    where = "" if attacked == len(run.records) else " with attack"
    return f"malicious chosen in {len(ours)} of {attacked} rounds{where}" if attacked else "nobody attacked"


def _draw_shares(panel: "Axes", shares: list[Shares]) -> str:
    """Draw two lines, broken where there is no such client; return the malicious client's mean share in words."""
    rounds = [part.round for part in shares]
    benign = [mean(list(part.benign.values())) if part.benign else float("nan") for part in shares]
    malicious = [float("nan") if part.malicious is None else part.malicious for part in shares]
    ours = [part.malicious for part in shares if part.malicious is not None]
    panel.plot(rounds, benign, "o-", color=BENIGN, markersize=4, label="benign clients' mean share")
    if ours:
        panel.plot(rounds, malicious, "s-", color=MALICIOUS, markersize=4, label="malicious client's share")
    panel.set_ylim(bottom=-0.04 * panel.get_ylim()[1])
    panel.set_ylabel("share in the global update")
    return f"malicious share {percent(mean(ours))} on average" if ours else "nobody attacked"
