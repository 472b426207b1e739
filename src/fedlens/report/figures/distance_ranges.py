"""Ranges of the distances between a round's updates (Bhagoji et al. 2019, figure 3), several attacks compared.

The band is the range of pairwise L2 distances among the benign updates, a bar that of the malicious update's distances
from them. A server that compares the two sees nothing in the rounds in which they overlap; these are marked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedlens.analysis.kept import require_check
from fedlens.analysis.run_results import Run
from fedlens.report.figures.canvas import (
    ACROSS,
    BENIGN,
    GREEN,
    MALICIOUS,
    legend_below,
    marker_size,
    rounds_axis,
    run_title,
    wrapped,
)
from fedlens.runs.record import ClientRecord, RoundRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHECK = "distances"
WIDE = 10
"""The ratio of the ranges from which on the axis of distances is logarithmic."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """The ranges of a round; ``None`` where there is no pair of updates, or no attack."""

    round: int
    benign: Range | None
    malicious: Range | None

    @property
    def overlap(self) -> bool:
        """Whether both ranges are there and have a distance in common."""
        if self.benign is None or self.malicious is None:
            return False
        return self.benign[0] <= self.malicious[1] and self.malicious[0] <= self.benign[1]


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
        panel.set_title(f"{run_title(run)}\n{_overlaps(ranges)}", fontsize="medium")
    if are_wide(part for ranges in ranges_by_run for part in ranges):
        panels[0].set_yscale("log")
    else:
        panels[0].set_ylim(bottom=0)
    for panel in panels[::ACROSS]:
        panel.set_ylabel("L2 distance of two updates")
    legend_below(figure, panels)
    return figure


def ranges_of(run: Run) -> list[Ranges]:
    """Return the ranges of every round.

    Raises:
        ConfigError: the run kept no distances.
    """
    require_check(run, CHECK, "distances")
    return [_of(record) for record in run.records]


def are_wide(ranges: Iterable[Ranges]) -> bool:
    """Tell whether the distances are so far apart that their axis must be logarithmic."""
    values = [value for part in ranges for value in (*(part.benign or ()), *(part.malicious or ()))]
    return bool(values) and max(values) > WIDE * min(values) > 0


def _of(record: RoundRecord) -> Ranges:
    if (attacker := record.attacker) is not None and attacker in record.seen:
        return Ranges(record.round, _range(_pairs([attacker], "others")), _range(_pairs([attacker], "range")))
    return Ranges(record.round, _range(_pairs(record.seen, "range")), None)


def _pairs(clients: Sequence[ClientRecord], name: str) -> list[list[float]]:
    details = [client.checks[CHECK].details[name] for client in clients]
    return [pair for pair in details if isinstance(pair, list)]


def _range(parts: list[list[float]]) -> Range | None:
    """Return the range that spans all `parts`, each of which is empty where there is no pair."""
    ranges = [part for part in parts if part]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def _overlaps(ranges: list[Ranges]) -> str:
    attacked = sum(part.malicious is not None for part in ranges)
    if not attacked:
        return "nobody attacked"
    return f"overlap in {sum(part.overlap for part in ranges)} of {attacked} rounds with attack"


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
        label = "malicious update to benign ones"
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
