"""Figures of runs, drawn with matplotlib into PNG, SVG or PDF files: what kinds there are, and how one is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fedlens.analysis.order import PANELS, in_order
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError, DataError
from fedlens.core.files import writing
from fedlens.report.data import all_alike
from fedlens.report.figures.aggregation_weights import selected_clients
from fedlens.report.figures.check_scores import server_checks
from fedlens.report.figures.distance_ranges import distance_ranges
from fedlens.report.figures.evolution import histogram_evolution
from fedlens.report.figures.metrics import metrics_of_interest
from fedlens.report.figures.updates import update_histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")

Kind = Literal["metrics", "triggered", "updates", "evolution", "distances", "selection", "checks"]


def _triggered(runs: Sequence[Run]) -> "Figure":
    """Draw samples with the trigger, for which PyTorch is imported."""
    from fedlens.report.figures.triggered import triggered_inputs

    return triggered_inputs(runs)


KINDS: Mapping[Kind, Callable[[Sequence[Run]], "Figure"]] = in_order(
    {
        "metrics": metrics_of_interest,
        "triggered": _triggered,
        "updates": update_histograms,
        "evolution": histogram_evolution,
        "distances": distance_ranges,
        "selection": selected_clients,
        "checks": server_checks,
    },
    PANELS,
)


def draw(kind: Kind, runs: Sequence[Run], round_: int | None = None) -> "Figure":
    """Draw the figure of this kind of at least one run.

    Args:
        kind: what to show.
        runs: of which runs.
        round_: which round to look at, for ``updates``.

    Raises:
        ConfigError: a run has not what the figure needs, or the figure is not about one round.
    """
    if kind == "updates":
        return update_histograms(runs, round_)
    if round_ is not None:
        raise ConfigError(f"--round: {kind} shows every round; leave --round out, or add --kind updates")
    return KINDS[kind](runs)


def figures_of(run: Run) -> Iterator[tuple[Kind, "Figure"]]:
    """Yield every kind of figure in which there is something to see, with its name.

    Raises:
        DamagedRunError: a file of the run is missing or damaged.
    """
    for kind in KINDS:
        if kind == "selection" and all_alike(run):
            continue
        try:
            figure = draw(kind, [run])
        except (ConfigError, DataError):
            continue
        yield kind, figure


def save_figure(figure: "Figure", path: Path) -> Path:
    """Write `figure` to `path`, in the format that its ending names.

    Raises:
        ConfigError: there is no such format.
        RunError: the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"{path}: a figure's name ends in {', '.join(FORMATS)}; e.g. --output {path.stem or 'figure'}.png"
        )
    with writing(path, "choose another file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=160)
    return path
