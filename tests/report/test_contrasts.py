import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from rich.console import Console
from rich.table import Table

from fedlens.analysis.intervals import Interval
from fedlens.explanations.study import ALL, OTHERS, TARGETS, WANTED
from fedlens.report.figures.contrasts import alarm_table, contrast_figure, contrast_tables, contrast_words, interval
from fedlens.report.figures.figures import save_figure
from fedlens.report.looks import BENIGN, MALICIOUS

METHODS = ("gradient", "lrp-alpha1-beta0")


def study(seeds: int = 7) -> pd.DataFrame:
    """Numbers of which those over all measures are: benign 0.5, poisoned 0.4, and 0.01 more for the second method."""
    rows = []
    keys = [(method, measure) for method in METHODS for measure in ("cosine", ALL)] + [(ALL, ALL)]
    for question in (OTHERS, TARGETS, WANTED):
        for method, measure in keys:
            more = 0.01 * (method == METHODS[1]) + 0.3 * (measure != ALL)
            means = {"benign": 0.5 + more, "poisoned": 0.4 + more, "same_seed": 0.45, "difference": 0.1}
            row: dict[str, object] = {"question": question, "method": method, "measure": measure}
            for name, mean in means.items():
                known = mean if seeds > 1 or name == "same_seed" else None
                covered = name == "difference" and seeds >= 7
                low, high = (mean - 0.05, mean + 0.05) if covered else (None, None)
                row |= {name: known, f"{name}_low": low, f"{name}_high": high}
                row |= {f"{name}_range_low": known and mean - 0.1, f"{name}_range_high": known and mean + 0.1}
            verdict = "can tell" if seeds >= 5 else "too few seeds to tell"
            rows.append(row | {"p": 1 / 32 if seeds > 1 else None, "seeds": seeds, "verdict": verdict})
    return pd.DataFrame(rows)


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def printed(table: Table) -> str:
    console = Console(width=200, file=StringIO(), record=True)
    console.print(table)
    return console.export_text()


def lines(panel: Axes, colour: str) -> list[tuple[list[float], list[float]]]:
    found = [line for line in panel.get_lines() if to_hex(line.get_color()).upper() == colour]
    return [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in found]


def test_a_table_for_each_question_over_all_measures() -> None:
    tables = list(contrast_tables(study()))
    assert [str(table.title) for table in tables] == [
        "How alike are models' maps? Samples of nobody's, reasons for the class predicted; median over 7 seeds",
        "How alike are models' maps? The attack's targets, reasons for the class predicted; median over 7 seeds",
        "How alike are models' maps? The attack's targets, reasons for the class wanted; median over 7 seeds",
    ]
    assert cells(tables[0]) == [
        ["gradient", "0.50", "0.40", "0.45", "0.10 [0.05, 0.15]", "0.031"],
        ["lrp-alpha1-beta0", "0.51", "0.41", "0.45", "0.10 [0.05, 0.15]", "0.031"],
        ["all", "0.50", "0.40", "0.45", "0.10 [0.05, 0.15]", "0.031"],
    ]
    assert "0.10 [0.05, 0.15]" in printed(tables[0])  # which is no markup


@pytest.mark.parametrize("read", [False, True])
def test_what_few_seeds_do_not_tell_is_left_open(read: bool, tmp_path: Path) -> None:
    for seeds, expected in {
        6: ["0.50", "0.40", "0.45", "0.10, range 0.00 to 0.20", "0.031"],
        1: ["–", "–", "0.45", "–", "–"],
    }.items():
        numbers = study(seeds)
        if read:  # what was None is NaN then
            numbers.to_csv(tmp_path / "contrast.csv", index=False)
            numbers = pd.read_csv(tmp_path / "contrast.csv")
        assert cells(next(contrast_tables(numbers)))[0] == ["gradient", *expected]
        *answers, last = contrast_words(numbers)
        if seeds == 6:
            assert last.startswith("Too few seeds for a 95 % interval, which takes 7")
        else:
            assert all("Too few seeds to tell" in sentence for sentence in [*answers, last])


