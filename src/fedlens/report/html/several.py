"""The page of several runs, compared."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fedlens.analysis.defence import performance_of
from fedlens.analysis.histograms import require_histograms
from fedlens.analysis.run_results import Run
from fedlens.analysis.window import strength
from fedlens.core.errors import ConfigError
from fedlens.core.private_paths import shown_path
from fedlens.experiment.flat import Value, flattened, shown
from fedlens.report.data import run_name
from fedlens.report.html import again, opening
from fedlens.report.html.chart import Chart, keys_of, room_left
from fedlens.report.html.metrics import several_charts
from fedlens.report.html.roc import roc_of_several
from fedlens.report.html.table import Table
from fedlens.report.html.updates import updates_of_several
from fedlens.report.words import (
    attack_name,
    detection_words,
    difference_words,
    flags_of_all,
    in_number,
    measure_name,
    quality_words,
)

NAMELESS = re.compile(r"[^\w.+-]+")
"""What the name of a file had better not have."""
TARGET = "confidence in target"
NAMED = 6
"""So many options are named at the head."""


def runs_page(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what the template ``runs.html`` shows."""
    names = _names(runs)
    rounds = several_charts(runs, names)
    seen, missing = _seen(dict(zip(names, runs, strict=True)), rounds)
    return {
        "template": "runs.html",
        "title": f"{len(runs)} runs compared",
        "sentence": opening.shared_sentence(run.experiment for run in runs),
        "flags": flags_of_all(dict(zip(names, runs, strict=True))),
        "runs": [_row(run, name) for run, name in zip(runs, names, strict=True)],
        "lines": keys_of(names),
        "twins": any(run.records[-1].twin for run in runs),
        "absent": in_number_of("client", runs) if _absent(runs) else "",
        "attackers": in_number_of("the malicious client", runs),
        "result": _result(runs, names),
        "options": _options_table(runs, names),
        "differ": _differ(runs),
        "names": names,
        "detection": _detection(runs, names),
        "rounds": rounds,
        "seen": seen,
        "missing": missing,
        "charts": rounds + seen,
    }


def _seen(runs: Mapping[str, Run], other_charts: Sequence[Chart]) -> tuple[list[Chart], list[str]]:
    """Return what the servers saw, if there is room next to `other_charts`, and what is left out, in sentences."""
    runs_with_histograms: dict[str, Run | None] = dict(runs)
    missing = []
    for name, run in runs.items():
        try:
            require_histograms(run)
        except ConfigError as error:
            runs_with_histograms[name] = None
            missing.append(f"{str(error).replace(str(run.path), name, 1)}.")
    tell = [chart for chart in [roc_of_several(runs)] if chart is not None]
    updates = updates_of_several(runs_with_histograms, room_left([*other_charts, *tell]))
    return ([updates] if updates is not None else []) + tell, missing


def _names(runs: Sequence[Run]) -> list[str]:
    """Name the runs, by their paths where names are not enough."""
    names = [run_name(run) for run in runs]
    if len(set(names)) < len(names):
        names = [shown_path(run.path) for run in runs]
    if len(set(names)) < len(names):
        names = [f"{number}. {name}" for number, name in enumerate(names, 1)]
    return names


def _absent(runs: Sequence[Run]) -> bool:
    """Whether there is a run that was played with the malicious client absent, too."""
    return any(run.records[-1].placebo for run in runs)


def in_number_of(words: str, runs: Sequence[Run]) -> str:
    """Put words into the plural if several attack in any of the runs."""
    return next((plural for run in runs if (plural := in_number(words, run.experiment)) != words), words)


def _row(run: Run, name: str) -> dict[str, str]:
    """Say what a run is, and how it is made again."""
    return {
        "name": name,
        "path": str(run.path),
        "sentence": opening.sentence(run),
        "outcome": opening.outcome(run),
        "yaml": again.experiment_yaml(run),
        "command": again.command(run.path),
        "file": f"{NAMELESS.sub('-', name)}.yaml",
    }


def _result(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """How each run ended; of runs with the client absent only where there are some."""
    absent = _absent(runs)
    rows = []
    for run, name in zip(runs, names, strict=True):
        last = run.records[-1]
        twin, placebo = last.twin, last.placebo
        played = f"{len(run.records)} of {run.experiment.rounds}" if run.summary is None else str(len(run.records))
        values = (side and strength(side) for side in (last, twin, placebo))
        confidences = ["–" if value is None else f"{value:.3f}" for value in values]
        points = difference_words(last.quality, twin.quality) if twin else "–"
        shown_confidences = confidences if absent else confidences[:2]
        rows.append(
            [name, attack_name(run.experiment), played, *shown_confidences, quality_words(last.quality), points]
        )
    rates = [run.experiment.goal is not None for run in runs]
    achieved = "success rate" if all(rates) else "confidence in target, or success rate" if any(rates) else TARGET
    sides = [achieved, "without attack", *[in_number_of("client absent", runs)] * absent]
    kinds = list(dict.fromkeys(measure_name(regression=run.regression) for run in runs))
    to_twin = "points to the twin" if kinds == ["accuracy"] else "difference to the twin"
    head = ["run", "attack", "rounds", *sides, f"test {' or '.join(kinds)}", to_twin]
    return Table("After the last round", head, rows, words=2)


def _options_table(runs: Sequence[Run], names: Sequence[str]) -> Table | None:
    rows = [[name, *values] for name, values in _options(runs)]
    return Table("In what the runs differ", ["option", *names], rows, words=1 + len(names)) if rows else None


def _options(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return the options in which the runs differ, each with its value in every run."""
    flat = [flattened(run.experiment) for run in runs]
    names = dict.fromkeys(name for values in flat for name in values)

    def of(name: str) -> list[Value]:
        return [values.get(name) for values in flat]

    return [(name, [shown(value) for value in of(name)]) for name in names if len(set(of(name))) > 1]


def _differ(runs: Sequence[Run]) -> str:
    """Name the options that all runs have and that differ, in words."""
    flat = [flattened(run.experiment) for run in runs]
    names = [name for name, _ in _options(runs) if all(name in values for values in flat)]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _detection(runs: Sequence[Run], names: Sequence[str]) -> Table | None:
    """How often each check of each run flagged whom; ``None`` where there were none."""
    rows = [
        [name, check, *detection_words(performance_of(run.records, check))]
        for run, name in zip(runs, names, strict=True)
        for check in run.experiment.judges
    ]
    head = ["run", "check", "malicious flagged", "honest flagged", "ROC AUC"]
    return Table("How well the server’s checks tell", head, rows, words=2) if rows else None
