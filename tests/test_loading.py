import re
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from time import perf_counter

import pytest
import yaml

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import ConfigError, DataError
from fedlens.core.parsing import dump_yaml
from fedlens.core.registry import describe
from fedlens.experiment.experiment import Experiment
from fedlens.runs.loading import load_experiment, naming_lines, override, parse_assignment, parse_yaml, put

Write = Callable[..., str]

OWN_ATTACK = """
from fedlens import Attack

class Flip(Attack):
    strength: float = 1

    def craft(self, view):
        return -self.strength * view.train()

class NoAttack:
    pass
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an experiment's file and gives its path."""

    def save(text: str, name: str = "study.yaml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return save


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the user works."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def refusal(source: str, *assignments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(source, assignments)
    return str(caught.value)


# Presets and files


def test_the_quickstart() -> None:
    quickstart = load_experiment("quickstart")
    assert (quickstart.clients, quickstart.rounds, quickstart.local.batch_size) == (10, 8, 50)
    assert quickstart.attack == ExplicitBoosting()


def test_a_file(write: Write) -> None:
    experiment = load_experiment(write("clients: 4\nlocal: {steps: 3}\nattack: explicit-boosting\n"))
    assert (experiment.clients, experiment.local.steps, experiment.local.epochs) == (4, 3, None)
    assert experiment.attack == ExplicitBoosting()


def test_the_directory_of_a_run(write: Write, tmp_path: Path) -> None:
    write("clients: 6\n", "experiment.yaml")
    assert load_experiment(str(tmp_path)).clients == 6


def test_a_directory_without_a_run(tmp_path: Path) -> None:
    assert "there is no preset or file" in refusal(str(tmp_path))


@pytest.mark.parametrize("name", ["quickstrat", "quick-start", "Quickstart"])
def test_an_unknown_preset_names_the_nearest(name: str) -> None:
    assert refusal(name) == f"there is no preset or file {name!r}; did you mean quickstart?"


def test_a_name_like_no_preset_says_where_they_are_listed() -> None:
    assert refusal("zzzzz") == "there is no preset or file 'zzzzz'; `fedlens list presets` has all that are known"


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("quikstart.yaml", "did you mean quickstart?"),
        ("study.yml", "did you mean study.yaml?"),
        ("nowhere/study.yaml", "give its path, or take a preset, e.g. quickstart"),
        ("zzzzz.yaml", "give its path, or take a preset, e.g. quickstart"),
    ],
)
def test_a_file_that_is_not_there_is_not_taken_for_a_preset(here: Path, source: str, remedy: str) -> None:
    (here / "study.yaml").touch()
    assert refusal(source) == f"{source}: there is no such file; {remedy}"


def test_what_is_missing_and_what_would_be_refused_next_are_told_at_once() -> None:
    told = refusal("quickstart", "aggregation=krum").splitlines()
    assert told[0] == "aggregation.f is required, e.g. -o aggregation.f=1"
    assert told[1].endswith("e.g. -o attack.boost=10")
    remedies = [word.partition(" ")[0] for line in told for word in line.split("-o ")[1:]]
    assert load_experiment("quickstart", ["aggregation=krum", *remedies]).attack == ExplicitBoosting(boost=10)


@pytest.mark.parametrize(("text", "found"), [("- clients", "list"), ("clients", "str"), ("7", "int")])
def test_a_file_must_hold_options(write: Write, text: str, found: str) -> None:
    path = write(text)
    assert refusal(path).startswith(f"{path}: expected options and their values, found {found}; e.g. ")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"clients: \xff\xfe")
    assert refusal(str(path)).startswith(f"{path}: cannot be read")


# YAML


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("clients: 3\nrounds: 2\nclients: 4\n", 3, "'clients' is given twice"),
        ("clients: 3\nlocal:\n  steps: 2\n  steps: 3\n", 4, "'steps' is given twice"),
        ("local: {steps: 2, steps: 2}\n", 1, "'steps' is given twice"),
        ("clients: 3\nlocal: [1\n", 3, "expected ',' or ']'"),
        ("clients: 3\nlocal: steps: 3\n", 2, "mapping values are not allowed in this context: 'local: steps: 3'"),
        ("clients: 3\n\tlocal: 3\n", 2, "a tab character that violates indentation: '\\tlocal: 3'"),
        ("clients: 3\nrounds: *none\n", 2, "undefined alias: 'rounds: *none'"),
        ("clients: 3\nrounds: !!python/object/apply:os.getcwd []\n", 2, "could not determine a constructor"),
        ("clients: 3\n? [a, b]\n: 1\n", 2, "['a', 'b'] cannot be a key"),
    ],
)
def test_a_mistake_in_the_yaml_names_file_and_line(write: Write, text: str, line: int, problem: str) -> None:
    path = write(text)
    told = refusal(path)
    assert told.startswith(f"{path}, line {line}: ")
    assert problem in told


