"""What was understood of a data set: columns, classes, owners, a few samples, terms, and how an experiment has it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from fedlens.core.errors import cut
from fedlens.core.parsing import dump_yaml
from fedlens.core.registry import name_of, unusual_values
from fedlens.report.terminal.printing import PlainTable
from fedlens.report.words import error_words

if TYPE_CHECKING:
    from fedlens.experiment.setting import Setting

SHOWN = 10
"""So many samples are shown."""
MOST_CLASSES, MOST_FEATURES = 20, 40
"""So many classes, and features of a sample, are shown."""


def data_view(setting: "Setting") -> Iterator[RenderableType]:
    """Yield what ``fedlens data`` prints, texts and tables."""
    dataset = setting.dataset
    name, train, test = name_of("data", setting.experiment.data), len(dataset.train), len(dataset.test)
    kind = str(dataset.train.x.dtype).removeprefix("torch.")
    yield (
        f"{name}: {train + test:,} samples, {train:,} for training and {test:,} for testing; "
        f"{_labels_words(setting)}; inputs of shape {list(dataset.shape)}, {kind}"
    )
    if described := setting.columns.described():
        yield _columns(setting, described)
    yield _classes(setting) if dataset.quantity is None else _quantities(setting)
    yield _owners(setting)
    yield _samples(setting)
    yield _terms(setting)


def experiment_yaml(setting: "Setting", name: str) -> str:
    """Return an experiment on the data, as a file to begin with."""
    data = setting.experiment.data
    values: dict[str, Any] = {"name": name, "data": {"name": name_of("data", data), **unusual_values(data)}}
    groups = setting.dataset.groups
    clients = min(10, len(setting.dataset.train if groups is None else set(groups.of.tolist())))
    values |= {} if groups is None else {"partition": "natural"}
    values |= {"model": "census-mlp", "clients": clients, "rounds": 10}
    values |= {"local": {"epochs": 2, "batch_size": 20}, "attack": "explicit-boosting"}
    values |= {} if setting.dataset.classes else {"goal": "damage"}
    return dump_yaml(values, default_flow_style=None).rstrip()


def _columns(setting: "Setting", described: dict[str, tuple[str, str]]) -> PlainTable:
    table = PlainTable(title="Features")
    for header in ("feature", "holds", "columns", "encoded"):
        table.add_column(header, justify="right" if header == "columns" else "left")
    features = setting.columns.features
    for name, (kind, encoding) in described.items():
        table.add_row(cut(name), kind, str(features.count(name)), encoding)
    return table


def _classes(setting: "Setting") -> PlainTable:
    dataset = setting.dataset
    counts = [part.y.cpu().bincount(minlength=len(dataset.classes)).tolist() for part in (dataset.train, dataset.test)]
    table = PlainTable(title="Samples of each class")
    for header in ("number", "class", "training", "test"):
        table.add_column(header, justify="left" if header == "class" else "right")
    for number, name in enumerate(dataset.classes[:MOST_CLASSES]):
        table.add_row(str(number), cut(name), *(f"{part[number]:,}" for part in counts))
    if (more := len(dataset.classes) - MOST_CLASSES) > 0:
        table.caption = f"and {more:,} more"
    return table


def _labels_words(setting: "Setting") -> str:
    count = len(setting.dataset.classes)
    return f"{count:,} classes" if count else "labels are quantities (a regression)"


def _quantities(setting: "Setting") -> PlainTable:
    quantity = setting.dataset.quantity
    assert quantity is not None
    table = PlainTable(title="Labels, in their own unit")
    for header in ("samples", "least", "mean", "standard deviation", "greatest"):
        table.add_column(header, justify="left" if header == "samples" else "right")
    for name, part in (("training", setting.dataset.train), ("test", setting.dataset.test)):
        y = quantity.in_unit(part.y.cpu())
        numbers = (y.min(), y.mean(), y.std(correction=0), y.max())
        table.add_row(name, *(error_words(float(value)) for value in numbers))
    table.caption = "standardised by mean and standard deviation of the training samples; errors are told in this unit"
    return table


def _owners(setting: "Setting") -> str:
    groups = setting.dataset.groups
    if groups is None:
        return "Owners of samples: not said, so that a partition makes them up."
    sizes = groups.of.bincount(minlength=len(groups.names))
    some = cut(", ".join(groups.names), 100)
    low, high = int(sizes.min()), int(sizes.max())
    return f"Owners of samples: {len(groups.names):,} ({some}), of {low:,} to {high:,} training samples."


def _samples(setting: "Setting") -> PlainTable:
    train, classes, quantity = setting.dataset.train, setting.dataset.classes, setting.dataset.quantity
    x, y = train.x[:SHOWN].cpu(), train.y[:SHOWN].cpu()
    if quantity is None:
        labels = [classes[number] for number in y.tolist()]
    else:
        labels = [error_words(value) for value in quantity.in_unit(y).tolist()]
    table = PlainTable(title=f"The first {len(y)} training samples", keys=2)
    words = [setting.columns.words(record) if record.dim() == 1 else {} for record in x]
    names = list(words[0])[:MOST_FEATURES]
    table.add_column("sample", justify="right")
    table.add_column("class" if classes else "label")
    for name in names or ("least", "mean", "greatest"):
        table.add_column(cut(name, 40))
    for index, (record, label, said) in enumerate(zip(x, labels, words, strict=True)):
        numbers = record.double()
        spread = [f"{float(value):.3g}" for value in (numbers.min(), numbers.mean(), numbers.max())]
        cells = [cut(said[name], 40) for name in names] if names else spread
        table.add_row(str(index), cut(label, 40), *cells)
    if (more := len(words[0]) - len(names)) > 0:
        table.caption = f"and {more:,} more features"
    return table


def _terms(setting: "Setting") -> str:
    about = type(setting.experiment.data).about
    if about is None:
        return "Licence and source: not said; find out before you pass samples on, as every report does."
    licence = about.licence or "none stated, so that samples must not be passed on"
    return f"Licence: {licence}. Source: {about.source}. To cite: {about.citation}."
