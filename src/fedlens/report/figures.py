"""Figures of runs, drawn with matplotlib into PNG, SVG or PDF files.

The paper's "metrics of interest" (Bhagoji et al. 2019, figures 1a, 2a, 4a): accuracy of the global and of the
malicious model, and the global model's confidence in the target and in the true class, against rounds. Colours are
Okabe and Ito's, which colour-blind people can tell apart; every line has a marker of its own too.
"""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from fedlens.errors import ConfigError
from fedlens.report.words import attack_name, target_words
from fedlens.runs.files import writing
from fedlens.runs.load import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
STYLES = {
    "accuracy": ("global accuracy", "#0072B2", "o"),
    "malicious_accuracy": ("malicious model's accuracy", "#D55E00", "s"),
    "confidence": ("confidence in target class", "#000000", "^"),
    "true_confidence": ("confidence in true class", "#009E73", "v"),
}


def metrics_of_interest(runs: Sequence[Run]) -> "Figure":
    """A panel a run; a single run's benign twin has a panel of its own, and else dashed lines."""
    from matplotlib.figure import Figure

    alone = len(runs) == 1 and runs[0].records[-1]["control"] is not None
    count = 2 if alone else len(runs)
    across = min(count, 3)
    down = -(-count // across)
    figure = Figure(figsize=(4.6 * across, 3.4 * down + 0.9), layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False, sharex=False, sharey=True).flat)
    if alone:
        _draw(panels[0], runs[0], "control_")
        panels[0].set_title("without attack (benign twin)")
        _draw(panels[1], runs[0], "")
        panels[1].set_title(attack_name(runs[0].experiment))
        _warn(panels[1], runs[0])
    else:
        for panel, run in zip(panels, runs, strict=False):
            _draw(panel, run, "control_", faint=True)
            _draw(panel, run, "")
            panel.set_title(f"{attack_name(run.experiment)}\n{run.path.name}")
            _warn(panel, run)
    for unused in panels[count:]:
        unused.set_visible(False)
    for panel in panels[::across]:
        panel.set_ylabel("accuracy or confidence")
    handles = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    shown = {str(label): line for label, line in handles.items() if not str(label).startswith("_")}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=min(len(shown), 3), frameon=False)
    if alone:
        figure.suptitle(f"Target: {target_words(runs[0])}", fontsize="medium")
    return figure


def _draw(panel: "Axes", run: Run, prefix: str, *, faint: bool = False) -> None:
    """The lines of a run (`prefix` empty) or of its benign twin (``control_``)."""
    from matplotlib.ticker import MaxNLocator

    rounds = run.rounds
    for column, (label, colour, marker) in STYLES.items():
        values = rounds.get(f"{prefix}{column}")
        if values is None or values.isna().all() or (faint and column == "true_confidence"):
            continue
        known = values.notna()
        panel.plot(
            rounds["round"][known],
            values[known].astype(float),
            color=colour,
            marker=None if faint else marker,
            markersize=4,
            markevery=max(1, len(rounds) // 20),
            linewidth=1 if faint else 1.6,
            linestyle="--" if faint else "-",
            alpha=0.7 if faint else 1,
            label=f"{label}, benign twin" if faint else label,
        )
    if not prefix and run.experiment.attack is not None and not rounds["acted"].all():
        acted = rounds["round"][rounds["acted"]]
        panel.plot(acted, [-0.03] * len(acted), "|", color="#D55E00", markersize=8, label="attack in this round")
    panel.set_ylim(-0.05, 1.05)
    panel.set_xlabel("round")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _warn(panel: "Axes", run: Run) -> None:
    """Write the reasons for doubt into the panel."""
    if run.flags:
        words = "\n".join(fill(f"Red flag: {flag}", 50) for flag in run.flags)
        panel.text(0.02, 0.5, words, transform=panel.transAxes, color="#B00000", fontsize="x-small", va="center")


def save_figure(figure: "Figure", path: Path) -> Path:
    """Write `figure` to `path`, in the format that its ending names.

    Raises:
        ConfigError: there is no such format.
        RunError: the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path}: a figure's name ends in {', '.join(FORMATS)}")
    with writing(path, "choose another file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=160)
    return path
