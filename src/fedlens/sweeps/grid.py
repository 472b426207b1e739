"""A grid of experiments: the product of some options' values, others that change together, and exclusions.

```yaml
name: rules
experiment: quickstart            # a preset, a file, or options and their values; shared by all cells
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

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError, cut, shortened
from fedlens.core.importing import is_sweep_directory
from fedlens.core.parsing import read_yaml
from fedlens.core.registry import Description
from fedlens.core.suggest import TYPED, likeliest_file, nearest, pasted
from fedlens.experiment.cell import Cell, Values, label, matches
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.presets import presets
from fedlens.runs.loading import parse_assignment, read, run_directory
from fedlens.runs.ownership import code_named, require_trusted
from fedlens.sweeps.make_cell import make_cell

LARGEST = 100_000
"""The most cells that a grid may have; a mistyped product soon has more than can ever be run."""


def _with_lists(values: Any) -> Any:
    """Refuse a mapping that is empty, or an option in it that has no list of values."""
    if values is None:
        raise ValueError("is empty; name options with a list of values each, e.g. {seed: [0, 1]}, or leave it out")
    for option, choices in values.items() if isinstance(values, Mapping) else ():
        if isinstance(choices, Mapping):
            first = next(iter(choices), "option")
            raise ValueError(f"{option}: expected a list of values; what varies beneath it is {option}.{first}: [...]")
        if not isinstance(choices, list):
            raise ValueError(f"{option}: expected a list of values, [{choices}]; what does not vary belongs in options")
        if not choices:
            raise ValueError(f"{option}: has no values; give some, e.g. {option}: [0, 1], or leave it out")
    return values


def _as_list(value: Any) -> Any:
    """Put a single group or exclusion into a list."""
    return [value] if isinstance(value, Mapping) else value


Factor = Annotated[dict[str, list[Any]], BeforeValidator(_with_lists)]


class Grid(Config):
    """A grid of experiments, as its YAML file describes it.

    Attributes:
        name: what to call the sweep.
        about: what the sweep is for, in a sentence.
        experiment: a preset, a file, a run's directory, or options and their values.
        options: options by their dotted names that all cells have.
        product: values of each option; every combination is a cell.
        zipped: groups of options that vary together: first values with first values, second with second.
        exclude: combinations of values (or lists of values) whose cells are left out.

    Example:
        >>> from fedlens.sweeps import Grid
        >>> grid = Grid(experiment="quickstart", product={"seed": [0, 1], "aggregation": ["mean", "median"]})
        >>> cells = grid.cells()
        >>> len(cells), str(cells[1])
        (4, 'seed=0, aggregation=median')
    """

    name: str = Field(default="sweep", pattern=r"^[\w][\w.+-]*$")
    about: str = ""
    experiment: str | Values = Field(examples=["quickstart"])
    options: Values = Field(default_factory=dict)
    product: Factor = Field(default_factory=dict)
    zipped: Annotated[tuple[Factor, ...], BeforeValidator(_as_list)] = ()
    exclude: Annotated[tuple[Values, ...], BeforeValidator(_as_list)] = ()

    _folders: tuple[Path, ...] = PrivateAttr(default=())
    _trust: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _sound(self) -> "Grid":
        for group in self.zipped:
            lengths = {name: len(values) for name, values in group.items()}
            if len(set(lengths.values())) != 1:
                counts = ", ".join(f"{name} has {count}" for name, count in lengths.items()) or "a group has no options"
                raise ValueError(f"zipped: options that change together need equally many values; {counts}")
        if repeated := self._repeated_options():
            raise ValueError(
                f"{', '.join(repeated)}: given more than once in options, product and zipped; "
                f"on the command line, -o 'product.{repeated[0]}=[...]' changes what varies"
            )
        if (count := math.prod(len(factor) for factor in self._factors)) > LARGEST:
            most = f"more than {LARGEST:,} are too many"
            raise ValueError(f"product, zipped: they make {count:,} cells, and {most}; e.g. -o 'product.seed=[0]'")
        varying = {option: values for group in self._groups for option, values in group.items()}
        for exclusion in self.exclude:
            if not exclusion:
                raise ValueError("exclude: an exclusion names at least one option and its value; e.g. {seed: 0}")
            for option, wanted in exclusion.items():
                _require_varying(option, wanted, varying)
        return self

    @cached_property
    def _groups(self) -> list[dict[str, list[Any]]]:
        return [*({name: values} for name, values in self.product.items()), *self.zipped]

    @cached_property
    def _factors(self) -> list[list[Values]]:
        return [
            [dict(zip(group, row, strict=True)) for row in zip(*group.values(), strict=True)] for group in self._groups
        ]

    def _repeated_options(self) -> list[str]:
        """Return options with more than one source of values, one of which may be a component's own description."""
        given = {name: [value] for name, value in self.options.items()}
        names = list(chain(given, *self._groups))
        for group in self._groups:
            given |= group
        within = {
            f"{name}.{key}" for name, values in given.items() for value in values if isinstance(value, dict)
            for key in value
        }  # fmt: skip
        return sorted({name for name in names if names.count(name) > 1} | (within & set(names)))

    def cells(self) -> list[Cell]:
        """Return every cell that is not excluded, the last option changing fastest.

        Raises:
            ConfigError: the experiment does not exist, no cell is left, all are impossible, or two are the same.
        """
        return list(self._cells)

    def whole(self) -> "Grid":
        """Return the grid as its directory keeps it, so that it can be run again from any other.

        What a file describes is in it in full. A preset keeps its name. A run, or a file with the user's own classes,
        which are looked for beside it, is named by its absolute path.
        """
        if not isinstance(self.experiment, str) or self.experiment in presets():
            return self
        values, _ = self._base
        if run_directory(self.experiment) is not None or code_named(values):
            return self.model_copy(update={"experiment": str(Path(self.experiment).absolute())})
        return self.model_copy(update={"experiment": values})

    @cached_property
    def _base(self) -> tuple[Values, Description]:
        """The values that all cells share, and the source of their modules."""
        if isinstance(self.experiment, str):
            return read(self.experiment, self._trust)
        return self.experiment, Description()

    @cached_property
    def _cells(self) -> list[Cell]:
        base, source = self._base
        source = replace(source, beside=self._folders + source.beside)
        by_key: dict[str, Cell] = {}
        for values in self._combinations():
            cell = make_cell(base, self.options, values, source)
            if (same := by_key.setdefault(cell.key, cell)).labels != cell.labels:
                raise ConfigError(f"these are the same experiment and would count twice: {same}; and {cell}")
        cells = list(by_key.values())
        if not cells:
            raise ConfigError("exclude: no cell is left; e.g. -o 'exclude=[]'")
        if all(cell.experiment is None for cell in cells):
            raise ConfigError(f"no cell of the grid can be run; the first, {cells[0]}: {cells[0].error}")
        return cells

    def _combinations(self) -> Iterator[Values]:
        for parts in product(*self._factors):
            values = {name: value for part in parts for name, value in part.items()}
            if not any(
                all(matches(values[name], wanted) for name, wanted in exclusion.items()) for exclusion in self.exclude
            ):
                yield values


