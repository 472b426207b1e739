"""What every figure shares: the grid of panels, the axis of rounds, the legend, matplotlib's markers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Any, Literal

from fedlens.analysis.run_results import Run
from fedlens.report.data import run_name, shaded
from fedlens.report.looks import MALICIOUS, SYMBOLS
from fedlens.report.words import attack_name

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = dict(zip(SYMBOLS, "osD^vPX*", strict=True))
GREY = "#606060"
SHADING = "attack in this round"
ACROSS = 3
"""How many panels stand beside each other."""
LETTERS, MEDIUM_LETTERS = 42, 52
"""How many letters of a title stand beside each other above a panel, if they are large and if they are not."""
NOTE_LETTERS, NOTE_LINE = 14.5, 0.155
"""How many letters of a note an inch of a figure's width has room for, and the height of a line in inches."""

Sharing = Literal["none", "all", "row", "col"]


def wrapped(count: int, share_y: Sharing = "all") -> tuple[Figure, list[Axes]]:
    """Make a figure with `count` panels, at most `ACROSS` side by side; the rest of the last row is hidden."""
    across = min(count, ACROSS)
    down = -(-count // across)
    figure, panels = grid(down, across, (4.6, 3.4), share_y=share_y)
    for unused in panels[count:]:
        unused.set_visible(False)
    return figure, panels[:count]


def grid(
    down: int,
    across: int,
    size: tuple[float, float],
    *,
    share_x: Sharing = "none",
    share_y: Sharing = "none",
    widths: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """Make a figure of `down` × `across` panels of about `size` inches, row by row; `widths` are the columns'."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * across, size[1] * down + 0.2), layout="constrained")
    panels = list(
        figure.subplots(down, across, squeeze=False, sharex=share_x, sharey=share_y, width_ratios=widths).flat
    )
    for panel in panels:
        panel.grid(alpha=0.25)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def rounds_axis(panel: Axes, run: Run) -> None:
    """Let the x axis be the run's rounds, each half a round wide to either side."""
    whole_rounds(panel, run.records[0].round, run.records[-1].round)


def whole_rounds(panel: Axes, first: int, last: int) -> None:
    """Let the x axis be rounds from the `first` to the `last`, each half a round wide to either side."""
    from matplotlib.ticker import MaxNLocator

    panel.set_xlabel("round")
    panel.set_xlim(first - 0.5, last + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def marker_size(run: Run, largest: float) -> float:
    """Return a marker's largest size, in points, at which those of neighbouring rounds stay apart."""
    return min(largest, max(2.5, 200 / len(run.records)))


def run_title(run: Run, between: str = "\n") -> str:
    """Return the attack, and the run's name after or below it, in lines that a panel has room for."""
    attack = "no attack" if run.experiment.attack is None else plain(attack_name(run.experiment))
    lines = f"{attack}{between}{plain(run_name(run))}".splitlines()
    return "\n".join(fill(line, LETTERS if len(lines) > 1 else 2 * LETTERS) for line in lines)


def head_panel(panel: Axes, run: Run, words: str) -> None:
    """Put the run's title above `panel`, and what is to be seen in it below that."""
    panel.set_title(f"{run_title(run)}\n{fill(plain(words), MEDIUM_LETTERS)}", fontsize="medium")


def plain(words: str) -> str:
    """Return `words` as matplotlib shows them, which takes what is between two dollar signs for mathematics."""
    return words.replace("$", r"\$")


def title_figure(figure: Figure, words: str) -> None:
    """Put `words` above all panels, in as many lines as the figure's width asks for."""
    figure.suptitle(fill(words, max(24, int(11 * figure.get_figwidth()))), fontsize="medium")


def shade_attacks(panel: Axes, run: Run) -> None:
    """Shade the rounds in which a malicious client attacked, where there are others beside them."""
    for number, (first, last) in enumerate(shaded(run)):
        label = SHADING if number == 0 else None
        panel.axvspan(first - 0.5, last + 0.5, color=MALICIOUS, alpha=0.15, linewidth=0, label=label, zorder=0)


def legend_below(figure: Figure, panels: Iterable[Axes], notes: Sequence[str] = ()) -> None:
    """Draw one legend for all `panels`, below them, and `notes` in grey below it, in room of their own.

    Equal labels count once.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    shown: dict[str, Artist] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    labels, width = list(shown), figure.get_figwidth()
    columns = next(columns for columns in (3, 2, 1) if columns == 1 or _fits(labels, columns, width))
    letters = int(NOTE_LETTERS * width)
    lines = [line for note in notes for line in wrap(plain(note), letters, subsequent_indent="    ")]
    below = NOTE_LINE * len(lines) + 0.1 if lines else 0.0
    room = 0.25 + 0.22 * -(-len(labels) // columns) if labels else 0.0
    height = figure.get_figheight() + room + below
    figure.set_figheight(height)
    if labels:
        look: dict[str, Any] = {"ncols": columns, "frameon": False, "loc": "outside lower center"}
        if lines:  # room for both is made below
            look |= {"loc": "lower center", "bbox_to_anchor": (0.5, below / height), "borderaxespad": 0.3}
        figure.legend(list(shown.values()), labels, **look)
    if lines and isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(rect=(0, (0.9 * room + below) / height, 1, 1 - (0.9 * room + below) / height))
        figure.text(0.06 / width, 0.05 / height, "\n".join(lines), color=GREY, fontsize=8, va="bottom")


def _fits(labels: list[str], columns: int, width: float) -> bool:
    """Tell whether so many columns of `labels` are narrower than `width` inches, as far as their letters tell."""
    each, more = divmod(len(labels), columns)  # matplotlib gives the first columns one more
    starts = [column * each + min(column, more) for column in range(columns + 1)]
    longest = [max(map(len, labels[start:stop]), default=0) for start, stop in pairwise(starts)]
    return sum(0.6 + 0.075 * length for length in longest) <= width