NUMBERS = {
    "1e-3": 0.001, "1E3": 1000.0, "-2.5e+1": -25.0, ".5": 0.5, "1.": 1.0, "-7": -7, "+5": 5, "0": 0, "1_000": 1000,
    "0x1F": 31, "0b101": 5, "0o17": 15, ".inf": inf, "-.INF": -inf, "010.5": 10.5,
}  # fmt: skip
TEXTS = [
    "010",
    "-007",
    "12:30",
    "1:1:1",
    "2026-11-26",
    "2020-13-45",
    "1.2.3",
    "1e",
    "e3",
    "+",
    ".",
    "_1",
    "0x",
    "1e-3x",
]


@pytest.mark.parametrize("text", NUMBERS)
def test_what_looks_like_a_number_is_one(text: str) -> None:
    found = parse_yaml(f"- {text}", "here")[0]
    assert (found, type(found)) == (NUMBERS[text], type(NUMBERS[text]))


@pytest.mark.parametrize("text", TEXTS)
def test_what_does_not_look_like_the_number_that_it_was_is_text(text: str) -> None:
    assert parse_yaml(f"a: {text}", "here") == {"a": text}


@pytest.mark.parametrize("text", [*NUMBERS, *TEXTS, "true", "no", "null", "~", "none", "a b", "ä", "", " ", "1_"])
def test_what_is_dumped_is_read_as_it_was_by_any_reader(text: str) -> None:
    dumped = dump_yaml({"a": [text], "b": parse_yaml(f"[{text}]", "here") if text.strip() else 0.001})
    assert parse_yaml(dumped, "here")["a"] == [text]
    assert yaml.safe_load(dumped)["a"] == [text]
    assert dump_yaml(parse_yaml(dumped, "here")) == dumped


def test_numbers_are_validated_as_people_mean_them(write: Write) -> None:
    experiment = load_experiment(write("clients: 010\nrounds: 1e1\nlocal: {learning_rate: 1e-3}\nname: 2026-11-26"))
    assert (experiment.clients, experiment.rounds, experiment.local.learning_rate) == (10, 10, 0.001)
    assert experiment.name == "2026-11-26"
    time = write("rounds: 12:30")
    assert refusal(time) == f"{time}:1: rounds: a whole number is needed, not '12:30'; e.g. -o rounds=10"
    assert "local.learning_rate: a number is needed" in refusal(write("local: {learning_rate: 1:30}"))


def test_merged_mappings() -> None:
    merged = parse_yaml("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", "here")
    assert merged == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


def test_a_mistaken_value_in_a_file(write: Write) -> None:
    file = write("clients: 0\nlocal: {epoch: 3}")
    assert refusal(file).splitlines() == [
        f"{file}:1: clients: a number greater than 0 is needed, not 0; e.g. -o clients=10",
        f"{file}:2: local.epoch: unknown option; did you mean local.epochs?",
    ]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name}\n  <<: [{', '.join([f'*{before}'] * 30)}]\n" for before, name in zip("abcd", "bcde", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 30_000, "more than 40 lists and mappings within each other"),
        ("checks: " + "[" * 30_000 + "]" * 30_000, "more than 40 lists"),
        ("{a: " * 30_000, "more than 40 lists"),
        ("- " * 30_000 + "x", "more than 40 lists"),
        ("\n".join(" " * depth + "a:" for depth in range(60)), "more than 40 lists"),
        ("? " * 10_000, "more than 40 lists"),
        (BOMB, "line 6: more than 250,000 values, those that aliases stand for included"),
        (MERGED, "more than 250,000 values"),
        ("a: &a [*a]", "'a' is part of itself"),
        ("a: &a {b: {c: *a}}", "'a' is part of itself"),
        ("about: [" + "1, " * 4_000_000 + "1]", "longer than 2,097,152 characters"),
        ("about: [" + "1, " * 300_000 + "1]", "more than 250,000 values"),
        ("clients: !!bool maybe", "line 1: 'maybe' is no bool"),
        ("clients: !!int ''", "line 1: '' is no int"),
        ("clients: !!float _", "line 1: '_' is no float"),
        ("clients: !!timestamp x", "line 1: 'x' is no timestamp"),
        (
            "rounds: 3\nclients: 1:1:1",
            "clients: a whole number is needed",
        ),
        (
            "stop_at: 1:30.5",
            "stop_at: a number is needed",
        ),
        ("clients: !!int 1:x", "'1:x' is no number"),
        ("clients: !!int " + "9" * 5000, "is a number of 5,000 characters"),
        ("a: \x00", "characters are not allowed"),
    ],
    ids=range(21),
)
def test_nobody_can_choke_on_a_file(write: Write, text: str, words: str) -> None:
    told = refusal(write(text))
    assert words in told
    assert len(told) < 500