def test_an_interval_of_a_row() -> None:
    ends = ("low", "high", "range_low", "range_high")
    row = {"seeds": 6, "a": 0.5, "b": np.nan, "c": 0.5}
    for name, numbers in {"a": (np.nan, None, 0.4, 0.6), "b": (None,) * 4, "c": (0.45, 0.55, 0.4, 0.6)}.items():
        row |= {f"{name}_{end}": number for end, number in zip(ends, numbers, strict=True)}
    assert interval(row, "a", 7) == Interval(0.5, None, None, (0.4, 0.6), 6, 7)
    assert interval(row, "b") is None
    assert interval(row, "c") == Interval(0.5, 0.45, 0.55, (0.4, 0.6), 6, None)


def test_answers_in_words() -> None:
    answers = list(contrast_words(study()))
    assert answers[0] == (
        "Can a defender tell from samples of nobody's, reasons for the class predicted? Can tell: the similarity of "
        "two benign models less that of an attacked and a benign one is 0.10 [0.05, 0.15] (p = 0.031, 7 seeds)."
    )
    assert len(answers) == 3


def test_a_panel_for_each_question_with_both_similarities() -> None:
    figure = contrast_figure(study())
    assert [panel.get_title() for panel in figure.axes] == [
        "samples of nobody's,\nreasons for the class predicted",
        "the attack's targets,\nreasons for the class predicted",
        "the attack's targets,\nreasons for the class wanted",
    ]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["gradient", "LRP α1 β0", "all"]
    for panel in figure.axes:
        assert lines(panel, BENIGN)[0] == ([0.5], [-0.15])
        assert lines(panel, BENIGN)[1] == ([pytest.approx(0.4), pytest.approx(0.6)], [-0.15] * 2)
        assert lines(panel, BENIGN)[2] == ([pytest.approx(0.51)], [0.85])
        assert lines(panel, MALICIOUS)[0] == ([0.4], [0.15])
        assert len(lines(panel, BENIGN)) == len(lines(panel, MALICIOUS)) == 2 * 3
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["benign, benign", "thin: range of the seeds", "benign, attacked"]
    assert figure.axes[0].get_xlabel() == "similarity by all measures, median over 7 seeds"


@pytest.mark.parametrize(("seeds", "drawn"), [(2, 6), (1, 0)])
def test_a_figure_of_one_seed_has_nothing_to_compare(seeds: int, drawn: int, tmp_path: Path) -> None:
    figure = contrast_figure(study(seeds))
    for panel in figure.axes:
        assert len(lines(panel, BENIGN)) == len(lines(panel, MALICIOUS)) == drawn
    assert save_figure(figure, tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_the_detectors_area_is_a_median_over_seeds() -> None:
    keys = [("gradient", "cosine"), ("gradient", "top"), ("mine:Method", "cosine"), (ALL, ALL)]
    numbers = [
        (0.9, 0.75, 0.5, 1.0, 0.5, 1.0, 5),
        (0.5, 0.25, None, None, 0.25, 0.25, 1),
        (None, float("nan"), None, None, None, None, 0),
        (0.7, 0.6, None, None, 0.5, 0.7, 3),
    ]
    names = ("auc", "median", "median_low", "median_high", "median_range_low", "median_range_high", "seeds")
    rows = [
        {"method": method, "measure": measure, **dict(zip(names, some, strict=True))}
        for (method, measure), some in zip(keys, numbers, strict=True)
    ]
    table = alarm_table(pd.DataFrame(rows), own=False)
    assert [column.header for column in table.columns] == ["method", "cosine", "top 10 %", "all"]
    assert cells(table) == [
        ["gradient", "0.75 [0.50, 1.00]", "0.25", "–"],
        ["mine:Method", "–", "–", "–"],
        ["all", "–", "–", "0.60, range 0.50 to 0.70"],
    ]
    assert str(table.caption).startswith("median over 0 to 5 seeds; too few seeds for a 95 % interval, which takes 5")
    assert re.search("test samples, in place of the server's own", str(table.title))
    assert "maps of the server's own samples change" in str(alarm_table(pd.DataFrame(rows), own=True).title)
