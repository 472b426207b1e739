"""The table of accuracies by class."""

from dataclasses import replace
from typing import Any

from rich.table import Table

import fedlens
from fedlens.report.terminal.classes import classes_table


def rows(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def run_of(made: Any, names: list[str], ours: list[float | None], twin: list[float | None] | None) -> fedlens.Run:
    def round_(accuracies: list[float | None]) -> dict[str, Any]:
        return {"quality": {"per_class": accuracies}}

    rounds = [round_([0.0] * len(names)) | {"control": None}, round_(ours) | {"control": twin and round_(twin)}]
    run: fedlens.Run = made(rounds)
    return replace(run, target=replace(run.target, classes=names))


def test_the_last_round_stands_beside_the_control(made: Any) -> None:
    table = classes_table(run_of(made, ["cat", "dog", "cow"], [0.75, None, 0.5], [0.875, None, 0.25]))
    assert table.title == "after round 2"
    assert [column.header for column in table.columns] == [
        "accuracy in class",
        "without attack",
        "explicit-boosting",
        "points",
    ]
    assert rows(table) == [["cat", "87.5 %", "75.0 %", "−12.5"], ["cow", "25.0 %", "50.0 %", "+25.0"]]
    assert table.caption is None


def test_without_control_there_is_nothing_to_compare_with(made: Any) -> None:
    table = classes_table(run_of(made, ["cat", "dog"], [0.75, 0.5], None))
    assert rows(table) == [["cat", "75.0 %"], ["dog", "50.0 %"]]


def test_of_many_classes_those_are_shown_that_lost_most(made: Any) -> None:
    names = [f"class {number}" for number in range(12)]
    ours: list[float | None] = [1 - number / 100 for number in range(12)]
    table = classes_table(run_of(made, names, ours, [1.0] * 12))
    assert [row[0] for row in rows(table)] == names[:1:-1]
    assert table.caption == "the 10 of 12 classes that lost most"
    alone = classes_table(run_of(made, names, ours, None))
    assert [row[0] for row in rows(alone)] == names[:1:-1]
    assert alone.caption == "the 10 of 12 classes that do worst"


def test_a_run_without_attack_is_named_so(plain: fedlens.Run) -> None:
    table = classes_table(plain)
    assert [column.header for column in table.columns] == ["accuracy in class", "without attack"]
    assert len(rows(table)) == 10
