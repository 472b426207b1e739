"""A cell of a grid: the values that set it apart, and the experiment that they describe."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fedlens.experiment.experiment import Experiment
from fedlens.experiment.flat import in_words, shown

Values = dict[str, Any]
"""Options by their dotted names, with a value each."""


@dataclass(frozen=True)
class Cell:
    """One experiment of a grid.

    Attributes:
        values: what sets it apart from the others.
        experiment: what is to be run; ``None`` where that is impossible.
        error: why it is impossible.

    Example:
        >>> from fedlens.sweeps import Grid
        >>> cell = Grid(experiment="quickstart", product={"seed": [0, 1]}).cells()[1]
        >>> cell.labels, cell.experiment.seed
        ({'seed': 1}, 1)
    """

    values: Values
    experiment: Experiment | None
    error: str = ""

    @cached_property
    def key(self) -> str:
        """Return the experiment's identity; for an impossible one, a digest of its values."""
        if self.experiment is not None:
            return self.experiment.identity()
        return hashlib.blake2b(repr(self.values).encode(), digest_size=16).hexdigest()

    @cached_property
    def labels(self) -> dict[str, str | float | bool]:
        """Return its values as understood, in a form that a table can hold: ``"1e-3"`` is 0.001."""
        if self.experiment is None:
            return {option: label(value) for option, value in self.values.items()}
        described = self.experiment.describe()
        return {option: label(understood(value, _lookup(described, option))) for option, value in self.values.items()}

    def __str__(self) -> str:
        return ", ".join(f"{option}={shown(value)}" for option, value in self.labels.items()) or "the only cell"


def label(value: Any) -> str | float | bool:
    """Return a value as one word: ``krum(f=1)`` for ``{name: krum, f: 1}``; numbers and booleans are left alone."""
    match value:
        case dict():
            return in_words(str(value.get("name", "")), {key: value[key] for key in value if key != "name"}) or "()"
        case list():
            return "+".join(str(label(item)) for item in value) or "none"
        case None:
            return "none"
        case str() | bool() | int() | float():
            return value
    return str(value)


def understood(typed: Any, described: Any) -> Any:
    """Return a value as validated, without the defaults that nobody `typed`.

    Args:
        typed: what the user wrote.
        described: the corresponding value in the experiment's description.
    """
    match typed, described:
        case Mapping(), Mapping():
            return {key: understood(value, described.get(key, value)) for key, value in typed.items()}
        case list() | tuple(), list() if len(typed) == len(described):
            return [understood(*pair) for pair in zip(typed, described, strict=True)]
        case _, [only]:  # a list of one may be typed without brackets
            return understood(typed, only)
        case _, Mapping():  # a component's name alone
            return described.get("name", typed)
    return described


def _lookup(described: Mapping[str, Any], option: str) -> Any:
    """Return a description's value for the option of this dotted name; ``None`` where a component has no options."""
    value: Any = described
    for name in option.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def matches(value: Any, wanted: Any) -> bool:
    """Tell whether a cell's value is `wanted`, or one of them; a component's name alone matches any of its options."""
    words = label(value), label(wanted)
    if isinstance(value, bool) == isinstance(wanted, bool) and (words[0] == words[1] or _equal(*words)):
        return True
    if isinstance(wanted, list):
        return any(matches(value, choice) for choice in wanted)
    return isinstance(value, dict) and isinstance(wanted, str) and value.get("name") == wanted


def _equal(value: str | float, wanted: str | float) -> bool:
    """Tell whether both are the same number, whether typed as a number or as text."""
    try:
        return float(value) == float(wanted)
    except ValueError:
        return False
