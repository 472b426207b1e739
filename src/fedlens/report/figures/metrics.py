"""The paper's "metrics of interest" (Bhagoji et al. 2019, figures 1a, 2a, 4a, 7, 8): how the models do, round by round.

Accuracy of the global and of the malicious model, and the global model's confidence in the target and in the true
class. Where malicious clients attack in some rounds only, these are shaded, and its model's accuracy is a line only
where it was chosen in rounds that follow each other. A broken line marks the end of the attack's window, if the run
goes on after it. Where the federation without that client was run, its lines stand behind those of the attacked one.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedlens.analysis.run_results import Run
from fedlens.analysis.window import attack_window
from fedlens.report.data import lines_of, run_name
from fedlens.report.figures.canvas import (
    ACROSS,
    MARKERS,
    legend_below,
    plain,
    rounds_axis,
    run_title,
    shade_attacks,
    wrapped,
)
from fedlens.report.looks import MALICIOUS
from fedlens.report.words import CONTROLS, attack_name, flags_of_all, in_number, target_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BAND = "95 % interval of that rate"
WINDOW_END = "end of the attack's window"


CONTROL_LINES: Mapping[str, Mapping[str, Any]] = {
    "control": {"accuracy": "--", "mae": "--", "confidence": ":", "asr": ":"},
    "placebo": {"accuracy": "-.", "mae": "-.", **dict.fromkeys(("confidence", "asr"), (0, (6, 2, 1, 2, 1, 2)))},
}
"""The metrics of a control that are drawn behind those of the run, and their line styles."""


def metrics_of_interest(runs: Sequence[Run]) -> "Figure":
    """Draw a panel for each run; a single run's benign twin has a panel of its own, others' have broken lines."""
    alone = len(runs) == 1 and runs[0].records[-1].twin is not None
    figure, panels = wrapped(2 if alone else len(runs))
    if alone:
        _draw(panels[0], runs[0], "control")
        panels[0].set_title("without attack (benign twin)")
        _draw(panels[1], runs[0], "")
        _draw_behind(panels[1], runs[0], "placebo")
        panels[1].set_title(plain(attack_name(runs[0].experiment)))
        figure.suptitle(plain(f"{run_name(runs[0])}: {target_words(runs[0])}"), fontsize="medium")
    else:
        for panel, run in zip(panels, runs, strict=True):
            _draw(panel, run, "")
            for control in CONTROLS:
                _draw_behind(panel, run, control)
            panel.set_title(run_title(run))
    for panel in panels[::ACROSS]:
        panel.set_ylabel(_drawn_words(runs))
    named = {
        run_name(run) if len(runs) == 1 else f"{number}. {run_name(run)}": run for number, run in enumerate(runs, 1)
    }
    legend_below(figure, panels, [f"Red flag: {flag}" for flag in flags_of_all(named)])
    return figure


def _drawn_words(runs: Sequence[Run]) -> str:
    """Name what the lines are: runs whose goal is damage have neither a confidence nor a success rate."""
    if any(run.regression for run in runs):
        return "mean absolute error" if all(run.regression for run in runs) else "accuracy, or mean absolute error"
    if not all(run.experiment.goal is not None for run in runs):
        return "accuracy or confidence"
    rated = any(line.column == "asr" for run in runs for line in lines_of(run))
    return "accuracy or success rate" if rated else "accuracy"


def _draw(panel: "Axes", run: Run, side: str) -> None:
    """Draw the lines of a run (`side` empty) or of its benign twin (``control``)."""
    rounds = run.rounds["round"]
    for line in lines_of(run, side):
        panel.plot(
            rounds,
            line.values,
            color=line.style.colour,
            marker=MARKERS[line.style.symbol],
            markersize=4,
            markevery=1 if line.values.isna().any() else max(1, len(rounds) // 20),
            linewidth=1.6,
            label=line.style.label,
        )
        if line.band is not None:
            low, high = zip(*line.band, strict=True)
            panel.fill_between(rounds, low, high, color=line.style.colour, alpha=0.2, linewidth=0, label=BAND)
    if not side and run.experiment.attack is not None:
        shade_attacks(panel, run)
        _mark_end(panel, run)
    panel.set_ylim(*((0, _highest(run)) if run.regression else (-0.05, 1.05)))
    rounds_axis(panel, run)


def _highest(run: Run) -> float:
    """Return an end for the axis of a regression's errors, above all of them, so that panels of one run compare."""
    ends = [float(line.values.max()) for side in ("", *CONTROLS) for line in lines_of(run, side)]
    return 1.05 * max(ends, default=0) or 1


def _mark_end(panel: "Axes", run: Run) -> None:
    """Mark where the attack's window ends before the run does; the last shaded round may come earlier."""
    window = attack_window(run.experiment, run.records)
    if window is not None and window.last < run.records[-1].round:
        panel.axvline(window.last + 0.5, color=MALICIOUS, linestyle="--", linewidth=1.2, label=WINDOW_END)


def _draw_behind(panel: "Axes", run: Run, control: str) -> None:
    """Draw a control's lines behind those of the run, if it was run."""
    for line in lines_of(run, control):
        style = CONTROL_LINES[control].get(line.column.removeprefix(f"{control}_"))
        if style is None:
            continue
        look: dict[str, Any] = {"linestyle": style, "linewidth": 1, "alpha": 0.7, "zorder": 1.5}
        label = f"{line.style.label}, {in_number(CONTROLS[control], run.experiment)}"
        panel.plot(run.rounds["round"], line.values, color=line.style.colour, label=label, **look)
