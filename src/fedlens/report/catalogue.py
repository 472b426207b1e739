"""What there is to choose from: presets, parts and options, and how a partitioner deals out data."""

import inspect
from collections.abc import Iterator
from typing import get_args

from rich import box
from rich.table import Table

from fedlens.config import Config
from fedlens.experiment import Experiment
from fedlens.federation.local import LocalTraining
from fedlens.federation.setting import Setting
from fedlens.federation.target import Target
from fedlens.parts import known, name_of, resolve
from fedlens.presets import SCALES, listed, presets
from fedlens.report.terminal import PlainTable

TITLES = {
    "attack": "Attacks: -o attack=NAME",
    "checks": "Server-side checks: -o checks=NAME",
    "aggregation": "Aggregation rules: -o aggregation=NAME",
    "data": "Data sets: -o data=NAME",
    "partition": "Partitioners: -o partition=NAME",
    "model": "Models: -o model=NAME",
    "method": "Methods of explanation: fedlens explain RUN --methods NAME,NAME:OPTION=VALUE",
}


def catalogue() -> Iterator[Table]:
    """A table of presets, one of an experiment's options, and one for each kind of part."""
    table = PlainTable(title="Presets: fedlens run NAME", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("name", "what it is, and what the paper says of it", "cost", "NAME-paper-10", "NAME-paper"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    known_presets = presets()
    for name in listed():
        preset = known_presets[name]
        claims = [f"{number}: {claim}" for number, claim in preset.claims.items()]
        of_scales = [known_presets[preset.scales[scale]] if scale in preset.scales else None for scale in SCALES]
        costs = [cost_words(one.minutes if one else None) for one in of_scales]
        table.add_row(name, "\n".join([preset.values["about"], *claims]), *costs)
    table.caption = (
        "fig1 to fig10: the paper's figures; NAME-paper has the paper's own model, E and T, NAME-paper-10 the same "
        "with T = 10. Costs are for 2 cores; the controls, made once for each setting, are not in them."
    )
    table.caption_justify = "left"
    yield table
    table = PlainTable(title="Options of every experiment: -o NAME=VALUE", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("name", "default", "meaning"):
        table.add_column(column, overflow="fold")
    for prefix, config in (("", Experiment), ("local.", LocalTraining), ("target.", Target)):
        meanings = attributes(config)
        for name, field in config.model_fields.items():
            if prefix or name not in {"local", "target"}:
                default = _name(name, field.default)
                table.add_row(f"{prefix}{name}", default, meanings[name])
    yield table
    yield from map(_parts, TITLES)


def cost_words(minutes: float | None) -> str:
    """A preset's cost; empty where it is not known."""
    return "" if minutes is None else f"{minutes:g} min" if minutes < 100 else f"{minutes / 60:.0f} h"


def _name(option: str, default: object) -> str:
    """How YAML would write an option's default."""
    if option == "attack":
        return "none"
    return name_of(option, default) if isinstance(default, Config) else _yaml(default)


def attributes(config: type[Config]) -> dict[str, str]:
    """What the docstring of `config` says of each of its own options, as plain text."""
    return {name: meaning.replace("``", "") for name, meaning in _own_attributes(config).items()}


def described(config: type[Config]) -> dict[str, str]:
    """What the docstrings of `config` and of the classes that it derives from say of each option, as they say it."""
    lineage = [parent for parent in reversed(config.__mro__) if issubclass(parent, Config)]
    return {name: meaning for parent in lineage for name, meaning in _own_attributes(parent).items()}


def _own_attributes(config: type[Config]) -> dict[str, str]:
    """The section "Attributes" of a docstring."""
    lines = (inspect.getdoc(config) or "").partition("Attributes:\n")[2].splitlines()
    found: dict[str, str] = {}
    name = ""
    for line in map(str.strip, lines):
        start, colon, rest = line.partition(": ")
        if colon and start in config.model_fields:
            name = start
            found[name] = rest
        elif name:
            found[name] = f"{found[name]} {line}"
    return found


def _parts(kind: str) -> Table:
    """A kind's parts, with the first line of their documentation and their options."""
    table = PlainTable(title=TITLES[kind], title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("name", "what it is", "options and defaults"):
        table.add_column(column, overflow="fold")
    if kind == "attack":
        table.add_row("none", "Every client is honest.", "")
    for name in known(kind):
        part = resolve(kind, name)
        about = (part.__doc__ or "").strip().partition("\n")[0]
        table.add_row(name, about, ", ".join(_options(part)))
    return table


def _options(part: type[Config]) -> Iterator[str]:
    for name, field in part.model_fields.items():
        yield f"{name} (required)" if field.is_required() else f"{name}={_yaml(field.default)}"
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, Config):
                yield from (f"{name}.{option}" for option in _options(inner))


def _yaml(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def partition_table(setting: Setting) -> Table:
    """How many training samples of each class every client holds."""
    table = PlainTable(title="Training samples per client", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("client", justify="right")
    for name in ("all", *setting.dataset.classes):
        table.add_column(name, justify="right")
    counts = setting.shards.class_counts(setting.dataset.train.y.cpu(), len(setting.dataset.classes))
    for client, row in enumerate(counts.tolist()):
        table.add_row(str(client), str(sum(row)), *map(str, row))
    return table