def _require_varying(option: str, wanted: Any, varying: Mapping[str, list[Any]]) -> None:
    """Refuse an exclusion by an option or a value that no cell has; it would silently exclude nothing."""
    if option not in varying:
        raise ValueError(f"exclude: {option} does not vary; {nearest(option, varying)}")
    values = varying[option]
    if any(matches(value, wanted) and not isinstance(wanted, list) for value in values) or wanted in values:
        return
    for excluded in wanted if isinstance(wanted, list) else [wanted]:
        if not any(matches(value, excluded) for value in values):
            suggestion = nearest(str(label(excluded)), (str(label(value)) for value in values))
            raise ValueError(f"exclude: {option} is never {label(excluded)}; {suggestion}")


def load_grid(source: str | Path, assignments: list[str] | None = None, *, trust: bool = False) -> Grid:
    """Load a grid from a YAML file, with changes: ``product.seed=[0,1]``, or ``rounds=5`` for an option of all cells.

    Args:
        source: the file.
        assignments: the changes.
        trust: whether to import what somebody else's run or sweep names as ``module:Class``.

    Raises:
        ConfigError: the file does not exist, or is no grid; the message says where it is wrong and how to mend it.
    """
    path = Path(source)
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises on a name that no file can have
        if str(source) in presets():
            playing = f"fedlens run {source} plays it, and a grid file needs experiment: {source}"
            raise ConfigError(f"{source} is a preset; {playing}")
        lines = "its lines may be: experiment: quickstart, product: {seed: [0, 1]}"
        meant = likeliest_file(path)
        remedy = f"did you mean {meant}?" if meant else lines
        raise ConfigError(f"{cut(str(path), 400)}: cannot be read: No such file; {remedy}")
    values = read_yaml(path, "a grid cannot be read there")
    if not isinstance(values, dict):
        content = "an empty file" if values is None else type(values).__name__
        raise ConfigError(
            f"{path}: expected a grid, found {content}; e.g. experiment: quickstart, and product: {{seed: [0, 1]}}"
        )
    if "experiment" not in values and (fields := set(values) & set(Experiment.model_fields) - set(Grid.model_fields)):
        raise ConfigError(
            f"{path}: this is an experiment (it has {min(fields)}), not a grid: fedlens run plays it, "
            f"and a grid has experiment: {path}, and beneath product what varies"
        )
    values = {"name": re.sub(r"[^\w.+-]|^[^\w]", "_", path.stem), **values}
    based_on, neighbour = values.get("experiment"), path.parent / str(values.get("experiment"))
    if isinstance(based_on, str) and based_on not in presets() and not Path(based_on).exists() and neighbour.exists():
        values["experiment"] = str(neighbour)
    for assignment in assignments or []:
        _assign(values, assignment)
    try:
        grid = validate(Grid, values)
        grid._trust = trust
        if is_sweep_directory(path.parent):
            require_trusted(path, values, trust)
        else:
            grid._folders = (path.parent,)
        grid.cells()
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None
    return grid


def _assign(values: dict[str, Any], assignment: str) -> None:
    """Change a field of the grid, an option in one of its fields, or else an option of all cells."""
    name, value = parse_assignment(assignment)
    field, _, option = name.partition(".")
    if field not in Grid.model_fields:
        field, option = "options", name
    if option and not isinstance(values.setdefault(field, {}), dict):
        remedy = cut(pasted(TYPED, field, values[field]))
        raise ConfigError(
            f"-o {cut(assignment)}: {field} is {shortened(values[field])} and has no options; e.g. {remedy}"
        )
    values[field] = {**values[field], option: value} if option else value
