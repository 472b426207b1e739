"""Experiments from presets, YAML files and command-line overrides."""

from collections.abc import Hashable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from fedlens.config import nearest, validate
from fedlens.errors import ConfigError
from fedlens.experiment import Experiment
from fedlens.parts import BUILT_IN


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, and not the last one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem=f"{key!r} cannot be a key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, place: str) -> Any:
    """The value that `text` stands for.

    Raises:
        ConfigError: the text is not YAML; the message names `place` and the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{place}{line}: {getattr(error, 'problem', None) or error}") from None
    except ValueError as error:  # such as a date in the 13th month
        raise ConfigError(f"{place}: {error}") from None


def presets() -> dict[str, str]:
    """The presets' names and texts."""
    folder = files("fedlens.presets")
    found = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    return {name: (folder / f"{name}.yaml").read_text(encoding="utf-8") for name in found}


def read(source: str) -> dict[str, Any]:
    """The values in a preset, a YAML file, or a run directory.

    Raises:
        ConfigError: there is no such preset or file, or it holds no mapping.
    """
    path = Path(source)
    if path.is_dir():
        path /= "experiment.yaml"
    known = presets()
    if source in known:
        text, place = known[source], f"preset {source}"
    elif path.is_file():
        try:
            text, place = path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from None
    else:
        raise ConfigError(f"there is no preset or file {source!r}; {nearest(source, known)}")
    values = parse_yaml(text, place)
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: expected options and their values, found {type(values).__name__}")
    return values


def override(values: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """`values` with each ``option=value`` (``attack.boost=5``) put in its place.

    Raises:
        ConfigError: an assignment is not of that form.
    """
    values = dict(values)
    for assignment in assignments:
        option, equals, text = assignment.partition("=")
        *path, last = option.strip().split(".")
        if not equals or not all([*path, last]):
            raise ConfigError(f"-o {assignment}: expected option=value, for example -o attack.boost=5")
        here = values
        for key in path:
            below = here.get(key)
            if isinstance(below, str) and key in BUILT_IN:
                below = {"name": below}
            if below is not None and not isinstance(below, dict):
                raise ConfigError(f"-o {assignment}: {key} is {below!r} and has no options")
            here[key] = dict(below or {})
            here = here[key]
        here[last] = parse_yaml(text, f"-o {assignment}")
    return values


def load_experiment(source: str, assignments: Iterable[str] = ()) -> Experiment:
    """The experiment in `source` (a preset's name, a YAML file, or a run directory) with overrides.

    Raises:
        ConfigError: it does not exist or cannot be run; the message names each place and what would be right.
    """
    return validate(Experiment, override(read(source), assignments))
