"""The numbers that attacks, goals and triggers have by default: the sources', or ours where they are silent."""

from dataclasses import FrozenInstanceError, is_dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from attacker import ADDRESS, look

import fedlens.attacks
import fedlens.goals
from fedlens.attacks.constraint import Constraint
from fedlens.attacks.team import Member
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.registry import BUILT_IN, resolve

UNTARGETED = {"objective": "untargeted", "boost": 1}
PATIENCE = {"epochs": 5, "threshold": 1e-6, "check_every": 100, "step_cap": 1000}
TRAINING = {"epochs": None, "learning_rate": None}
POISONED = {**TRAINING, "data_rep": 10}

ATTACKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "explicit-boosting": ({**PATIENCE, "objective": "targeted", "weights_only": False}, {}),
    "implicit-boosting": (PATIENCE, {"aims": True}),
    "simultaneous-training": ({"epochs": 5, "weights_only": False}, {"aims": True}),
    "alternating-minimisation": (
        {
            "objective": "targeted",
            "epochs": 10,
            "order": "benign-first",
            "ls": 10,
            "malicious_steps": 1,
            "malicious_learning_rate": None,
            "malicious_dropout": True,
            "constraint": None,
            "evaluate_at": "local",
            "confidence": 0.9,
            "weights_only": False,
        },
        {},
    ),
    "data-poisoning": ({"boost": 1, "data_rep": 10}, {"aims": True}),
    "honest": ({"boost": 1}, {}),
    "inner-product-manipulation": (UNTARGETED, {"sight": "all"}),
    "adaptive-ipm": (
        {**UNTARGETED, "candidates": (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)},
        {"sight": "all", "needs_rule": True},
    ),
    "sign-flipping": ({**UNTARGETED, "c": 1, "flips": "own"}, {}),
    "a-little-is-enough": (
        {**UNTARGETED, "sees": "team", "z": "auto", "sigma": "population", "sign": "minus"},
        {"sight": "team", "reach_logged_as": "z"},
    ),
    "min-max": ({**UNTARGETED, "sees": "all", "direction": "std"}, {"sight": "all", "reach_logged_as": "gamma"}),
    "min-sum": (
        {**UNTARGETED, "sees": "all", "direction": "std", "bound": "max"},
        {"sight": "all", "reach_logged_as": "gamma"},
    ),
    "fang-trimmed-mean": ({**UNTARGETED, "sees": "all", "b": 2, "sigma": "population"}, {"sight": "all"}),
    "fang-krum": (
        {**UNTARGETED, "sees": "all", "epsilon": 0.01, "threshold": 1e-5},
        {"sight": "all", "needs_rule": True, "reach_logged_as": "chosen"},
    ),
    "gaussian": ({**UNTARGETED, "form": "alone", "sigma": 200}, {}),
    "free-rider": ({**UNTARGETED, "form": "zero", "sigma": 0, "decay": 1}, {}),
    "mimic": ({**UNTARGETED, "warm_up": 10}, {"sight": "all"}),
    "agr-tailored": (
        {**UNTARGETED, "direction": "std", "criterion": "auto", "start": 10, "tolerance": 1e-5},
        {"sight": "all", "needs_rule": True, "reach_logged_as": "gamma"},
    ),
    "badnets": ({"boost": 1}, {"aims": True, "least_parts": 1}),
    "dba": (
        {**TRAINING, "boost": 1, "shots": "every-round", "first": 12, "every": 2},
        {"aims": True, "least_parts": 2},
    ),
    "model-replacement": (POISONED, {"aims": True}),
    "train-and-scale": (POISONED, {"aims": True}),
    "constrain-and-scale": ({**POISONED, "anomaly": "l2"}, {"aims": True}),
    "pgd": ({**POISONED, "boost": 1, "radius": 3, "norm": "l2", "every": 10}, {"aims": True}),
    "neurotoxin": ({**POISONED, "boost": 1, "top": 0.05, "radius": None}, {"aims": True, "remembers": 1}),
    "label-flipping": ({**UNTARGETED, "form": "reverse", "source": None, "target": None}, {}),
    "dynamic-label-flipping": ({**UNTARGETED, "epochs": None}, {"sight": "team"}),
    "a3fl": (
        {"boost": 1, "steps": 200, "rate": 0.01, "balance": 0.01, "unlearn_epochs": 5, "unlearn_every": 1},
        {"sight": "team", "aims": True, "least_parts": 1, "trains_trigger": True},
    ),
    "chameleon": (
        {
            **POISONED,
            "boost": 1,
            "temperature": 0.07,
            "weight": 2,
            "encoder_epochs": 10,
            "encoder_learning_rate": None,
            "radius": 5,
        },
        {"aims": True},
    ),
    "anticipate": (
        {
            "boost": 1,
            "sees": "team",
            "caution": 0.85,
            "bootstraps": 10,
            "scenarios": 6,
            "iterations": 3,
            "held_back": 0.3,
            "accuracy_limit": 0.02,
            "accuracy_price": 1,
            "doubt": 2,
            "confidence": 0.95,
            "warm_starts": True,
            "feedback": True,
        },
        {"sight": "team", "needs_rule": True, "remembers": 1},
    ),
}
"""What an attack's options are by default, and what else its class says, where that is not every attack's."""

