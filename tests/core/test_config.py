import math
import shlex
from typing import Any

import pytest
from pydantic import Field, model_validator

from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError
from fedlens.core.suggest import PAPER_SYMBOLS, likeliest, nearest
from fedlens.experiment.experiment import Experiment
from fedlens.runs.loading import override

BOOSTING = "explicit-boosting"


class Oven(Config):
    degrees: float = Field(default=200, gt=0)
    fan: bool = False


class Kitchen(Config):
    oven: Oven = Oven()
    width: int
    depth: int | str = 3

    @model_validator(mode="after")
    def _fits(self) -> "Kitchen":
        if self.width < 2:
            raise ValueError("too narrow")
        return self


def message(values: dict[Any, Any], model: type[Config] = Experiment, prefix: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        validate(model, values, prefix)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "place", "meant"),
    [
        ({"clints": 3}, "clints", "clients"),
        ({"atack": "none"}, "atack", "attack"),
        ({"local": {"epoch": 3}}, "local.epoch", "local.epochs"),
        ({"local": {"batchsize": 3}}, "local.batchsize", "local.batch_size"),
        ({"target": {"indx": 3}}, "target.indx", "target.index"),
        ({"attack": {"name": BOOSTING, "bost": 3}}, "attack.bost", "attack.boost"),
        ({"attack": {"name": BOOSTING, "weight_only": True}}, "attack.weight_only", "attack.weights_only"),
        ({"partition": {"name": "dirichlet", "alfa": 1}}, "partition.alfa", "partition.alpha"),
    ],
)
def test_a_misspelt_option_names_the_nearest(values: dict[str, Any], place: str, meant: str) -> None:
    assert message(values) == f"{place}: unknown option; did you mean {meant}?"


def test_an_option_like_no_other_lists_all_that_are_known() -> None:
    assert message({"local": {"xyz": 1}}).endswith(
        "unknown option; known: augmentation, batch_size, buffers, client_momentum, epochs, learning_rate, loss, "
        "optimizer, precision, proximal, replacement, schedule, steps"
    )
    assert message({"aggregation": {"name": "mean", "f": 1}}) == "aggregation.f: unknown option; it has no options"


@pytest.mark.parametrize(
    ("values", "symbol", "ours"),
    [
        ({"K": 10}, "K", "clients"),
        ({"C": 0.1}, "C", "fraction"),
        ({"T": 40}, "T", "rounds"),
        ({"E": 5}, "E", "local.epochs"),
        ({"local": {"B": 100}}, "B", "local.batch_size"),
        ({"r": 10}, "r", "target.r"),
        ({"attack": {"name": BOOSTING, "lambda": 10}}, "lambda", "attack.boost"),
        ({"attack": {"name": BOOSTING, "E_m": 10}}, "E_m", "attack.epochs"),
    ],
)
def test_the_papers_symbols_are_translated(values: dict[str, Any], symbol: str, ours: str) -> None:
    assert message(values).endswith(f"unknown option; the paper's {symbol} is called {ours} here")


def test_every_translation_exists() -> None:
    described = validate(Experiment, {"attack": BOOSTING}).describe()
    for name in PAPER_SYMBOLS.values():
        owner, _, option = name.rpartition(".")
        assert option in (described[owner] if owner else described)


def test_nearest() -> None:
    assert nearest("colour", ["color", "flavour"], "cake.") == "did you mean cake.color?"
    assert nearest("qqq", ["b", "a"]) == "known: a, b"
    assert nearest("qqq", []) == "it has no options"
    assert nearest("qqq", ["b", "a"], listing="`fedlens list`") == "`fedlens list` has all that are known"
    assert nearest("zz", [f"a{number:02}" for number in range(30)]).endswith("a23 and 6 more")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("acc", "accuracy"),
        ("Accuracy", "accuracy"),
        ("boost", "attack.boost"),
        ("bost", "attack.boost"),
        ("share", "malicious_share"),
        ("attack.boots", "attack.boost"),
        ("x", None),
        ("zebra", None),
    ],
)
def test_a_word_may_be_the_beginning_the_end_or_a_part_of_what_was_meant(word: str, meant: str | None) -> None:
    known = ["accuracy", "accuracy.>50K", "attack.boost", "control_accuracy", "malicious_share", "rounds"]
    assert likeliest(word, known) == meant


