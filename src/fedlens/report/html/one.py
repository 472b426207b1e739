"""The page of one run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedlens.analysis.order import PANELS, in_order
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.report.data import all_alike, run_name
from fedlens.report.html import again, opening
from fedlens.report.html.aggregation_weights import weights_chart
from fedlens.report.html.chart import Chart, room_left
from fedlens.report.html.check_scores import check_charts, distances_chart
from fedlens.report.html.classes import classes_chart
from fedlens.report.html.final import look_at
from fedlens.report.html.metrics import metrics_chart
from fedlens.report.html.pictures import explained
from fedlens.report.html.roc import roc_chart
from fedlens.report.html.samples import shown_samples, shown_triggered
from fedlens.report.html.table import Table
from fedlens.report.html.updates import statistics_table, updates_chart
from fedlens.report.terminal.tables import summary_lines
from fedlens.report.words import BESIDE, in_number, unfinished_words

WITHOUT_SAMPLES = (
    "This report was made without samples, so that inputs and records, pictures with a trigger, and explanations of "
    "samples are left out."
)


def run_page(run: Run, data_dir: Path | None = None, *, samples: bool = True) -> dict[str, Any]:
    """Return what the template ``run.html`` shows, with or without inputs and what was made of them.

    Raises:
        DamagedRunError: a file of the run is missing or damaged.
    """
    final = look_at(run, data_dir, samples=samples)
    seen, missing = _seen(run)
    metrics = metrics_chart(run)
    accuracy = [
        chart for chart in (None if run.regression else classes_chart(run), final.confusion) if chart is not None
    ]
    charts = [metrics, *seen, *accuracy]
    pictures, left_out = explained(run, room_left(charts)) if samples else ([], [])
    return {
        "template": "run.html",
        "title": run_name(run),
        "run": run,
        "sentence": opening.sentence(run),
        "outcome": opening.outcome(run),
        "succeeded": opening.succeeded(run),
        "numbers": opening.numbers(run),
        "flags": run.flags,
        "unfinished": unfinished_words(run) if run.summary is None else "",
        "result": _result(run),
        "metrics": metrics,
        "seen": seen,
        "missing": missing,
        "statistics": _statistics(run),
        "accuracy": accuracy,
        "samples": shown_triggered(final.triggered, final.columns) or shown_samples(run, final.inputs, final.columns),
        "about": run.experiment.data.about,
        "why": final.why,
        "without_samples": "" if samples else WITHOUT_SAMPLES,
        "pictures": pictures,
        "left_out": left_out,
        "explain": f"fedlens explain {run.path}",
        "yaml": again.experiment_yaml(run),
        "command": again.command(run.path),
        "starts": again.starts(run.path),
        "charts": charts,
    }


def _result(run: Run) -> Table | None:
    """Tabulate the figures of a complete run and of its controls."""
    if not run.summary:
        return None
    controls = list(run.summary.controls)
    sides = [
        *(in_number(BESIDE[name], run.experiment) for name in controls),
        "with the attack" if controls else "value",
    ]
    return Table("The result in numbers", ["figure", *sides], list(summary_lines(run)))


def _seen(run: Run) -> tuple[list[Chart], list[str]]:
    """Return what the server sees, and why some of it is left out, in sentences."""
    makers: dict[str, Callable[[Run], Chart | list[Chart] | None]] = {
        "updates": updates_chart,
        "distances": distances_chart,
    }
    makers |= {} if all_alike(run) else {"selection": weights_chart}
    makers |= {"checks": check_charts, "roc": roc_chart} if run.experiment.judges else {}
    charts: list[Chart] = []
    missing: list[str] = []
    for make in in_order(makers, PANELS).values():
        try:
            chart = make(run)
        except ConfigError as error:
            missing.append(f"{str(error).removeprefix(f'{run.path}: ')}.")
        else:
            charts += chart if isinstance(chart, list) else [chart] if chart is not None else []
    return charts, missing


def _statistics(run: Run) -> Table | None:
    try:
        return statistics_table(run)
    except ConfigError:
        return None
