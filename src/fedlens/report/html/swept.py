"""The page of sweeps, of a reproduction, or of runs beside these: what varied, and what came of it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any

from fedlens.analysis.collect import PATH, Collection, collect
from fedlens.analysis.comparison import Comparison, compare
from fedlens.analysis.counted import counted
from fedlens.analysis.missing import ANEW, failures_of
from fedlens.analysis.success import achieved_metrics
from fedlens.core.errors import ConfigError, DamagedRunError
from fedlens.core.private_paths import without_folders
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.flat import plain_value, shown
from fedlens.report.html import again
from fedlens.report.html.answer import listed_groups
from fedlens.report.html.chart import keys_of
from fedlens.report.html.groups import curves_chart, option_chart
from fedlens.report.html.outcomes import outcomes_of
from fedlens.report.html.table import Table
from fedlens.report.html.tested import sides_tested
from fedlens.report.metric_titles import heading, measure_of, metric_title, shown_metrics
from fedlens.report.terminal.comparison_table import comparison_head, comparison_rows, number
from fedlens.report.words import BESIDE, numbered
from fedlens.runs.reading import read_json

if TYPE_CHECKING:
    import pandas as pd

VALUES = 6
"""So many values of an option are named in the sentence at the head."""
GROUPS = "Each group at the end of the attack’s window"
CELLS = 400
"""So many cells are listed."""


def sweep_page(paths: Sequence[Path]) -> dict[str, Any]:
    """Return what the template ``sweep.html`` shows.

    Raises:
        RunError: nothing is in one of the paths, or its files are damaged.
    """
    collection = collect(paths)
    metrics = shown_metrics(collection.table)
    comparison = compare(collection, collection.varying, metrics)
    charts = [option_chart(comparison, metric) for metric in metrics]
    charts += [curves_chart(comparison, metric) for metric in metrics]
    cells, hidden = _cells(collection, comparison.several)
    outcomes = outcomes_of(collection, comparison.by)
    return {
        "template": "sweep.html",
        "title": ", ".join(path.resolve().name for path in paths),
        "sentence": _sentence(collection, comparison),
        "tested": sides_tested(_experiments(collection)),
        "outcome": " ".join(filter(None, [outcomes.answer, _outcome(comparison, metrics[0])])),
        "groups": Table(GROUPS, outcomes.head, outcomes.rows, words=len(comparison.by), stacked=True),
        "group_flags": outcomes.flags,
        "flags": comparison.flags,
        "remarks": list(map(without_folders, comparison.remarks)),
        "tables": [_table(comparison, metric) for metric in metrics],
        "lines": keys_of(group.label for group in comparison.groups),
        "charts": charts,
        "aim": "target" if _has_targets(collection) else "goal",
        "failures": _failures(paths),
        "unjudged": _unjudged(collection),
        "cells": cells,
        "hidden": hidden,
        "claims": _claims(paths),
        "made": [(path, _text(path / "sweep.yaml"), _command(path), _start(path)) for path in paths],
    }


def _experiments(collection: Collection) -> Iterator[Experiment]:
    """Yield an experiment for each combination of what varies, as far as they are recorded."""
    cells = collection.table.groupby(["path", *collection.varying], sort=False, dropna=False)["cell"].first()
    for cell in [*cells, *(unjudged_cell.cell for unjudged_cell in collection.unjudged)]:
        with suppress(ConfigError, DamagedRunError):
            if (experiment := collection.experiments.get(cell)) is not None:
                yield experiment(cell)


def _sentence(collection: Collection, comparison: Comparison) -> str:
    """Say in one sentence what was swept."""
    table = collection.table
    runs, seeds, targets = (table[name].nunique() for name in ("cell", "seed", "target_index"))
    aims = f" and {counted(targets, 'target')}" if _has_targets(collection) else ""
    varied = [f"{name} ({_listed(table[name])})" for name in comparison.by]
    words = f"{counted(runs, 'run')} over {counted(seeds, 'seed')}{aims}"
    return f"{words}; {'what varied: ' + ', '.join(varied) if varied else 'no option varied'}."


def _has_targets(collection: Collection) -> bool:
    """Tell whether any run is for target samples, not for another goal."""
    return bool((collection.table["target_index"] != "").any())


def _listed(column: "pd.Series[Any]") -> str:
    values = [shown(plain_value(value)) for value in column.dropna().unique()]
    more = f" and {len(values) - VALUES} more" if len(values) > VALUES else ""
    return ", ".join(values[:VALUES]) + more


def _outcome(comparison: Comparison, metric: str) -> str:
    """Say in a sentence the least and the most that the metric ends at, and in which groups."""
    intervals = [(group.metrics[metric].interval, group.label) for group in comparison.groups]
    ends = sorted(((interval.value, label) for interval, label in intervals if interval), key=itemgetter(0))
    if not ends:
        return ""
    least, most = ends[0][0], ends[-1][0]
    over = "" if all(interval.seeds == 1 for interval, _ in intervals if interval) else ", median over seeds"
    name = f"{heading(metric)} at the end{over}"
    if number(least) == number(most):
        return f"{name}: {number(most)}{f' in each of {len(ends)} groups' if len(ends) > 1 else ''}."
    ties = {value: [label for other, label in ends if number(other) == number(value)] for value in (least, most)}
    low, high = (f"{number(value)} ({listed_groups(labels)})" for value, labels in ties.items())
    return f"{name}: from {low} to {high}."


def _table(comparison: Comparison, metric: str) -> Table:
    """Return a comparison in words: a row for each group."""
    head, rows = [*comparison.by, *comparison_head(comparison, metric)], comparison_rows(comparison, metric)
    return Table(f"{heading(metric)}, {comparison.at}", head, rows, words=len(comparison.by), stacked=True)


def _cells(collection: Collection, several: bool) -> tuple[Table, int]:
    """Tabulate the first runs: what sets each apart, where it is, how it ended; and count the others."""
    distinct = ["cell", *collection.varying]  # a reproduction has the same cell under several names
    last = collection.table.groupby(distinct, sort=False, dropna=False).tail(1)
    achieved, measure = _achieved(collection, several), measure_of(collection.table)
    rows = []
    for row in last.head(CELLS).to_dict("records"):
        folder = Path(row[PATH]) / "cells" / row["cell"]
        ends = [plain_value(row.get(name)) for name in [*achieved, measure]]
        rows.append(
            [
                *(shown(plain_value(row[name])) for name in collection.varying),
                row["seed"],
                row["target_index"],
                *("–" if value is None else number(float(value)) for value in ends),
                folder if folder.parent.is_dir() else row[PATH],
            ]
        )
    fields = list(collection.varying)
    head = [*fields, "seed", "target", *achieved.values(), "MAE" if measure == "mae" else measure, "path"]
    return Table("Runs after their last round", head, rows, words=len(fields), path=True), max(0, len(last) - CELLS)


def _achieved(collection: Collection, several: bool) -> dict[str, str]:
    """Return the columns that tell what the attack achieved, also in controls, with their heads."""
    table, heads = collection.table, {}
    for metric in achieved_metrics(table):
        heads[metric] = metric_title(metric)
        for side, words in BESIDE.items():
            heads[f"{side}_{metric}"] = f"{metric_title(metric)}, {numbered(words, several=several)}"
    return {name: head for name, head in heads.items() if name in table and table[name].notna().any()}


def _unjudged(collection: Collection) -> Table | None:
    """Tabulate the cells that cannot be judged, if there are some."""
    rows = [
        [
            ", ".join(f"{name}={shown(value)}" for name, value in cell.values.items() if name != PATH),
            without_folders(cell.reason),
            without_folders(", or ".join(cell.remedies)),
        ]
        for cell in collection.unjudged
    ]
    return Table("Cells that cannot be judged", ["values", "reason", "what to do"], rows, words=3) if rows else None


def _failures(paths: Sequence[Path]) -> Table | None:
    """Tabulate the cells that failed, if there are some, with their values in words and the reason."""
    rows = [
        [
            ", ".join(f"{name}={value}" for name, value in failure.values.items()),
            without_folders(failure.reason),
            path / "cells" / failure.cell,
        ]
        for path in paths
        for failure in failures_of(path)
    ]
    head = ["values", "reason", "path"]
    return Table("Cells that failed at the last start", head, rows, words=3) if rows else None


def _claims(paths: Sequence[Path]) -> Table | None:
    """Tabulate the claims of reproductions with their verdicts, if there are some."""
    rows = []
    for file in (path / "claims.json" for path in paths):
        try:
            claims = read_json(file)["claims"] if file.exists() else []
            rows += [[claim[name] for name in ("claim", "says", "verdict")] for claim in claims]
        except (KeyError, TypeError) as error:
            raise DamagedRunError(f"{file}: cannot be read ({error}); {ANEW}") from error
    head = ["claim", "what the paper says", "verdict"]
    return Table("Claims and verdicts", head, rows, words=3) if rows else None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _start(path: Path) -> again.Start | None:
    """Read how the first of its runs was started, if that is known."""
    folders = [path, *sorted((path / "cells").glob("*"))]
    folder = next((folder for folder in folders if (folder / "environment.jsonl").is_file()), None)
    return None if folder is None else next(iter(again.starts(folder)), None)


def _command(path: Path) -> str:
    """Return the command that makes it again."""
    if (path / "sweep.yaml").is_file():
        return join(["fedlens", "sweep", str(path / "sweep.yaml"), "--out", f"{path}-again"])
    if (path / "experiment.yaml").is_file():
        return again.command(path)
    return join(["fedlens", "reproduce", "--out", f"{path}-again"])
