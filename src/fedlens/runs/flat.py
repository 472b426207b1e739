"""An experiment as options by their dotted names, with a value each that a table can hold.

A part counts by its name (``aggregation``: ``krum``), and its options one by one (``aggregation.f``: 1).
"""

from collections.abc import Iterator
from typing import Any

from fedlens.config import Config
from fedlens.experiment import Experiment
from fedlens.parts import BUILT_IN, name_of

Value = str | float | bool | None


def flattened(experiment: Experiment) -> dict[str, Value]:
    """Every option that changes the result; an option without value is ``none``, as in YAML."""
    values = experiment.relevant() | {"checks": value_of(experiment, "checks")}
    return dict(_leaves("", values))


def value_of(experiment: Experiment, name: str) -> Value:
    """The value of an option; a part's says what is unusual about it (``krum(f=1)``); ``None`` if it does not apply."""
    if name == "checks":
        return "+".join(_word(name, check) for check in experiment.checks) or "none"
    if name in BUILT_IN:
        part = getattr(experiment, name)
        return "none" if part is None else _word(name, part)
    return flattened(experiment).get(name)


def plain_value(value: Any) -> Value:
    """What a table holds as a plain value; ``None`` where it is missing."""
    missing = value is None or value != value  # noqa: PLR0124 - only what is missing differs from itself
    return None if missing else value.item() if hasattr(value, "item") else value


def shown(value: Value) -> str:
    """A value as people write it: ``5`` for 5.0, ``true`` for a truth, ``–`` where there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.12g}"
    return "–" if value is None else value


def _word(kind: str, part: Config) -> str:
    """A part's name, and in brackets the options that are not at their defaults."""
    options = dict(_leaves("", part.model_dump(mode="json", exclude_defaults=True)))
    inner = ", ".join(f"{name}={shown(value)}" for name, value in options.items())
    return name_of(kind, part) + (f"({inner})" if inner else "")


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Value]]:
    match value:
        case dict():
            for key, below in value.items():
                own = key == "name" and name
                yield from _leaves(name if own else f"{name}.{key}" if name else key, below)
        case list():
            yield name, "+".join(map(str, value))
        case None:
            yield name, "none"
        case _:
            yield name, value