EVERY = {"client": None, "delay": 0, "until": None, "hold_off": None, "boost": "auto", "estimate": None, "claim": 1}
SAID = {
    "sight": "own", "needs_rule": False, "aims": False, "reach_logged_as": "", "least_parts": 0,
    "trains_trigger": False, "remembers": 0,
}  # fmt: skip
REQUIRED = {
    "inner-product-manipulation": {"eps": 0.5},
    "train-and-scale": {"bound": 0.5},
    "constrain-and-scale": {"alpha": 0.5},
}

GOALS: dict[str, dict[str, Any]] = {
    "backdoor": {"trigger": None, "target": None, "source": None, "share": 0.3},
    "damage": {},
    "pixel-patch": {"place": "lower-right", "size": 3, "value": None},
    "blended": {"alpha": 0.2, "pattern": 0, "low": None, "high": None},
    "distributed": {"size": 4, "gap": 2, "place": (0, 0), "value": None},
    "feature-values": {"values": {}, "columns": {}},
    "token-sequence": {"text": "", "tokens": (), "place": "end"},
    "trained-patch": {"size": 5, "place": (2, 2), "start": 0.5, "pattern": None, "low": None, "high": None},
}


def test_the_tables_have_everything() -> None:
    assert ATTACKS.keys() == BUILT_IN["attack"].keys()
    assert GOALS.keys() == BUILT_IN["goal"].keys() | BUILT_IN["trigger"].keys()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_by_default(name: str) -> None:
    options, said = ATTACKS[name]
    attack = validate(resolve("attack", name), REQUIRED.get(name, {}))
    values = {**EVERY, **options, **REQUIRED.get(name, {})}
    assert {option: getattr(attack, option) for option in type(attack).model_fields} == values
    assert {what: getattr(attack, what) for what in SAID} == {**SAID, **said}


@pytest.mark.parametrize("name", GOALS)
def test_a_goal_or_trigger_by_default(name: str) -> None:
    component = resolve("goal" if name in BUILT_IN["goal"] else "trigger", name)()
    assert {option: getattr(component, option) for option in type(component).model_fields} == GOALS[name]


@pytest.mark.parametrize(
    ("name", "options", "refused"),
    [
        ("explicit-boosting", {"until": 2}, None),  # its first round is the only one
        ("explicit-boosting", {"until": 4, "delay": 3}, None),
        ("explicit-boosting", {"epochs": 20, "step_cap": 20}, None),
        ("explicit-boosting", {"epochs": 21, "step_cap": 20}, "step_cap"),
        ("explicit-boosting", {"boost": 0.5}, None),
        ("explicit-boosting", {"hold_off": 1}, None),
        ("adaptive-ipm", {"candidates": (3,)}, None),
        ("adaptive-ipm", {"candidates": ()}, "candidates"),
        ("fang-trimmed-mean", {"b": 1.5}, None),
        ("fang-trimmed-mean", {"b": 1}, "b"),
        ("inner-product-manipulation", {"eps": 0}, "eps"),
        ("sign-flipping", {"c": 0}, "c"),
        ("implicit-boosting", {"threshold": 0}, "threshold"),
        ("a3fl", {"balance": -0.01}, "balance"),
        ("alternating-minimisation", {"confidence": 0.999}, None),
        ("constrain-and-scale", {"alpha": 1}, None),
        ("neurotoxin", {"top": 0.999}, None),
        ("label-flipping", {"form": "class", "source": 0, "target": 1}, None),
    ],
)
def test_the_ends_of_what_is_possible(name: str, options: dict[str, Any], refused: str | None) -> None:
    if refused is None:
        assert validate(resolve("attack", name), options)
    else:
        with pytest.raises(ConfigError, match=refused):
            validate(resolve("attack", name), options)


@pytest.mark.parametrize(
    ("name", "option", "example"),
    [
        ("inner-product-manipulation", "eps", 0.5),
        ("train-and-scale", "bound", 10.0),
        ("constrain-and-scale", "alpha", 0.7),
        ("feature-values", "values", {"capital-gain": 99999}),
        ("feature-values", "columns", {0: 1}),
    ],
)
def test_what_is_suggested_where_there_is_no_default(name: str, option: str, example: object) -> None:
    kind = "attack" if name in BUILT_IN["attack"] else "trigger"
    assert resolve(kind, name).model_fields[option].examples == [example]


def test_a_view_or_member_that_is_told_nothing_more() -> None:
    view = look()
    assert (view.place, view.classes, view.mates_alpha, view.team_alpha) == (0, 0, 0, 0.1)
    assert Member(3, 0.1, view.shard, ADDRESS).classes == 0


def test_the_constraint_of_the_authors_configuration() -> None:
    assert Constraint() == Constraint(reference="global", norm="l2", rho=1e-4)


def values_in(package: Any) -> list[type]:
    modules = [import_module(f"{package.__name__}.{module.name}") for module in iter_modules(package.__path__)]
    classes = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    return [one for one in classes if is_dataclass(one) and one.__module__.startswith(package.__name__)]


def test_values_that_are_passed_round_cannot_be_changed() -> None:
    found = [*values_in(fedlens.attacks), *values_in(fedlens.goals)]
    assert {"View", "Team", "Crafted", "Standing", "Success", "KnownUpdates"} <= {one.__name__ for one in found}
    for one in found:
        with pytest.raises(FrozenInstanceError):
            one.__new__(one).anything = 1
