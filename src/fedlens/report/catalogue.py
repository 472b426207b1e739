"""What there is to choose from: presets and parts with their options, and how a partitioner deals out data."""

from collections.abc import Iterator

from rich import box
from rich.markup import escape
from rich.table import Table

from fedlens.config import Config
from fedlens.federation.setting import Setting
from fedlens.loading import load_experiment, presets
from fedlens.parts import BUILT_IN, known, resolve

TITLES = {
    "attack": "Attacks",
    "aggregation": "Aggregation rules",
    "data": "Data sets",
    "partition": "Partitioners",
    "model": "Models",
}


def catalogue() -> Iterator[Table]:
    """A table of presets, and one for each kind of part."""
    table = Table(title="Presets: fedlens run NAME", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("name", "what it shows"):
        table.add_column(column)
    for name in presets():
        table.add_row(name, escape(load_experiment(name).about))
    yield table
    for kind in TITLES:
        assert kind in BUILT_IN
        yield _parts(kind)


def _parts(kind: str) -> Table:
    """A kind's parts, with the first line of their documentation and their options."""
    table = Table(title=f"{TITLES[kind]}: -o {kind}=NAME", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("name", "what it is", "options and defaults"):
        table.add_column(column, overflow="fold")
    if kind == "attack":
        table.add_row("none", "Every client is honest.", "")
    for name in known(kind):
        part = resolve(kind, name)
        about = (part.__doc__ or "").strip().partition("\n")[0]
        table.add_row(name, escape(about), escape(", ".join(_options(part))))
    return table


def _options(part: type[Config]) -> Iterator[str]:
    for name, field in part.model_fields.items():
        yield f"{name} (required)" if field.is_required() else f"{name}={_yaml(field.default)}"


def _yaml(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def partition_table(setting: Setting) -> Table:
    """How many training samples of each class every client holds."""
    table = Table(title="Training samples per client", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("client", justify="right")
    for name in ("all", *setting.dataset.classes):
        table.add_column(name, justify="right")
    counts = setting.shards.class_counts(setting.dataset.train.y.cpu(), len(setting.dataset.classes))
    for client, row in enumerate(counts.tolist()):
        table.add_row(str(client), str(sum(row)), *map(str, row))
    return table
