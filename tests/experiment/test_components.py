from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest

from fedlens.attacks.attack import Attack
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core import registry as components
from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError
from fedlens.core.fields import Component
from fedlens.core.registry import BUILT_IN, build, describe, name_of, resolve
from fedlens.data.adult import Adult
from fedlens.data.dataset import Data
from fedlens.data.partition import Dirichlet, Partition
from fedlens.defences.detector import Detector
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Rule
from fedlens.defences.stage import Stage
from fedlens.explanations.methods.method import Method
from fedlens.goals.goal import Goal
from fedlens.goals.trigger import Trigger
from fedlens.models.model import Model

BASES = {
    "data": Data,
    "partition": Partition,
    "model": Model,
    "aggregation": Rule,
    "stage": Stage,
    "checks": Detector,
    "attack": Attack,
    "goal": Goal,
    "trigger": Trigger,
    "method": Method,
}


class OwnAttack(Attack):
    strength: float = 1

    class Inner(Attack):
        pass


class Shop(Config):
    rule: Annotated[Rule, Component("aggregation")] = Mean()
    attack: Annotated[Attack | None, Component("attack", Attack)] = None


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """The entry points that other packages have, to be filled by the test."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(
        components, "entry_points", lambda group: [point for point in points if point.group == group], raising=True
    )
    components.known.cache_clear()
    yield points
    components.known.cache_clear()


def refusal(kind: str, value: object) -> str:
    with pytest.raises(ConfigError) as caught:
        build(kind, value, BASES[kind])
    return str(caught.value)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in BUILT_IN.items() for name in names])
def test_every_built_in_component_is_found_by_its_name(kind: str, name: str) -> None:
    fields = resolve(kind, name).model_fields.items()
    required = {option: (field.examples or [1])[0] for option, field in fields if field.is_required()}
    component = build(kind, {"name": name, **required}, BASES[kind])
    assert isinstance(component, BASES[kind])
    assert f"{type(component).__module__}:{type(component).__qualname__}" == BUILT_IN[kind][name]
    assert name_of(kind, component) == name
    assert build(kind, describe(kind, component), BASES[kind]) == component


def test_a_component_from_its_name_a_mapping_or_itself() -> None:
    assert build("partition", "dirichlet", Partition) == Dirichlet()
    assert build("partition", {"name": "dirichlet", "alpha": 2}, Partition) == Dirichlet(alpha=2)
    component = Dirichlet(alpha=3)
    assert build("partition", component, Partition) is component


def test_describe_by_hand() -> None:
    assert describe("data", Adult()) == {"name": "adult"}
    assert describe("partition", Dirichlet(alpha=2)) == {"name": "dirichlet", "alpha": 2.0, "least": 1}
    assert describe("attack", ExplicitBoosting(boost=4, delay=2))["boost"] == 4.0


def test_a_class_of_ones_own_is_named_by_its_path() -> None:
    own = OwnAttack(strength=3)
    name = name_of("attack", own)
    assert name == f"{__name__}:OwnAttack"
    assert resolve("attack", name) is OwnAttack
    assert build("attack", describe("attack", own), Attack) == own


def test_a_class_within_a_class_is_found_again() -> None:
    assert resolve("attack", name_of("attack", OwnAttack.Inner())) is OwnAttack.Inner


def test_an_unknown_name_names_the_nearest() -> None:
    assert refusal("attack", "explict-boosting").startswith(
        "attack: there is no 'explict-boosting'; did you mean explicit-boosting?"
    )
    text = refusal("partition", "zzz")
    assert "known: dirichlet, iid" in text
    assert "module:Class" in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5, "expected a name or a mapping with a name, not 5"),
        (["iid"], "expected a name or a mapping with a name, not ['iid']"),
        (None, "not None"),
        ({}, "it needs a name beside it, as partition.name"),
        ({"alpha": 2}, "alpha needs a name beside it, as partition.name"),
        ({"name": 5, "alpha": 2}, "alpha needs a name beside it"),
        (
            {"name": "dirichlet", "alpha": 0},
            "partition.alpha: a number greater than or equal to 0.001 is needed, not 0",
        ),
        ({"name": "iid", "alpha": 1}, "partition.alpha: unknown option; known: samples"),
        ("fedlens.defences.mean:Mean", "is a Mean, which is no Partition"),
        (Mean(), "expected a name"),
    ],
)
def test_what_is_no_component_is_refused(value: object, words: str) -> None:
    text = refusal("partition", value)
    assert text.startswith("partition")
    assert words in text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_module_at_all:Attack", "'no_such_module_at_all' cannot be imported: ModuleNotFoundError"),
        (
            "fedlens.attacks.explicit_boosting:Missing",
            "module 'fedlens.attacks.explicit_boosting' has no class 'Missing'",
        ),
        ("fedlens.attacks.explicit_boosting:", "has no class ''"),
        (":Attack", "cannot be imported"),
        ("fedlens.core.layout:Layout", "is not a configuration class"),
        (
            "fedlens.core.layout:flatten",
            "is not a configuration class; let a class call this function: class Flatten(Attack)",
        ),
        ("fedlens.defences.mean:Mean", "is a Mean, which is no Attack"),
    ],
)
def test_a_path_that_leads_nowhere(path: str, words: str) -> None:
    text = refusal("attack", path)
    assert text.startswith("attack: ")
    assert words in text


def test_another_packages_entry_point_is_a_name(entry_points: list[EntryPoint]) -> None:
    entry_points += [
        EntryPoint("shout", f"{__name__}:OwnAttack", "fedlens.attack"),
        EntryPoint("whisper", f"{__name__}:OwnAttack", "fedlens.aggregation"),
    ]
    component = build("attack", {"name": "shout", "strength": 2}, Attack)
    assert component == OwnAttack(strength=2)
    assert describe("attack", component)["name"] == "shout"
    assert "did you mean shout?" in refusal("attack", "shot")
    assert "there is no 'whisper'" in refusal("attack", "whisper")


def test_an_entry_point_cannot_take_a_name_of_ours(entry_points: list[EntryPoint]) -> None:
    entry_points.append(EntryPoint("explicit-boosting", f"{__name__}:OwnAttack", "fedlens.attack"))
    assert resolve("attack", "explicit-boosting") is ExplicitBoosting


def test_a_component_of_the_running_script_is_named_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "study.py").touch()
    script = SimpleNamespace(__file__=str(file), __spec__=None, Mine=type("Mine", (Attack,), {}))
    script.Mine.__module__ = "__main__"
    monkeypatch.setitem(components.sys.modules, "__main__", script)  # type: ignore[arg-type]
    assert name_of("attack", script.Mine()) == "study:Mine"
    assert resolve("attack", "study:Mine") is script.Mine


@pytest.mark.parametrize("nothing", [None, "none", {"name": "none"}])
def test_an_optional_component_may_be_none(nothing: object) -> None:
    shop = validate(Shop, {"attack": nothing})
    assert shop.attack is None
    assert shop.model_dump(mode="json")["attack"] == "none"


def test_a_component_that_has_to_be_there_may_not_be_none() -> None:
    for nothing in (None, "none"):
        with pytest.raises(ConfigError, match="aggregation"):
            validate(Shop, {"rule": nothing})


def test_a_component_is_written_with_its_name_and_options() -> None:
    shop = Shop(attack=OwnAttack(strength=2))
    described = shop.model_dump(mode="json")
    assert described["rule"] == {"name": "mean"}
    assert described["attack"]["name"] == f"{__name__}:OwnAttack"
    assert described["attack"]["strength"] == 2
    assert validate(Shop, described) == shop
