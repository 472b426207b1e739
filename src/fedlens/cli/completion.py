"""What the shell offers when Tab is pressed: presets and files, names of components, options and their values."""

from glob import escape
from pathlib import Path
from typing import Any, Literal, get_args, get_origin


def sources(incomplete: str) -> list[str]:
    """Return the presets, the YAML files and the folders that begin so."""
    from fedlens.experiment.presets import listed

    folder, _, start = incomplete.rpartition("/")
    paths = sorted(Path(folder or ".").glob(f"{escape(start)}*")) if not folder or Path(folder).is_dir() else []
    files = [f"{path}/" if path.is_dir() else str(path) for path in paths if path.is_dir() or path.suffix == ".yaml"]
    return [name for name in listed() if name.startswith(incomplete)] + files


def names(incomplete: str) -> list[str]:
    """Return what ``fedlens list`` can show: topics, presets, and components."""
    from fedlens.experiment.presets import listed
    from fedlens.report.catalogue import TOPICS
    from fedlens.report.catalogue import names as names_of

    components = [name for topic in TOPICS if topic.kind for name in names_of(topic)]
    every = dict.fromkeys([*(topic.name for topic in TOPICS), *listed(), *components])
    return [name for name in every if name.startswith(incomplete)]


def assignments(incomplete: str) -> list[str]:
    """Return the options that begin so, each with ``=``; after it, the components or words that the option can be."""
    from fedlens.report.catalogue import TOPICS, entries
    from fedlens.report.catalogue import names as names_of

    option, equals, start = incomplete.partition("=")
    if equals:
        components = next((names_of(topic) for topic in TOPICS if topic.kind == option), None)
        values = _values(option, start) if components is None else components
        return [f"{option}={value}" for value in values if value.startswith(start)]
    options = next([entry.name for entry in entries(topic)] for topic in TOPICS if topic.name == "options")
    return [f"{name}=" for name in options if name.startswith(option)]


def _values(option: str, start: str) -> list[str]:
    """Return the words that an option takes; of one that takes a list, the lists that go on from `start`."""
    from fedlens.report.catalogue import SECTIONS

    fields = {f"{prefix}{name}": field for prefix, config in SECTIONS for name, field in config.model_fields.items()}
    annotation = fields[option].annotation if option in fields else None
    words = [word for word in _words(annotation) if isinstance(word, str)]
    if not any(get_origin(member) is tuple for member in (annotation, *get_args(annotation))):
        return words
    before = start.removeprefix("[").split(",")[:-1]
    return [f"[{','.join([*before, word])}]" for word in words if word not in before]


def _words(annotation: Any) -> list[Any]:
    """Return the values of every `Literal` in an annotation."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [word for inner in get_args(annotation) for word in _words(inner)]
