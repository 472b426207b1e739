"""The catalogue in the terminal: an index, a topic, a preset or component, a search's finds, how data are dealt."""

import inspect
from collections.abc import Iterable, Iterator
from textwrap import shorten
from typing import TYPE_CHECKING, get_args

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.parsing import dump_yaml
from fedlens.core.registry import option_of, resolve
from fedlens.core.suggest import example, nearest, pasted, plain, typed
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.presets import Preset, presets
from fedlens.report.catalogue import (
    TOPICS,
    Entry,
    Topic,
    components_called,
    cost_words,
    default_of,
    described,
    entries,
    first_line,
    names,
    search,
    topic_of,
)
from fedlens.report.terminal.printing import PlainTable

if TYPE_CHECKING:
    from fedlens.experiment.setting import Setting

ABOUT = 72
"""So many letters of what a preset is fit two lines of a narrow terminal."""
SHOWN = 4
"""So many names of a topic stand in the index."""


def listing(word: str | None = None, wanted: str | None = None, data: str | None = None) -> Iterator[RenderableType]:
    """Yield what ``fedlens list`` prints: the index, a topic, what is called `word`, or where `wanted` occurs.

    Models are listed with their sizes on `data`, by default the data set of an experiment that names none.

    Raises:
        ConfigError: nothing is called so, it occurs nowhere, or `data` is given for something else than models.
        DataError: the data cannot be loaded.
    """
    if data is not None and word not in {"model", "models"}:
        raise ConfigError("--data: only models have sizes on a data set; e.g. fedlens list models --data digits")
    if wanted is not None:
        yield _search_table(wanted)
    elif word is None:
        yield _index()
    elif (topic := topic_of(word)) is not None:
        if topic.kind == "model":
            yield _models(topic, data)
        else:
            yield from _presets(topic) if topic.name == "presets" else [_topic(topic)]
    elif word == "none":
        yield "-o attack=none: every client is honest. -o checks=none: the server accepts every update."
    elif word in presets():
        yield from _preset(word, presets()[word])
    else:
        yield from _called(word)


def _table(title: str, *columns: str) -> Table:
    table = PlainTable(title=title)
    for column in columns:
        table.add_column(column)
    return table


def _index() -> Table:
    table = _table("Topics: fedlens list TOPIC", "topic", "names", "chosen by")
    for topic in TOPICS:
        every = names(topic)
        more = f" … of {len(every)}" if len(every) > SHOWN else ""
        table.add_row(topic.name, ", ".join(every[:SHOWN]) + more, topic.use)
    table.caption = (
        "fedlens list NAME shows one of them with its options; fedlens list --search WORD searches all of them. Name "
        "your own components as module:Class; fedlens new attack (or rule, data, model …) writes one to start from."
    )
    return table


def _topic(topic: Topic) -> Table:
    title = f"{topic.name.capitalize()}: {topic.use}"
    if not topic.kind:
        return _entries(title, entries(topic), "default" if topic.name == "options" else "")
    table = _table(title, "name", "what it is", "options and defaults")
    for entry in entries(topic):
        table.add_row(entry.name, entry.about, entry.rest)
    return table


def _models(topic: Topic, data: str | None) -> Table:
    """List models with how many parameters each has on a data set, and how many entries travel."""
    from fedlens.experiment.model_sizes import dataset_called, model_size  # which import PyTorch

    name = data or default_of("data", Experiment.model_fields["data"].default)
    dataset = dataset_called(name)
    inputs = f"inputs {' × '.join(map(str, dataset.shape))}, {len(dataset.classes)} classes"
    title = f"Models: {topic.use}; sizes on {name} ({inputs})"
    table = _table(title, "name", "parameters", "d", "what it is", "options and defaults")
    for entry in entries(topic):
        size = model_size(resolve(topic.kind, entry.name), dataset)
        counts = ["–", "–"] if size is None else [f"{count:,}" for count in size]
        table.add_row(entry.name, *counts, entry.about, entry.rest)
    return table


def _presets(topic: Topic) -> Iterator[RenderableType]:
    """Yield the presets in a line or two each, a table for each setting."""
    preset_by_name = presets()
    settings: dict[str, list[tuple[str, str]]] = {}
    for entry in entries(topic):
        setting, colon, about = entry.about.partition(": ")
        settings.setdefault(setting if colon else "", []).append((entry.name, about if colon else entry.about))
    yield f"Presets: {topic.use}; fedlens list NAME shows what the paper says of one, and its values"
    for setting, rows in settings.items():
        table = _table(setting, "name", "cost", "what it is")
        for name, about in rows:
            table.add_row(name, cost_words(preset_by_name[name].minutes), shorten(about, ABOUT, placeholder=" …"))
        yield table
    negative = [preset for preset in preset_by_name.values() if preset.negative is not None]
    yield (
        "fig1 to fig10: the paper's figures; NAME-paper has the paper's own model, E and T, NAME-paper-10 the same "
        "with T = 10. Costs are for 2 cores; the controls, made once for each setting, are not in them. There are "
        f"{len(negative)} negative controls, too, attacks without effect in these panels: fedlens reproduce negative."
    )


