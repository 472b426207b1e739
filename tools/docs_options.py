"""Pages on an experiment's options and all components with theirs, from the configuration's types and docstrings."""

import inspect
import sys
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from docs_markdown import code, fence, folded, table
from pydantic.fields import FieldInfo

from fedlens.core.config import Config
from fedlens.core.fields import Component, Components
from fedlens.core.named import Named
from fedlens.core.registry import known, name_of, resolve
from fedlens.core.suggest import PAPER_SYMBOLS
from fedlens.experiment.experiment import Experiment
from fedlens.goals.target_samples import Target
from fedlens.report.catalogue import described, what_it_is
from fedlens.training.local import LocalTraining

KINDS = {
    "attack": ("attacks", "Attacks", "`-o attack=NAME`, or `attack: {name: NAME, OPTION: VALUE}` in YAML"),
    "goal": ("goals", "Goals", "`-o goal=NAME`, or `goal: {name: NAME, OPTION: VALUE}` in YAML"),
    "trigger": ("triggers", "Triggers", "`-o goal.trigger=NAME`, or within `goal: {name: backdoor, trigger: …}`"),
    "aggregation": (
        "rules",
        "Aggregation rules",
        "`-o aggregation=NAME`, with options `-o 'aggregation={name: NAME, …}'`",
    ),
    "stage": (
        "stages",
        "Stages of the server's chain",
        "`-o 'aggregation=[NAME, {name: NAME, OPTION: VALUE}]'`, among rules",
    ),
    "checks": ("checks", "Server-side checks", "`-o 'checks=[NAME, {name: NAME, OPTION: VALUE}]'`"),
    "data": ("data", "Data sets", "`-o data=NAME`"),
    "partition": ("partitions", "Partitioners", "`-o partition=NAME`"),
    "model": ("models", "Models", "`-o model=NAME`"),
    "method": ("methods", "Methods of explanation", "`fedlens explain RUN --methods NAME,NAME:OPTION=VALUE`"),
}
"""Of each kind of component: its page, its title, and how one is chosen."""

SIMPLE = {bool: "true or false", int: "whole number", float: "number", str: "text", NoneType: "`null`"}
SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
HEAD = ("option", "type", "default", "meaning")


def experiment_page() -> Iterator[str]:
    """Yield the options that every experiment has besides those of its components."""
    yield "# Options of an experiment"
    yield ""
    yield (
        "Write options in YAML under their names, nested at the dots, or set them on the command line with "
        "`-o NAME=VALUE`. An unknown name is an error."
    )
    yield ""
    yield from table(HEAD, _rows(Experiment))
    for title, prefix, config in (("Local training", "local", LocalTraining), ("Target", "target", Target)):
        yield f"## {title}"
        yield ""
        yield from table(HEAD, _rows(config, f"{prefix}."))
        for part in _named(config):
            yield from _parts(part)
    yield "## The paper's symbols"
    yield ""
    yield from table(("paper", "here"), ([symbol, f"`{name}`"] for symbol, name in PAPER_SYMBOLS.items()))


def _named(config: type[Config]) -> Iterator[Named]:
    """Yield the marks of options that hold a part by its name."""
    yield from (mark for field in config.model_fields.values() for mark in field.metadata if isinstance(mark, Named))


def _parts(named: Named) -> Iterator[str]:
    """Yield the options of all parts that an option may hold."""
    for name, part in named.parts.items():
        yield f"### `{named.option}: {name}`"
        yield ""
        yield from _prose(inspect.getdoc(part) or "")
        yield from _options(part)


def kind_page(kind: str) -> Iterator[str]:
    """Yield the page of every component of a kind."""
    _, title, use = KINDS[kind]
    yield f"# {title}"
    yield ""
    yield f"Chosen by {use}. Name your own as `module:Class`."
    yield ""
    components = {name: resolve(kind, name) for name in known(kind)}
    yield from table(
        ("name", "what it is"),
        ([f"[`{name}`](#{name})", what_it_is(component)] for name, component in components.items()),
    )
    for name, component in components.items():
        yield f"## `{name}` {{ #{name} }}"
        yield ""
        yield from _prose(inspect.getdoc(component) or "")
        yield from _options(component)
        yield from _example(inspect.getdoc(component) or "")
        source = sys.modules[component.__module__].__doc__ or ""
        yield from folded(f"Source, formulas, deviations: {component.__module__}", _prose(inspect.cleandoc(source)))


def _prose(docstring: str) -> Iterator[str]:
    """Yield a docstring as Markdown, up to its first section."""
    yield from docstring.partition("Attributes:\n")[0].partition("Example:\n")[0].rstrip().splitlines()
    yield ""


def _example(docstring: str) -> Iterator[str]:
    """Yield the section "Example" of a docstring."""
    if example := docstring.partition("Example:\n")[2]:
        yield from fence("pycon", inspect.cleandoc(example))


def _options(component: type[Config]) -> Iterator[str]:
    rows = list(_rows(component))
    yield from table(HEAD, rows) if rows else ("It has no options.", "")


def _rows(config: type[Config], prefix: str = "") -> Iterator[list[str]]:
    """Yield a row for each option, inherited ones last; those of a configuration within it come after it."""
    meanings = described(config)
    inherited = {name for parent in config.__bases__ for name in getattr(parent, "model_fields", {})}
    for name, field in sorted(config.model_fields.items(), key=lambda item: item[0] in inherited):
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_config(kind)]
        if named := next((mark for mark in field.metadata if isinstance(mark, Named)), None):
            kinds = code(named.parts, " or ")
            words = f"list of {kinds}" if named.several else kinds
            default = "`none`" if named.several else _default(name, field)
            yield [f"`{prefix}{name}`", f"{words}, with options below", default, meanings.get(name, "")]
            continue
        component = next((mark for mark in field.metadata if isinstance(mark, Component | Components)), None)
        if component is None and inner == [field.annotation]:  # always there; it has a table of its own
            continue
        words = _component_words(component) if component else _type(field.annotation, field.metadata)
        yield [f"`{prefix}{name}`", words, _default(name, field), meanings.get(name, "")]
        if component is None and inner:
            yield from _rows(inner[0], f"{prefix}{name}.")


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def _component_words(component: Component | Components) -> str:
    page, title, _ = KINDS[component.kind]
    link = f"[{title.lower()}]({page}.md)"
    return link if isinstance(component, Components) else f"one of the {link}"


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Describe a type in words, with the bounds that are in its metadata."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], [*arguments[1:], *metadata])
    if origin in {Union, UnionType}:
        members = sorted(arguments, key=lambda member: member is NoneType)
        return " or ".join(_type(member, () if member is NoneType else metadata) for member in members)
    if origin is Literal:
        return code(arguments, " or ")
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    words = SIMPLE.get(annotation, "options, see below" if _is_config(annotation) else "text")
    return " ".join([words, *([bounds] if (bounds := ", ".join(_bounds(metadata))) else [])])


def _bounds(metadata: Iterable[Any]) -> Iterator[str]:
    for mark in metadata:
        if isinstance(mark, FieldInfo):
            yield from _bounds(mark.metadata)
        for name, sign in SIGNS.items():
            if (bound := getattr(mark, name, None)) is not None:
                yield f"{sign} {bound:g}"


def _default(name: str, field: FieldInfo) -> str:
    """Return a default as YAML has it."""
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Config):
        return f"`{name_of(name, value)}`"
    if name in {"attack", "checks"} and not value:
        return "`none`"
    if value is None:
        return "`null`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "empty"
