"""Whether explanations betray an attack: the study's numbers as tables, a figure, and a sentence."""

from collections.abc import Iterator, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fedlens.analysis.interval_words import interval_words, lacking
from fedlens.analysis.intervals import COVERAGE, Interval, seeds_needed
from fedlens.explanations.permutation_test import COVERAGE_OF_PAIRS
from fedlens.explanations.similarity import NAMES
from fedlens.explanations.study import ALL, OTHERS, TARGETS, WANTED
from fedlens.report.figures.canvas import grid, legend_below, plain
from fedlens.report.figures.comparison import THIN
from fedlens.report.looks import BENIGN, MALICIOUS
from fedlens.report.terminal.printing import PlainTable
from fedlens.report.words import method_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

QUESTIONS = {
    OTHERS: "samples of nobody's, reasons for the class predicted",
    TARGETS: "the attack's targets, reasons for the class predicted",
    WANTED: "the attack's targets, reasons for the class wanted",
}
RANGES = "thin: range of the seeds"
_PAIRS = {
    "benign": "benign, benign",
    "poisoned": "benign, attacked",
    "same_seed": "twin, attacked",
    "difference": "difference",
}


def contrast_tables(study: "pd.DataFrame") -> Iterator[Table]:
    """Yield a table for each question: a row for each method, over all measures."""
    for question, words in QUESTIONS.items():
        rows = study[(study["question"] == question) & (study["measure"] == ALL)]
        title = f"How alike are models' maps? {words[0].upper()}{words[1:]}; {_over(rows)}"
        table = PlainTable(title=title)
        for name in ("method", *_PAIRS.values(), "p"):
            table.add_column(name, justify="left" if name == "method" else "right")
        for row in rows.to_dict("records"):
            numbers = [_number(row[name]) for name in _PAIRS if name != "difference"]
            table.add_row(row["method"], *numbers, interval_words(_difference(row)), _p(row["p"]))
        yield table


def _over(rows: "pd.DataFrame") -> str:
    """Say over how many seeds: ``median over 6 seeds``."""
    counts = sorted({int(rows["seeds"].min()), int(rows["seeds"].max())})
    return f"median over {' to '.join(map(str, counts))} seed{'s' * (counts[-1] != 1)}"


def interval(row: Mapping[Any, Any], name: str, needed: int | None = None) -> Interval | None:
    """Return one of the intervals in a row of the study, or of the detector's areas, which takes so many seeds."""
    value, *ends = (_without_nan(row[f"{name}{of}"]) for of in ("", "_low", "_high", "_range_low", "_range_high"))
    low, high, smallest, largest = ends
    if value is None or smallest is None or largest is None:
        return None
    return Interval(value, low, high, (smallest, largest), int(row["seeds"]), needed)


def _difference(row: Mapping[Any, Any]) -> Interval | None:
    return interval(row, "difference", seeds_needed(COVERAGE_OF_PAIRS))


def _without_nan(value: float | None) -> float | None:
    """Return the value from a table; ``None`` for NaN, too, which a missing number may have become."""
    return None if value is None or isnan(value) else value


def _number(value: float | None) -> str:
    return "–" if (present := _without_nan(value)) is None else f"{present:.2f}"


def _p(value: float | None) -> str:
    return "–" if (present := _without_nan(value)) is None else f"{present:.3f}"


def contrast_words(study: "pd.DataFrame") -> Iterator[str]:
    """Yield an answer to each question, from the mean over all methods and measures; and why there is no interval."""
    differences = []
    for question, words in QUESTIONS.items():
        (row,) = study[(study["question"] == question) & (study["method"] == ALL)].to_dict("records")
        differences.append(_difference(row))
        difference = interval_words(differences[-1])
        yield (
            f"Can a defender tell from {words}? {row['verdict'].capitalize()}: the similarity of two benign models "
            f"less that of an attacked and a benign one is {difference} (p = {_p(row['p'])}, {row['seeds']} seeds)."
        )
    if why := lacking(differences):
        yield f"{why[0].upper()}{why[1:]}."


def contrast_figure(study: "pd.DataFrame") -> "Figure":
    """Draw a panel for each question: both similarities by method, over all measures, with the seeds' ranges."""
    methods = list(dict.fromkeys(study["method"]))
    figure, panels = grid(1, len(QUESTIONS), (4.6, 0.9 + 0.34 * len(methods)), share_y="all")
    for panel, (question, words) in zip(panels, QUESTIONS.items(), strict=True):
        rows = study[(study["question"] == question) & (study["measure"] == ALL)].to_dict("records")
        for index, row in enumerate(rows):
            for name, colour, marker, off in (("benign", BENIGN, "o", -0.15), ("poisoned", MALICIOUS, "s", 0.15)):
                if (similarity := interval(row, name)) is None:
                    continue
                label = _PAIRS[name] if index == 0 else None
                panel.plot([similarity.value], [index + off], color=colour, marker=marker, linestyle="", label=label)
                if similarity.seeds > 1:
                    label = RANGES if name == "benign" else None
                    panel.plot(similarity.range, [index + off] * 2, color=colour, label=label, **THIN)
        panel.set_title(words.replace(", ", ",\n"), fontsize="medium")
        panel.set_xlabel(f"similarity by all measures, {_over(study)}")
        panel.locator_params(axis="x", nbins=6)
    panels[0].set_yticks(range(len(methods)), [plain(method_words(method)) for method in methods], fontsize="small")
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    legend_below(figure, panels[:1])
    return figure


def alarm_table(areas: "pd.DataFrame", own: bool) -> Table:
    """Tabulate the detector's area under the ROC curve by seed: a row for each method, a column for each measure."""
    where = "the server's own samples" if own else "test samples, in place of the server's own"
    table = PlainTable(title=f"Detector: do maps of {where} change more in attacked rounds? ROC AUC")
    measures = list(dict.fromkeys(areas["measure"]))
    table.add_column("method")
    for measure in measures:
        table.add_column(NAMES.get(measure, measure), justify="right")
    for method, rows in areas.groupby("method", sort=False):
        by_measure = {row["measure"]: row for row in rows.to_dict("records")}
        areas_by_measure = [_area(by_measure.get(measure)) for measure in measures]
        table.add_row(str(method), *map(interval_words, areas_by_measure))
    table.caption = "; ".join(filter(None, [_over(areas), lacking(map(_area, areas.to_dict("records")))]))
    return table


def _area(row: Mapping[Any, Any] | None) -> Interval | None:
    return None if row is None else interval(row, "median", seeds_needed(COVERAGE))
