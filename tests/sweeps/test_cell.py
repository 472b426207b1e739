from typing import Any

import pytest

from fedlens.experiment.cell import label, matches
from fedlens.sweeps.make_cell import make_cell


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


TYPED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "numbers as text": (
        {"local.learning_rate": "1e-3", "rounds": "010", "attack.boost": "2", "seed": "7"},
        {"local.learning_rate": 0.001, "rounds": 10, "attack.boost": 2.0, "seed": 7},
    ),
    "words": ({"attack.boost": "auto", "target.select": "random"}, {"attack.boost": "auto", "target.select": "random"}),
    "a component by name": ({"data": "digits"}, {"data": "digits"}),
    "a component by its long name": ({"aggregation": "fedlens.defences.mean:Mean"}, {"aggregation": "mean"}),
    "a component with options": (
        {"aggregation": {"name": "krum", "f": "1"}, "attack.boost": 5},
        {"aggregation": "krum(f=1)", "attack.boost": 5.0},
    ),
    "a component with an option at its default": (
        {"partition": {"name": "dirichlet", "alpha": "5e-1"}},
        {"partition": "dirichlet(alpha=0.5)"},
    ),
    "options together": ({"local": {"epochs": "1e0", "batch_size": "020"}}, {"local": "(epochs=1, batch_size=20)"}),
    "one check": ({"checks": "distances"}, {"checks": "distances"}),
    "one check with an option": (
        {"checks": {"name": "distances", "margin": "1e-1"}},
        {"checks": "distances(margin=0.1)"},
    ),
    "checks": (
        {"checks": ["distances", {"name": "statistics", "bins": "0100"}]},
        {"checks": "distances+statistics(bins=100)"},
    ),
    "no checks": ({"checks": "none", "attack.estimate": None}, {"checks": "none", "attack.estimate": "none"}),
    "no attack": ({"attack": None, "attack.boost": 2}, {"attack": "none"}),
    "one index": ({"target.index": 3, "target.target": 1}, {"target.index": 3, "target.target": 1}),
    "truths": ({"control": False}, {"control": False}),
}


@pytest.mark.parametrize("what", TYPED)
def test_labels_are_of_validated_values(what: str) -> None:
    typed, expected = TYPED[what]
    cell = make_cell({"attack": "explicit-boosting", "control": True}, {}, typed)
    assert cell.error == ""
    assert cell.labels == expected
    assert [type(value) for value in cell.labels.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(("typed", "plain"), [("1e-3", 0.001), ("0.0010", 0.001), (1e-3, "0.001")])
def test_however_a_value_is_typed_it_is_the_same_cell(typed: Any, plain: Any) -> None:
    one, other = (make_cell({}, {}, {"local.learning_rate": value}) for value in (typed, plain))
    assert one.key == other.key
    assert one.labels == other.labels
    assert matches(typed, plain)
    assert matches(plain, [2, typed])
    assert not matches(typed, "0.002")
    assert not matches(True, "1")
