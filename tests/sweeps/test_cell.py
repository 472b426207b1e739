from typing import Any

import pytest

from fedlens.sweeps.cell import label, make_cell, matches


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("mean", "mean"),
        ({"name": "mean"}, "mean"),
        ({"name": "krum", "f": 1}, "krum(f=1)"),
        ({"alpha": 0.5}, "(alpha=0.5)"),
        ({"name": "krum", "squared": False, "share": 2.0}, "krum(squared=false, share=2)"),
        ({"name": "alternating", "constraint": {"reference": "self"}}, "alternating(constraint.reference=self)"),
        ({}, "()"),
        (["distances", {"name": "accuracy", "threshold": 0.1}], "distances+accuracy(threshold=0.1)"),
        ([], "none"),
        (None, "none"),
        (3, 3),
        (0.5, 0.5),
        (True, True),
    ],
)
def test_labels(value: Any, word: Any) -> None:
    assert label(value) == word
    assert type(label(value)) is type(word)


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        (None, "none", True),
        ({"name": "krum", "f": 1}, "krum", True),
        ({"name": "krum", "f": 1}, {"name": "krum", "f": 2}, False),
        ("mean", ["krum", "mean"], True),
        (["distances"], ["distances"], True),
        (["distances", "statistics"], ["distances"], False),
        (5, [], False),
    ],
)
def test_matches(value: Any, wanted: Any, expected: bool) -> None:
    assert matches(value, wanted) is expected


def test_impossible_cells_are_told_apart() -> None:
    one, other = (make_cell({}, {}, {"rounds": rounds}) for rounds in (-1, -2))
    assert one.experiment is None
    assert one.key != other.key
    assert one.key == make_cell({}, {}, {"rounds": -1}).key
