"""Whether explanations betray an attack: the study's numbers as tables, a figure, and a sentence."""

from collections.abc import Iterator, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from fedlens.explanations.similarity import NAMES
from fedlens.explanations.study import ALL, OTHERS, TARGETS, WANTED
from fedlens.report.canvas import BENIGN, MALICIOUS, grid, legend_below, plain
from fedlens.report.likeness import interval_words
from fedlens.report.words import method_words
from fedlens.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

QUESTIONS = {
    OTHERS: "samples of nobody's, reasons for the class predicted",
    TARGETS: "the attack's targets, reasons for the class predicted",
    WANTED: "the attack's targets, reasons for the class wanted",
}
_PAIRS = {
    "benign": "benign, benign",
    "poisoned": "benign, attacked",
    "same_seed": "twin, attacked",
    "difference": "first less second",
}


def contrast_tables(study: "pd.DataFrame") -> Iterator[Table]:
    """A table for each question: a row for each method, over all measures."""
    for question, words in QUESTIONS.items():
        rows = study[(study["question"] == question) & (study["measure"] == ALL)]
        table = Table(title=f"How alike are models' maps? {words[0].upper()}{words[1:]}", title_justify="left")
        for name in ("method", *_PAIRS.values(), "p"):
            table.add_column(name, justify="left" if name == "method" else "right")
        for row in rows.to_dict("records"):
            means = [_number(row[name]) for name in _PAIRS if name != "difference"]
            table.add_row(escape(row["method"]), *means, interval_words(interval(row, "difference")), _p(row["p"]))
        yield table


def interval(row: Mapping[Any, Any], name: str) -> Interval | None:
    """One of the intervals in a row of the study."""
    mean, low, high = (_known(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return None if mean is None else Interval(mean, low, high)


def _known(value: float | None) -> float | None:
    """What a table has, where a missing number may have become NaN."""
    return None if value is None or isnan(value) else value


def _number(value: float | None) -> str:
    return "–" if (known := _known(value)) is None else f"{known:.2f}"


def _p(value: float | None) -> str:
    return "–" if (known := _known(value)) is None else f"{known:.3f}"


def contrast_words(study: "pd.DataFrame") -> Iterator[str]:
    """An answer to each question, from the mean over all methods and measures."""
    for question, words in QUESTIONS.items():
        (row,) = study[(study["question"] == question) & (study["method"] == ALL)].to_dict("records")
        difference = interval_words(interval(row, "difference"))
        yield (
            f"Can a defender tell from {words}? {row['verdict'].capitalize()}: the similarity of two benign models "
            f"less that of an attacked and a benign one is {difference} (p = {_p(row['p'])}, {row['seeds']} seeds)."
        )


def contrast_figure(study: "pd.DataFrame") -> "Figure":
    """A panel for each question: for each method both similarities, over all measures, with their intervals."""
    methods = list(dict.fromkeys(study["method"]))
    figure, panels = grid(1, len(QUESTIONS), (4.6, 0.9 + 0.34 * len(methods)), share_y="all")
    for panel, (question, words) in zip(panels, QUESTIONS.items(), strict=True):
        rows = study[(study["question"] == question) & (study["measure"] == ALL)].to_dict("records")
        for place, row in enumerate(rows):
            for name, colour, marker, off in (("benign", BENIGN, "o", -0.15), ("poisoned", MALICIOUS, "s", 0.15)):
                if (found := interval(row, name)) is None:
                    continue
                label = _PAIRS[name] if place == 0 else None
                panel.plot([found.value], [place + off], color=colour, marker=marker, linestyle="", label=label)
                if found.low is not None and found.high is not None:
                    panel.plot([found.low, found.high], [place + off] * 2, color=colour, marker="|", linewidth=1.6)
        panel.set_title(words.replace(", ", ",\n"), fontsize="medium")
        panel.set_xlabel("similarity, mean of all measures")
        panel.locator_params(axis="x", nbins=6)
    panels[0].set_yticks(range(len(methods)), [plain(method_words(method)) for method in methods], fontsize="small")
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    legend_below(figure, panels[:1])
    return figure


def alarm_table(areas: "pd.DataFrame", own: bool) -> Table:
    """The detector's area under the ROC curve, a mean over seeds: a row for each method, a column for each measure."""
    where = "the server's own samples" if own else "test samples, in place of the server's own"
    table = Table(title=f"Detector: do maps of {where} change more in attacked rounds? ROC AUC", title_justify="left")
    measures = list(dict.fromkeys(areas["measure"]))
    table.add_column("method")
    for measure in measures:
        table.add_column(NAMES.get(measure, measure), justify="right")
    for method, rows in areas.groupby("method", sort=False):
        by_measure = {row["measure"]: row for row in rows.to_dict("records")}
        table.add_row(escape(str(method)), *(_auc(by_measure.get(measure)) for measure in measures))
    return table


def _auc(row: Mapping[Any, Any] | None) -> str:
    if row is None or (mean := _known(row["mean"])) is None:
        return "–"
    return interval_words(Interval(mean, _known(row["low"]), _known(row["high"])))