def seconds(call: Callable[[str], object], text: str) -> float:
    """How long a call takes, at best."""
    found = []
    for _ in range(3):
        begun = perf_counter()
        call(text)
        found.append(perf_counter() - begun)
    return min(found)


SHAPES = ["1", "1_", "1.", ".1", "_", "1e", "1e1", "0", "01", "0b1", "0xf", "1:", "-", "+1", "1-1", ".", ".inf"]


@pytest.mark.parametrize("call", [partial(parse_yaml, source="here"), dump_yaml])
@pytest.mark.parametrize("before", ["", "1.", ".1", "1e", "0x", "-1", "12:", "2026-11-"])
def test_a_long_word_is_told_from_a_number_in_time_that_grows_with_its_length(
    call: Callable[[str], object], before: str
) -> None:
    short, long = ([before + shape * (size // len(shape)) + "x" for shape in SHAPES] for size in (1_000, 16_000))
    assert sum(seconds(call, text) for text in long) < 80 * sum(seconds(call, text) for text in short)  # 256 if squared


@pytest.mark.parametrize("digits", ["1" * 5000, "0x" + "f" * 5000, "1." + "1" * 5000, "!!int {=: " + "1" * 5000 + "}"])
def test_a_number_of_thousands_of_digits_is_refused(digits: str) -> None:
    with pytest.raises(ConfigError, match=r"^-o seed=.*: .* is a number of 5,00\d characters; no option takes one"):
        parse_assignment(f"seed={digits}")


@pytest.mark.parametrize("value", ["!!map [1]", "!!map ab", "!!set [1]", "{!!map [1]: 2}", "!!map"])
def test_what_is_tagged_as_a_mapping_must_be_one(value: str) -> None:
    with pytest.raises(ConfigError, match="line 2: this is tagged as a mapping, but none"):
        parse_yaml(f"a: 1\nb: {value}", "here")


def test_aliases_are_welcome_as_long_as_they_are_few() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: [*a, *a]\nc: &c 3\nd: *c", "here") == {
        "a": [1, 2],
        "b": [[1, 2], [1, 2]],
        "c": 3,
        "d": 3,
    }


LONG = "q" * 100_000


@pytest.mark.parametrize(
    "assignment",
    [
        f"clients={LONG}",
        f"attack={LONG}",
        f"attack={LONG}:Attack",
        f"attack=mine:{LONG}",
        f"attack.boost={LONG}",
        f"attack.{LONG}=1",
        f"{LONG}=1",
        f"{LONG}.x=1",
        f"clients.{LONG}=1",
        f"name=[{LONG}]",
        f"data=[{','.join('1' * 50_000)}]",
        f"partition={{name: iid, samples: {LONG}}}",
        f"target.index=[{LONG}]",
        f"about=*{LONG}",
        f"about=!{LONG} x",
        f"about={{{LONG}: 1, {LONG}: 2}}",
        f"about={{{LONG}",
        LONG,
        "x" + ".x" * 20_000 + "=1",
        "local" + ".x" * 20_000 + "=1",
        "attack" + ".name" * 500 + "=1",
    ],
    ids=range(21),
)
def test_messages_are_short_whatever_was_given(assignment: str) -> None:
    assert len(refusal("quickstart", assignment)) < 1000


def test_no_message_is_longer_than_a_screen() -> None:
    assert len(str(ConfigError("a" * 10**6))) < 2100
    assert str(ConfigError("a" * 1500 + "\n" + "b" * 1500)) == "a" * 1500 + "\n" + "b" * 1500


@pytest.mark.parametrize("source", [LONG, f"{LONG}.yaml", "x/" * 50_000])
def test_a_long_name_of_a_file_is_no_preset(source: str) -> None:
    assert len(refusal(source)) < 2000


# Overrides


def test_overrides_are_put_in_their_places() -> None:
    before = {"clients": 3, "local": {"steps": 2}}
    after = override(before, ["clients=5", "local.batch_size=7", "target.r=2", "about=a = b", "local.epochs=null"])
    assert after == {
        "clients": 5,
        "local": {"steps": 2, "batch_size": 7, "epochs": None},
        "target": {"r": 2},
        "about": "a = b",
    }
    assert before == {"clients": 3, "local": {"steps": 2}}


def test_the_later_override_wins() -> None:
    assert override({}, ["clients=5", "clients=6"]) == {"clients": 6}


def test_an_override_may_be_a_mapping_or_a_list() -> None:
    assert override({}, ["attack={name: x, boost: 2}", "target.index=[1, 2]"]) == {
        "attack": {"name": "x", "boost": 2},
        "target": {"index": [1, 2]},
    }


def test_an_option_of_a_component_that_is_given_by_its_name() -> None:
    experiment = load_experiment("quickstart", ["attack.boost=5", "partition=dirichlet", "partition.alpha=0.1"])
    assert experiment.attack == ExplicitBoosting(boost=5)
    assert describe("partition", experiment.partition) == {"name": "dirichlet", "alpha": 0.1, "least": 1}


def test_an_option_of_a_component_that_is_not_named() -> None:
    assert refusal("quickstart", "partition.alpha=1") == (
        "partition: alpha needs a name beside it, as partition.name; e.g. -o partition.name=dirichlet"
    )


def test_no_attack() -> None:
    assert load_experiment("quickstart", ["attack=none"]).attack is None
    assert load_experiment("quickstart", ["attack=null"]).attack is None


def test_no_attack_in_a_file(write: Write) -> None:
    assert load_experiment(write("attack: none\n")).attack is None


@pytest.mark.parametrize("assignment", ["clients", "=3", ".clients=3", "local.=3", "local..steps=3", "", "="])
def test_what_is_no_override(assignment: str) -> None:
    text = refusal("quickstart", assignment)
    assert text == f"-o {assignment}: expected option=value, for example -o attack.boost=5"


def test_a_mistake_in_an_overrides_yaml() -> None:
    assert refusal("quickstart", "local={steps: 1, steps: 2}").startswith(
        "-o local={steps: 1, steps: 2}, line 1: 'steps' is given twice"
    )


def test_a_misspelt_override() -> None:
    assert refusal("quickstart", "attack.bost=5") == "attack.bost: unknown option; did you mean attack.boost?"
    assert refusal("quickstart", "local.batchsize=5").endswith("did you mean local.batch_size?")
    assert refusal("quickstart", "K=5").endswith("the paper's K is called clients here")


# Classes of one's own


def test_an_attack_from_a_file_beside_the_user(here: Path) -> None:
    (here / "own_attack.py").write_text(OWN_ATTACK)
    experiment = load_experiment("quickstart", ["attack=own_attack:Flip", "attack.strength=3"])
    assert experiment.describe()["attack"] == {
        "name": "own_attack:Flip",
        "client": None,
        "delay": 0,
        "until": None,
        "hold_off": None,
        "boost": "auto",
        "estimate": None,
        "claim": 1.0,
        "strength": 3.0,
    }
    assert Experiment.model_validate(experiment.describe()) == experiment


def test_a_misspelt_option_of_ones_own_attack(here: Path) -> None:
    (here / "own_spelling.py").write_text(OWN_ATTACK)
    assert refusal("quickstart", "attack=own_spelling:Flip", "attack.strenth=3") == (
        "attack.strenth: unknown option; did you mean attack.strength?"
    )


def test_a_class_that_is_no_attack(here: Path) -> None:
    (here / "own_other.py").write_text(OWN_ATTACK)
    assert "own_other:NoAttack is not a configuration class" in refusal("quickstart", "attack=own_other:NoAttack")
    assert "is a Mean, which is no Attack" in refusal("quickstart", "attack=fedlens.defences.mean:Mean")


def test_a_class_that_is_not_there(here: Path) -> None:
    (here / "own_missing.py").write_text(OWN_ATTACK)
    told = refusal("quickstart", "attack=own_missing:Flop")
    assert told == "attack: module 'own_missing' has no class 'Flop'; did you mean own_missing:Flip?"


def test_a_module_that_is_not_there(here: Path) -> None:
    text = refusal("quickstart", "attack=own_absent:Flip")
    reason = "attack: 'own_absent' cannot be imported: ModuleNotFoundError: No module named 'own_absent'"
    assert text == f"{reason}; start fedlens in the folder where own_absent.py is"
    assert refusal("quickstart", "attack=own/absent.py:Flip").endswith("; e.g. -o attack=own.absent:Flip")


def test_a_file_of_data_names_what_reads_it() -> None:
    assert refusal("quickstart", "data=x.csv") == (
        "data: there is no 'x.csv'; a file is read so: -o 'data={name: table, path: x.csv}'"
    )
    assert refusal("quickstart", "data=x.xlsx") == (
        "data: there is no 'x.xlsx'; a file is read by a class of yours: `fedlens new data`, "
        "and docs/how-to/data-and-model.md"
    )


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("own_divides", "1 / 0", "ZeroDivisionError: division by zero"),
        ("own_syntax", "def", "SyntaxError"),
        ("own_import", "import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("own_attribute", "import math; math.nothing", "AttributeError: module 'math' has no attribute 'nothing'"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(here: Path, name: str, code: str, reason: str) -> None:
    (here / f"{name}.py").write_text(code)
    assert refusal("quickstart", f"attack={name}:Flip").startswith(f"attack: '{name}' cannot be imported: {reason}")


def test_an_option_below_a_plain_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="rounds is 5 and has no options"):
        override({"rounds": 5}, ["rounds.extra=1"])


def test_an_option_is_put_in_its_place_and_what_was_there_before_is_left_alone() -> None:
    before = {"attack": "explicit-boosting", "local": {"epochs": 2}}
    after = put(put(before, "attack.boost", 5, "here"), "local.batch_size", 10, "here")
    assert after == {"attack": {"name": "explicit-boosting", "boost": 5}, "local": {"epochs": 2, "batch_size": 10}}
    assert before == {"attack": "explicit-boosting", "local": {"epochs": 2}}
    with pytest.raises(ConfigError, match="here: rounds is 3 and has no options"):
        put({"rounds": 3}, "rounds.many", 5, "here")


def test_an_assignment_is_an_option_and_a_yaml_value() -> None:
    assert parse_assignment(" attack.boost =[1, 2]") == ("attack.boost", [1, 2])
    for wrong in ("rounds", "=3", "attack.=3", ".boost=3", "attack..boost=3"):
        with pytest.raises(ConfigError, match="expected option=value"):
            parse_assignment(wrong)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),
        ("on", True),
        ("2026-11-26", "2026-11-26"),
        ("'é'", "é"),
        ("a: &a {b: 1}\nc: {<<: *a, d: ~}", {"a": {"b": 1}, "c": {"b": 1, "d": None}}),
        ("[1, 2.5, .inf]", [1, 2.5, float("inf")]),
    ],
)
def test_what_a_text_stands_for(text: str, value: object) -> None:
    read = parse_yaml(text, "here")
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n\tb: 1\n", 2),
        ("a: [1, 2\nb: 3\n", 2),
        ("a: 1\n\nb 2\nc: 3\n", 4),
        ("a: 1\nb: @x\n", 2),
        ("a: 1\na: 2", 2),
    ],
)
def test_what_is_no_yaml_names_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError, match=f"here, line {line}: "):
        parse_yaml(text, "here")


