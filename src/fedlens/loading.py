"""Experiments from presets, YAML files and command-line overrides."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fedlens.config import nearest, validate
from fedlens.errors import ConfigError
from fedlens.experiment import Experiment
from fedlens.parsing import parse_yaml
from fedlens.parts import BUILT_IN
from fedlens.presets import presets


def read(source: str) -> dict[str, Any]:
    """The values in a preset, a YAML file, or a run directory.

    Raises:
        ConfigError: there is no such preset or file, or it holds no mapping.
    """
    path = Path(source)
    bare = path.name == source and not path.suffix  # else it cannot be a preset, and none need be parsed
    if bare and source in presets():
        return presets()[source].values
    if path.is_dir():
        path /= "experiment.yaml"
    if not path.is_file():
        raise ConfigError(f"there is no preset or file {source!r}; {nearest(source, presets())}")
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected options and their values, found {type(values).__name__}")
    return values


def override(values: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """`values` with each ``option=value`` (``attack.boost=5``) put in its place.

    Raises:
        ConfigError: an assignment is not of that form.
    """
    for assignment in assignments:
        option, value = parse_assignment(assignment)
        values = put(values, option, value, f"-o {assignment}")
    return values


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """The option's dotted name and the value in ``option=value``.

    Raises:
        ConfigError: the assignment is not of that form.
    """
    option, equals, text = assignment.partition("=")
    if not equals or not all(option.strip().split(".")):
        raise ConfigError(f"-o {assignment}: expected option=value, for example -o attack.boost=5")
    return option.strip(), parse_yaml(text, f"-o {assignment}")


def put(values: Mapping[str, Any], option: str, value: Any, place: str) -> dict[str, Any]:
    """`values` with `value` as the `option` of this dotted name.

    Raises:
        ConfigError: what stands above the option has no options; the message begins with `place`.
    """
    name, dot, rest = option.partition(".")
    if not dot:
        return {**values, name: value}
    below = values.get(name)
    if isinstance(below, str) and name in BUILT_IN:
        below = {"name": below}
    if below is not None and not isinstance(below, dict):
        raise ConfigError(f"{place}: {name} is {below!r} and has no options")
    return {**values, name: put(below or {}, rest, value, place)}


def load_experiment(source: str, assignments: Iterable[str] = ()) -> Experiment:
    """The experiment in `source` (a preset's name, a YAML file, or a run directory) with overrides.

    Raises:
        ConfigError: it does not exist or cannot be run; the message names each place and what would be right.
    """
    return validate(Experiment, override(read(source), assignments))