def _preset(name: str, preset: Preset) -> Iterator[RenderableType]:
    """Yield what a preset is, says, costs and has for values."""
    yield f"[bold]{name}[/bold]: {escape(preset.values['about'])}"
    yield from (escape(f"{number}: {claim}") for number, claim in preset.claims.items())
    yield f"fedlens run {name}" + (f", {cost_words(preset.minutes)} on 2 cores" if preset.minutes else "")
    values = {option: value for option, value in preset.values.items() if option not in {"name", "about"}}
    yield Text("\n" + dump_yaml(values, width=100, default_flow_style=None), no_wrap=True, overflow="ignore")


def _called(word: str) -> Iterator[RenderableType]:
    """Yield the components, or else the options, of this name."""
    for topic, component in (components := components_called(word)):
        yield f"[bold]{escape(word)}[/bold] ({topic.name}): {escape(first_line(component))}"
        if prose := _prose(component):
            yield escape(prose)
        yield from _options(topic, component, word)
    if not components:
        metrics = next(topic for topic in TOPICS if topic.name == "metrics")
        if of_that_name := [entry for entry in entries(metrics) if entry.name == word]:
            yield _entries(f"Metrics: {metrics.use}", of_that_name, "")
            return
        options = [entry for entry in entries(TOPICS[-1]) if entry.name.startswith(f"{word}.")]  # a whole group
        options = options or [e for e in entries(TOPICS[-1]) if word in {e.name, e.name.rpartition(".")[2]}]
        options += _options_of_components(word)
        if not options:
            raise ConfigError(_unknown(word))
        yield _entries(f"Options: {TOPICS[-1].use}", options, "default")


def _prose(component: type[Config]) -> str:
    """Return the rest of a component's docstring, before its sections."""
    text = (inspect.getdoc(component) or "").partition("\n")[2]
    return text.partition("Attributes:\n")[0].partition("Example:\n")[0].replace("``", "").strip()


def _options(topic: Topic, component: type[Config], name: str) -> Iterator[RenderableType]:
    """Yield a component's options; those of a configuration within it come after it."""
    needed = {option: example(field) for option, field in component.model_fields.items() if field.is_required()}
    holder = option_of(topic.kind)
    form = typed(holder, name)
    words = [topic.use.replace("NAME", name, 1).partition(",NAME")[0]]
    words += [pasted(form, f"{holder}.{option}", value) for option, value in needed.items() if value is not None]
    chosen = f"Chosen by {' '.join(words)}"
    prefix = "" if topic.kind in {"checks", "method"} else f"{holder}."
    rows = list(_rows(component, prefix))
    if not rows:
        yield f"{chosen}. It has no options."
        return
    if topic.kind == "checks":
        own = next((option for option in component.model_fields if option != "action"), "action")
        default = plain(component.model_fields[own].default)
        chosen += f"; with an option, -o 'checks=[{{name: {name}, {own}: {default}}}]'"
    table = _table("", "option", "default", "meaning")
    for row in rows:
        table.add_row(*row)
    yield chosen
    yield table


def _rows(component: type[Config], prefix: str) -> Iterator[tuple[str, str, str]]:
    meanings = described(component)
    for name, field in component.model_fields.items():
        default = "required" if field.is_required() else default_of(name, field.default)
        yield f"{prefix}{name}", default, meanings.get(name, "").replace("``", "")
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, Config):
                yield from _rows(inner, f"{prefix}{name}.")


def _options_of_components(word: str) -> Iterator[Entry]:
    """Yield the components' options called `word`, as in ``attack.boost`` or ``boost``, each once with who has it."""
    for topic in TOPICS:
        having: dict[tuple[str, str, str], list[str]] = {}
        for name in names(topic) if topic.kind else ():
            for _, component in components_called(name) if name != "none" else ():
                for row in _rows(component, f"{option_of(topic.kind)}."):
                    if word in {row[0], row[0].rpartition(".")[2]} and name not in having.setdefault(row, []):
                        having[row].append(name)
        for (option, default, meaning), owners in having.items():
            yield Entry(topic, option, f"{meaning} ({', '.join(owners)})", default)


def _search_table(word: str) -> Table:
    """List where a word occurs."""
    if not (matches := search(word)):
        raise ConfigError(f"--search {word}: it occurs nowhere; {nearest(word, _every_name())}")
    table = _table(f"“{word}”: fedlens list NAME shows one", "name", "topic", "what it is")
    for entry in matches:
        table.add_row(entry.name, entry.topic.name, entry.about)
    return table


def _entries(title: str, rows: Iterable[Entry], rest: str) -> Table:
    table = _table(title, *filter(None, ("name", rest, "meaning")))
    for entry in rows:
        table.add_row(entry.name, *([entry.rest] if rest else []), entry.about)
    return table


def _unknown(word: str) -> str:
    remedy = nearest(word, _every_name(), listing="`fedlens list`")
    return f"there is no topic, preset, component or option {word!r}; {remedy} (or fedlens list --search {word})"


def _every_name() -> set[str]:
    return {name for topic in TOPICS for name in (topic.name, *names(topic))}


def partition_table(setting: "Setting") -> Table:
    """Tabulate how many training samples of each class every client holds; of a regression how many in all."""
    table = PlainTable(title="Training samples per client")
    table.add_column("client", justify="right")
    for name in ("all", *setting.dataset.classes):
        table.add_column(name, justify="right")
    labels, classes = setting.dataset.train.y.cpu(), len(setting.dataset.classes)
    counts = setting.shards.class_counts(labels, classes).tolist() if classes else [[]] * len(setting.shards)
    for client, row in enumerate(counts):
        table.add_row(str(client), str(int(setting.shards.sizes[client])), *map(str, row))
    return table
