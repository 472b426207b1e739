from io import StringIO

import pytest
import torch
from pairs import CLASSES, pair_of
from rich.console import Console
from rich.table import Table

from fedlens.data.dataset import Samples
from fedlens.explanations.maps import Maps
from fedlens.explanations.model_pair import ModelPair
from fedlens.report.terminal.likeness import likeness_table, said_table


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def three() -> ModelPair:
    """Samples 7, 2 and 5, whose maps are equal, opposite and of no likeness, but for the class wanted all equal."""
    shares = torch.tensor([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3], [0.25, 0.15, 0.6]])
    predicted, wanted = shares.argmax(1), torch.tensor([2, 0, 1])
    first = torch.tensor([[1.0, 0], [1, 0], [1, 0]])
    second = torch.tensor([[2.0, 0], [-3, 0], [0, 1]])
    found = {
        ("benign", "predicted"): Maps(predicted, predicted, shares, {"gradient": first}),
        ("attacked", "predicted"): Maps(predicted, predicted, shares, {"gradient": second}),
        ("benign", "target"): Maps(wanted, predicted, shares, {"gradient": first}),
        ("attacked", "target"): Maps(wanted, predicted, shares, {"gradient": first}),
    }
    return ModelPair([7, 2, 5], Samples(first, torch.tensor([0, 1, 1])), [2, 0, 1], found)


def test_what_the_models_say() -> None:
    table = said_table(three(), CLASSES, [7, 5], 2)
    assert cells(table) == [
        ["7 (target)", "sandal", "sandal, 70.0 %", "sandal, 70.0 %", "$5 to $10: 20.0 %, then 20.0 %"],
        ["2", "coat", "coat, 50.0 %", "coat, 50.0 %", "sandal: 20.0 %, then 20.0 %"],
    ]
    columns = [column.header for column in table.columns]
    assert columns == ["test sample", "class", "benign model says", "attacked model says", "wanted by the attack"]


def test_class_names_are_no_markup() -> None:
    table = said_table(pair_of(torch.rand(4), {"gradient": [torch.rand(4)]}), ("[red]a", "b", "[/c]"), [7], 4)
    console = Console(width=200, file=StringIO(), record=True)
    console.print(table)
    written = console.export_text()
    assert "[red]a, 75.0 %" in written
    assert "[/c]: 20.0 %, then 60.0 %" in written


def test_means_for_targets_and_for_other_samples() -> None:
    targets, others = likeness_table(three(), [7])
    assert str(targets.title).endswith("the target, reasons for the class wanted by the attack (1 sample)")
    assert str(others.title).endswith("other samples, reasons for the class predicted (2 samples)")
    assert [column.header for column in others.columns] == ["method", "rank correlation", "cosine", "top 10 %"]
    assert cells(targets) == [["gradient", "1.00", "1.00", "1.00"]]
    assert cells(others) == [["gradient", "-1.00", "-0.50", "0.50"]]


@pytest.mark.parametrize(("target", "word"), [((), "other samples"), ((7, 2, 5, 9), "the target")])
def test_a_table_only_of_what_there_is(target: tuple[int, ...], word: str) -> None:
    (table,) = likeness_table(three(), target)
    assert word in str(table.title)
    assert "(3 samples)" in str(table.title)