@pytest.mark.parametrize(
    ("values", "place", "right"),
    [
        ({"clients": 0}, "clients", "greater than 0"),
        ({"clients": -3}, "clients", "greater than 0"),
        ({"clients": 2.5}, "clients", "a whole number is needed"),
        ({"clients": "ten"}, "clients", "a whole number is needed"),
        ({"fraction": 0}, "fraction", "greater than 0"),
        ({"fraction": 1.01}, "fraction", "less than or equal to 1"),
        ({"fraction": math.nan}, "fraction", "finite"),
        ({"rounds": 0}, "rounds", "greater than 0"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"seed": 2**63}, "seed", "less than 9223372036854775808"),
        ({"target": {"draw": 2**63}}, "target.draw", "less than 9223372036854775808"),
        ({"stop_at": 1.5}, "stop_at", "less than or equal to 1"),
        ({"stop_at": 0}, "stop_at", "greater than 0"),
        ({"stop_at": math.nan}, "stop_at", "finite"),
        ({"control": "maybe"}, "control", "true or false is needed"),
        ({"name": "a/b"}, "name", "pattern"),
        ({"name": ""}, "name", "pattern"),
        ({"local": {"learning_rate": 0}}, "local.learning_rate", "greater than 0"),
        ({"local": {"learning_rate": -1e-3}}, "local.learning_rate", "greater than 0"),
        ({"local": {"learning_rate": math.inf}}, "local.learning_rate", "finite"),
        ({"local": {"epochs": 0}}, "local.epochs", "greater than 0"),
        ({"local": {"epochs": math.nan}}, "local.epochs", "finite"),
        ({"local": {"steps": 0}}, "local.steps", "greater than 0"),
        ({"local": {"batch_size": 0}}, "local.batch_size", "greater than 0"),
        ({"local": {"optimizer": "adagrad"}}, "local.optimizer", "'adam', 'sgd' or 'adamw'"),
        ({"target": {"r": 0}}, "target.r", "greater than 0"),
        ({"target": {"select": "resistent"}}, "target.select", "'random', 'resistant' or 'edge'"),
        ({"target": {"index": [3, -1]}}, "target.index.1", "greater than or equal to 0"),
        ({"attack": {"name": BOOSTING, "boost": 0}}, "attack.boost", "'auto' or a number greater than 0 is needed"),
        ({"attack": {"name": BOOSTING, "boost": -2}}, "attack.boost", "'auto' or a number greater than 0 is needed"),
        ({"attack": {"name": BOOSTING, "boost": math.nan}}, "attack.boost", "'auto' or a finite number"),
        ({"attack": {"name": BOOSTING, "boost": "atuo"}}, "attack.boost", "'auto' or a number is needed"),
        ({"attack": {"name": BOOSTING, "client": -1}}, "attack.client", "greater than or equal to 0"),
        ({"attack": {"name": BOOSTING, "delay": -1}}, "attack.delay", "greater than or equal to 0"),
        ({"attack": {"name": BOOSTING, "hold_off": 1.1}}, "attack.hold_off", "less than or equal to 1"),
        ({"attack": {"name": BOOSTING, "epochs": 0}}, "attack.epochs", "greater than 0"),
        ({"attack": {"name": BOOSTING, "threshold": 0}}, "attack.threshold", "greater than 0"),
    ],
)
def test_an_impossible_value_names_its_place_and_what_would_be_right(
    values: dict[str, Any], place: str, right: str
) -> None:
    text = message(values)
    value: Any = values
    for part in place.split("."):
        value = value[int(part) if part.isdigit() else part]
    assert text.startswith(f"{place}: ")
    assert right in text
    assert f"not {value!r}; e.g. -o " in text
    assert "\n" not in text
    words = shlex.split(text.partition("; e.g. ")[2])
    assert words[0] == "-o"
    validate(Experiment, override(values, words[1:]))  # what is suggested is right


def test_every_mistake_has_a_line() -> None:
    text = message({"clints": 3, "rounds": 0, "local": {"epoch": 1}, "attack": "exlicit-boosting"})
    assert sorted(line.partition(":")[0] for line in text.splitlines()) == ["attack", "clints", "local.epoch", "rounds"]


def test_keys_are_text() -> None:
    assert message({1: 2}).startswith("1: keys should be strings")


def test_a_prefix_stands_before_the_place() -> None:
    assert message({"width": 5, "oven": {"degres": 3}}, Kitchen, "house").startswith("house.oven.degres: unknown")
    assert message({"width": 5, "widht": 5}, Kitchen, "house").endswith("did you mean house.width?")
    assert message({}, Kitchen, "house") == "house.width is required, e.g. -o house.width=1"
    assert message({"width": 1}, Kitchen, "house") == "house: too narrow"
    assert message({"width": 1}, Kitchen) == "too narrow"


def test_the_branches_of_a_union_are_one_line() -> None:
    text = message({"width": 5, "depth": 2.5}, Kitchen)
    assert text == "depth: a whole number or a word is needed, not 2.5; e.g. -o depth=3"


def test_a_default_is_validated_too() -> None:
    class Broken(Config):
        share: float = Field(default=2, le=1)

    assert "share" in message({}, Broken)


def test_a_description_is_frozen() -> None:
    oven = Oven()
    with pytest.raises(AttributeError, match=r"^degrees cannot be set, for Oven is frozen; compute it"):
        oven.degrees = 100  # type: ignore[misc]


def test_a_valid_description_is_built() -> None:
    kitchen = validate(Kitchen, {"width": 4, "oven": {"fan": True}})
    assert kitchen == Kitchen(oven=Oven(degrees=200, fan=True), width=4, depth=3)
