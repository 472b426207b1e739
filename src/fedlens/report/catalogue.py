"""What there is to choose from: topics, what is in each, and what each preset, component and option is."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from fedlens.analysis.metric_names import BESIDE, METRICS
from fedlens.core.config import Config
from fedlens.core.registry import BASES, class_at, known, name_of, resolve
from fedlens.core.suggest import plain
from fedlens.experiment.attackers import Attackers
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.failures import Failures
from fedlens.experiment.presets import listed, presets

SECTIONS: tuple[tuple[str, type[Config]], ...] = (
    ("", Experiment),
    *((f"{name}.", type(Experiment.model_fields[name].default)) for name in ("local", "target")),
    ("attackers.", Attackers),
    ("failures.", Failures),
)
"""Of what is not chosen by name: what stands before an option, and where it is described."""


@dataclass(frozen=True)
class Topic:
    """What there is of one kind.

    Attributes:
        name: what to call it, in the plural.
        use: how one of it is chosen.
        kind: of components, if they are.
    """

    name: str
    use: str
    kind: str = ""


TOPICS = (
    Topic("presets", "fedlens run NAME"),
    Topic("attacks", "-o attack=NAME", "attack"),
    Topic("checks", "-o checks=NAME", "checks"),
    Topic("goals", "-o goal=NAME", "goal"),
    Topic("triggers", "-o goal.trigger=NAME", "trigger"),
    Topic("rules", "-o aggregation=NAME", "aggregation"),
    Topic("stages", "-o aggregation=NAME", "stage"),
    Topic("data", "-o data=NAME", "data"),
    Topic("partitions", "-o partition=NAME", "partition"),
    Topic("models", "-o model=NAME", "model"),
    Topic("methods", "fedlens explain RUN --methods NAME,NAME:OPTION=VALUE", "method"),
    Topic("metrics", "fedlens compare PATH --metric NAME"),
    Topic("options", "-o NAME=VALUE"),
)


ABSENT = {"attack": ("none",), "goal": ("targets",)}
"""The word for no part of a kind, which is its default."""


RULE_STAGES = (
    "centred-clipping",
    "foolsgold",
    "fltrust",
    "signguard",
    "flame",
    "freqfed",
    "deepsight",
    "rflbat",
    "flower",
)
"""Stages that are rules, for they leave one update, and so are listed among these, too."""


@dataclass(frozen=True)
class Entry:
    """One thing to choose.

    Attributes:
        topic: what it belongs to.
        name: what to call it.
        about: what it is, in a sentence.
        rest: what else can be said of it: claims, or options and defaults.
    """

    topic: Topic
    name: str
    about: str
    rest: str = ""


def topic_of(word: str) -> Topic | None:
    """Return the topic called so, in the singular or the plural, or by the option that chooses one of it."""
    return next((topic for topic in TOPICS if word in {topic.name, topic.name.removesuffix("s"), topic.kind}), None)


def entries(topic: Topic) -> Iterator[Entry]:
    """Yield everything of a topic; of presets neither the larger scales of a panel nor the negative controls."""
    if topic.kind == "attack":
        yield Entry(topic, "none", "Every client is honest.")
    if topic.kind == "goal":
        yield Entry(topic, "targets", "The samples that target chooses are misclassified.")
    for name in known(topic.kind) if topic.kind else ():
        component = resolve(topic.kind, name)
        yield Entry(topic, name, what_it_is(component), ", ".join(_words(component)))
    if topic.name == "rules":
        stages = next(other for other in TOPICS if other.name == "stages")
        yield from (entry for entry in entries(stages) if entry.name in RULE_STAGES)
    if topic.name == "presets":
        for name in listed():
            preset = presets()[name]
            claims = "\n".join(f"{number}: {claim}" for number, claim in preset.claims.items())
            yield Entry(topic, name, preset.values["about"], claims)
    if topic.name == "metrics":
        yield from (Entry(topic, name, about) for name, about in {**METRICS, **BESIDE}.items())
    if topic.name == "options":
        for prefix, config in SECTIONS:
            meanings = attributes(config)
            for name, field in config.model_fields.items():
                if prefix or name not in {"local", "target"}:
                    yield Entry(topic, f"{prefix}{name}", meanings[name], default_of(name, field.default))


def names(topic: Topic) -> list[str]:
    """Return the names of a topic's entries, for which no component need be imported."""
    if topic.kind:
        more = RULE_STAGES if topic.name == "rules" else ()
        return [*ABSENT.get(topic.kind, ()), *known(topic.kind), *more]
    return sorted((entry.name for entry in entries(topic)), key=lambda name: name != "quickstart")  # it comes first


