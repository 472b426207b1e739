"""Components of the chain by their names, of whatever kind they are."""

import pytest
from helpers.stages import First, Long, Pairs

from fedlens.core.errors import ConfigError
from fedlens.core.recorded import Recorded
from fedlens.core.registry import Description, Record
from fedlens.defences import Clip, DistanceCheck, Krum, Mean
from fedlens.defences.links import Link, build_link, kind_of, title

HELPERS = "helpers.stages"
FOUND = Record(needed={"aggregation": Description()})
"""A record whose components may be imported, to find out of which kind they are."""


@pytest.mark.parametrize(
    ("value", "component", "kind", "name"),
    [
        ("mean", Mean(), "aggregation", "mean"),
        ({"name": "krum", "f": 2}, Krum(f=2), "aggregation", "krum"),
        ({"name": "clip", "max_norm": 2}, Clip(max_norm=2), "stage", "clip"),
        ("distances", DistanceCheck(), "checks", "distances"),
        (Mean(), Mean(), "aggregation", "mean"),
        (f"{HELPERS}:First", First(), "aggregation", f"{HELPERS}:First"),
        (f"{HELPERS}:Pairs", Pairs(), "stage", f"{HELPERS}:Pairs"),
        ({"name": f"{HELPERS}:Long", "limit": 3}, Long(limit=3), "checks", f"{HELPERS}:Long"),
    ],
)
def test_components_by_name(value: object, component: Link, kind: str, name: str) -> None:
    built, recorded = (build_link(value, source) for source in (Description(), FOUND))
    assert built == component
    assert [(kind_of(link), title(link)) for link in (built, recorded)] == [(kind, name)] * 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("kram", "aggregation: there is no 'kram'; did you mean krum?"),
        ("distancs", "aggregation: there is no 'distancs'; did you mean distances?"),
        ("clipp", "aggregation: there is no 'clipp'; did you mean clip?"),
        ("xyzzy", "aggregation: there is no 'xyzzy'; known: "),
        ({"name": "distances", "margin": 2}, "aggregation.margin: "),
        ({"name": "clip", "max_norm": 0}, "aggregation.max_norm: "),
        (7, "aggregation: "),
        ({"f": 1}, "aggregation"),
    ],
)
def test_what_is_none(value: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_link(value, Description())
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("kind", ["aggregation", "stage", "checks"])
def test_others_are_of_the_kind_that_was_noted(kind: str) -> None:
    built = build_link("their:Own", Record(notes={kind: {"their:Own": {}}}))
    assert isinstance(built, Recorded)
    assert kind_of(built) == kind
    assert build_link(f"{HELPERS}:Pairs", Record(classes={("stage", f"{HELPERS}:Pairs"): Pairs})) == Pairs()
    assert kind_of(build_link("their:Own", Record())) == "aggregation"
