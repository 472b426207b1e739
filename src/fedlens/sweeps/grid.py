"""A grid of experiments: the product of some options' values, others that change together, and exclusions.

```yaml
name: rules
experiment: quickstart            # a preset, a file, or options and their values; what every cell has in common
options: {rounds: 20}             # the same for all cells
product:                          # every combination of these
  aggregation: [mean, {name: krum, f: 1}, median]
  attack.boost: [2, 5, 10]
  seed: [0, 1, 2]
zipped:                           # first with first, second with second; each group is one more factor
  - {local.epochs: [1, 5], rounds: [50, 10]}
exclude:                          # a cell that has all of these values is left out
  - {aggregation: median, attack.boost: [5, 10]}
```
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from fedlens.config import Config, validate
from fedlens.errors import ConfigError
from fedlens.experiment import Experiment
from fedlens.loading import parse_assignment, put, read
from fedlens.parsing import parse_yaml

Values = dict[str, Any]
"""Options by their dotted names, with a value each."""


@dataclass(frozen=True)
class Cell:
    """One experiment of a grid.

    Attributes:
        values: what sets it apart from the others.
        experiment: what is to be run; ``None`` where that is impossible.
        error: why it is impossible.
    """

    values: Values
    experiment: Experiment | None
    error: str = ""

    @cached_property
    def key(self) -> str:
        """The experiment's identity; of an impossible one, a digest of its values."""
        if self.experiment is not None:
            return self.experiment.identity()
        return hashlib.blake2b(json.dumps(self.values, sort_keys=True).encode(), digest_size=16).hexdigest()

    @property
    def labels(self) -> dict[str, str | float | bool | None]:
        """Its values as a table can hold them."""
        return {option: label(value) for option, value in self.values.items()}

    def __str__(self) -> str:
        return ", ".join(f"{option}={value}" for option, value in self.labels.items()) or "the only cell"


def label(value: Any) -> str | float | bool | None:
    """A value as one word: ``krum(f=1)`` for ``{name: krum, f: 1}``; numbers and truths are left alone."""
    match value:
        case dict():
            inner = ", ".join(f"{key}={label(below)}" for key, below in value.items() if key != "name")
            return f"{value['name']}({inner})" if "name" in value and inner else str(value.get("name", f"({inner})"))
        case list():
            return "+".join(str(label(item)) for item in value) or "none"
        case str() | bool() | int() | float() | None:
            return value
    return str(value)


class Grid(Config):
    """See the module.

    Attributes:
        name: what to call the sweep.
        about: a sentence for people.
        experiment: a preset, a file, a run's directory, or options and their values.
        options: options by their dotted names that all cells have.
        product: values of each option; every combination is a cell.
        zipped: groups of options with equally many values, of which the first belong together, the second, and so on.
        exclude: cells that have all of these values, or one of several given, are left out.
    """

    name: str = Field(default="sweep", pattern=r"^[\w][\w.+-]*$")
    about: str = ""
    experiment: str | Values
    options: Values = Field(default_factory=dict)
    product: dict[str, list[Any]] = Field(default_factory=dict)
    zipped: tuple[dict[str, list[Any]], ...] = ()
    exclude: tuple[Values, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> "Grid":
        groups = [*({name: values} for name, values in self.product.items()), *self.zipped]
        for group in groups:
            lengths = {name: len(values) for name, values in group.items()}
            if not lengths or 0 in lengths.values():
                raise ValueError(f"product, zipped: {', '.join(group) or 'a group'} has no values")
            if len(set(lengths.values())) > 1:
                found = ", ".join(f"{name} has {count}" for name, count in lengths.items())
                raise ValueError(f"zipped: options that change together need equally many values; {found}")
        names = list(chain.from_iterable(groups))
        if twice := {name for name in names if names.count(name) > 1} | (self.options.keys() & set(names)):
            raise ValueError(f"{', '.join(sorted(twice))}: given more than once in options, product and zipped")
        for unknown in (name for wanted in self.exclude for name in wanted if name not in names):
            raise ValueError(f"exclude: {unknown} does not vary; what varies is {', '.join(names) or 'nothing'}")
        return self

    def cells(self) -> list[Cell]:
        """Every cell that is not excluded, the last option changing fastest.

        Raises:
            ConfigError: the experiment does not exist, no cell is left, or all are impossible.
        """
        base = read(self.experiment) if isinstance(self.experiment, str) else self.experiment
        for option, value in self.options.items():
            base = put(base, option, value, f"options.{option}")
        cells = [_cell(base, values) for values in self._combinations() if not self._excluded(values)]
        if not cells:
            raise ConfigError("exclude: no cell is left")
        if all(cell.experiment is None for cell in cells):
            raise ConfigError(f"no cell of the grid can be run; the first, {cells[0]}: {cells[0].error}")
        return cells

    def _combinations(self) -> Iterator[Values]:
        groups = [*({name: values} for name, values in self.product.items()), *self.zipped]
        factors = [
            [dict(zip(group, row, strict=True)) for row in zip(*group.values(), strict=True)] for group in groups
        ]
        for parts in product(*factors):
            yield {name: value for part in parts for name, value in part.items()}

    def _excluded(self, values: Values) -> bool:
        return any(
            all(_matches(values[name], wanted) for name, wanted in exclusion.items()) for exclusion in self.exclude
        )


def _matches(value: Any, wanted: Any) -> bool:
    """Whether a cell's value is the one, or among those, that an exclusion names; a part's name stands for it."""
    if isinstance(wanted, list) and not isinstance(value, list):
        return any(_matches(value, one) for one in wanted)
    return bool(
        value == wanted or (isinstance(value, dict) and isinstance(wanted, str) and value.get("name") == wanted)
    )


def _cell(base: Mapping[str, Any], values: Values) -> Cell:
    """The cell that has these values, impossible or not."""
    described = dict(base)
    try:
        for option, value in values.items():
            described = put(described, option, value, option)
        return Cell(values, validate(Experiment, described))
    except ConfigError as error:
        return Cell(values, None, str(error))


def load_grid(source: str | Path, assignments: list[str] | None = None) -> Grid:
    """The grid in a YAML file, with ``option=value`` (``product.seed=[0,1]``, ``options.rounds=5``) put in its place.

    Raises:
        ConfigError: the file does not exist, or is no grid; the message names each place and what would be right.
    """
    path = Path(source)
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: a grid cannot be read there: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a grid (experiment, product ...), found {type(values).__name__}")
    values = {"name": path.stem, **values}
    for assignment in assignments or []:
        field, dot, option = (parts := parse_assignment(assignment))[0].partition(".")
        if dot and not isinstance(values.setdefault(field, {}), dict):
            raise ConfigError(f"-o {assignment}: {field} is {values[field]!r} and has no options")
        values[field] = {**values[field], option: parts[1]} if dot else parts[1]
    return validate(Grid, values, str(path))