@pytest.mark.parametrize(
    ("below", "assignment", "said"),
    [
        ("attackers: {rule: krum}", "attackers.rule.f=2", {"attackers": {"rule": {"name": "krum", "f": 2}}}),
        ("aggregation: [krum]", "aggregation.f=2", {"aggregation": {"name": "krum", "f": 2}}),
        ("aggregation: [nnm, krum]", "aggregation.f=2", "-o 'aggregation=[{name: nnm, f: 2}, {name: krum}]'"),
        (
            "attackers: two",
            "attackers.count=2",
            "attackers is 'two' and has no options; e.g. -o 'attackers={count: 2}'",
        ),
        (
            "local: {optimizer: sgd}",
            "local.optimizer.momentum=0.5",
            {"local": {"optimizer": {"name": "sgd", "momentum": 0.5}}},
        ),
        ("local: {epochs: 2}", "local.epochs.first=1", "local.epochs is 2 and has no options"),
    ],
)
def test_an_option_beneath_another_is_a_components_or_refused(below: str, assignment: str, said: object) -> None:
    values = parse_yaml(below, "here")
    if isinstance(said, dict):
        assert override(values, [assignment]) == said
    else:
        with pytest.raises(ConfigError, match=re.escape(str(said))):
            override(values, [assignment])


def test_what_only_the_data_tell_is_wrong_names_its_line_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("goal:\n  trigger:\n    size: 99\n", encoding="utf-8")
    for option, line in (("goal.trigger.size", 3), ("goal.trigger.values.capital-gain", 2)):
        with pytest.raises(DataError, match=re.escape(f"{file}:{line}: {option}: too large")), naming_lines(file):
            raise DataError(f"{option}: too large")
    with pytest.raises(ConfigError) as caught, naming_lines(file, ["goal.trigger.size=99"]):
        raise ConfigError("goal.trigger.size: too large")
    assert str(caught.value) == "goal.trigger.size: too large"