def search(word: str) -> list[Entry]:
    """Return every entry in which the word occurs, in capitals or not."""
    wanted = word.lower()
    every = dict.fromkeys(entry for topic in TOPICS for entry in entries(topic))  # a stage may be a rule, too
    return [entry for entry in every if wanted in f"{entry.name}\n{entry.about}\n{entry.rest}".lower()]


def components_called(name: str) -> list[tuple[Topic, type[Config]]]:
    """Return the components of this name, ours or ``module:Class``, with their topics.

    Raises:
        ConfigError: ``module:Class`` is not there.
    """
    kinds = [topic for topic in TOPICS if topic.kind]
    if ":" not in name:
        return [(topic, resolve(topic.kind, name)) for topic in kinds if name in known(topic.kind)]
    component = class_at(name)
    return [(topic, component) for topic in kinds if issubclass(component, class_at(BASES[topic.kind]))]


def cost_words(minutes: float | None) -> str:
    """Return a preset's cost in words; empty where it is unknown."""
    return "" if minutes is None else f"{minutes:g} min" if minutes < 100 else f"{minutes / 60:.0f} h"


def default_of(option: str, default: object) -> str:
    """Return an option's default as YAML would write it."""
    if option in ABSENT:
        return ABSENT[option][0]
    return name_of(option, default) if isinstance(default, Config) else plain(default)


def what_it_is(component: type[Config]) -> str:
    """Return the first line of a component's docstring, and what it sees: a server of updates, an attack of others."""
    said = {
        ("sees", "sum"): "Sees the sum of updates alone, as under secure aggregation.",
        ("sees", "updates"): "Sees single updates.",
        ("sight", "team"): "Sees its team's honest updates.",
        ("sight", "all"): "Sees all honest updates.",
        ("needs_rule", True): "Needs the server's rule.",
    }
    words = [word for (name, value), word in said.items() if getattr(component, name, None) == value]
    if isinstance(getattr(component, "sight", None), property):
        words.insert(0, "What it sees is an option.")
    return " ".join([first_line(component), *words])


def first_line(component: type[Config]) -> str:
    """Say what a component is, in a sentence."""
    return (inspect.getdoc(component) or "").partition("\n")[0]


def attributes(config: type[Config]) -> dict[str, str]:
    """Return what the docstring of `config` says of each of its own options, as plain text."""
    return {name: meaning.replace("``", "") for name, meaning in _own_attributes(config).items()}


def described(config: type[Config]) -> dict[str, str]:
    """Return what the docstrings of `config` and of its base classes say of each option, unchanged."""
    lineage = [parent for parent in reversed(config.__mro__) if issubclass(parent, Config)]
    return {name: meaning for parent in lineage for name, meaning in _own_attributes(parent).items()}


def _own_attributes(config: type[Config]) -> dict[str, str]:
    """Return the section "Attributes" of a docstring."""
    lines = (inspect.getdoc(config) or "").partition("Attributes:\n")[2].partition("\n\n")[0].splitlines()
    meanings: dict[str, str] = {}
    name = ""
    for line in map(str.strip, lines):
        start, colon, rest = line.partition(": ")
        if colon and start in config.model_fields:
            name = start
            meanings[name] = rest
        elif name:
            meanings[name] = f"{meanings[name]} {line}"
    return meanings


def _words(component: type[Config]) -> Iterator[str]:
    """Yield a component's options with their defaults."""
    for name, field in component.model_fields.items():
        yield f"{name} (required)" if field.is_required() else f"{name}={plain(field.default)}"
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, Config):
                yield from (f"{name}.{option}" for option in _words(inner))
