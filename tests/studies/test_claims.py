"""The file of claims: complete, sound, and with the bounds of the project's design."""

import pytest

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.experiment.presets import presets
from fedlens.studies.paper.claims import Part, claims, drawings
from fedlens.studies.paper.explained import COMPARED
from fedlens.studies.paper.measures import MEASURES

PART = {"what": "a number", "measure": "final_confidence", "of": ["fig1-explicit"], "paper": "near 1"}


def test_every_claim_is_there() -> None:
    assert list(claims()) == [f"C{number}" for number in range(1, 20)]


def test_every_part_is_of_panels_that_exist() -> None:
    quick = {name for name, preset in presets().items() if name == preset.scales.get("quick")}
    panels = {name for name in quick if presets()[name].negative is None}
    measured = {name for claim in claims().values() for part in claim.parts for name in part.of}
    drawn = {name for drawing in drawings().values() for name in drawing.of}
    assert measured | drawn == panels


def test_every_measure_is_used() -> None:
    assert {part.measure for claim in claims().values() for part in claim.parts} == {*MEASURES, *COMPARED}


def test_a_claim_without_parts_says_why() -> None:
    assert [number for number, claim in claims().items() if not claim.parts and not claim.remark] == []


@pytest.mark.parametrize(
    ("bound", "inside", "outside"),
    [
        ({"at_least": 0.5}, [0.5, 0.6], [0.49]),
        ({"at_most": 0.5}, [0.5, 0.4], [0.51]),
        ({"above": 0.5}, [0.6], [0.5, 0.4]),
        ({"below": 0.5}, [0.4], [0.5, 0.6]),
        ({"at_least": 0}, [0.0], [-0.1]),
        ({"at_least": 2, "at_most": 6}, [2, 4, 6], [1, 7]),
        ({}, [-1.0, 1.0], []),
    ],
)
def test_bounds(bound: dict[str, float], inside: list[float], outside: list[float]) -> None:
    part = validate(Part, PART | bound)
    assert part.decides == bool(bound)
    assert [part.holds(value) for value in inside + outside] == [True] * len(inside) + [False] * len(outside)


def test_rounding_does_not_decide() -> None:
    assert 0.87 - 0.88 < -0.01  # but not to anyone who computes with a pencil
    assert validate(Part, PART | {"at_least": -0.01}).holds(0.87 - 0.88)
    assert validate(Part, PART | {"at_most": 0.1}).holds(0.3 - 0.2 + 1e-16)
    assert not validate(Part, PART | {"at_least": -0.01}).holds(-0.0100001)
    assert not validate(Part, PART | {"above": 0.1}).holds(0.3 - 0.2 + 1e-16)
    assert not validate(Part, PART | {"below": -0.01}).holds(0.87 - 0.88)


def test_how_a_bound_is_printed() -> None:
    assert validate(Part, PART | {"at_least": 0.9}).bound() == "≥ 0.9"
    assert validate(Part, PART | {"at_least": 2, "at_most": 6}).bound() == "≥ 2 ≤ 6"
    assert validate(Part, PART).bound() == ""


@pytest.mark.parametrize(
    "change",
    [
        {"measure": "final_confidense"},
        {"at_least": 1, "below": 2},
        {"at_least": 2, "at_most": 1},
        {"only": ["tiny"]},
        {"of": []},
        {"of": ["fig1-explicit", "fig4-alternating", "fig7-explicit"]},
    ],
)
def test_what_is_no_part(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        validate(Part, PART | change)
