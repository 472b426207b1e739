"""Experiments from presets, YAML files and command-line overrides."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError, DamagedRunError, cut, shortened
from fedlens.core.importing import is_run_directory
from fedlens.core.parsing import DEEPEST, parse_yaml, read_yaml
from fedlens.core.registry import BUILT_IN, Description, Record, name_of
from fedlens.core.regular import regular
from fedlens.core.suggest import TYPED, likeliest, likeliest_file, nearest, pasted, plain
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.fields import Source
from fedlens.experiment.presets import presets
from fedlens.runs.ownership import require_trusted
from fedlens.runs.start import read_notes


def read(source: str, trust: bool = False) -> tuple[dict[str, Any], Description]:
    """The values in a preset, a YAML file, or a run directory, and where the modules that they name are found.

    Args:
        source: which.
        trust: whether code may be imported that somebody else's run names.

    Raises:
        ConfigError: there is no such preset or file, it holds no mapping, or it is somebody else's run.
    """
    if (run := run_directory(source)) is not None:
        return read_run(run, trust)
    path = Path(source)
    if _may_be_preset(source) and source in presets():
        return presets()[source].values, Description()
    if not os.path.isfile(source):  # noqa: PTH113 - which says no to a name that cannot be one, too
        raise ConfigError(_missing(source))
    return _read_file(path), Description(beside=(path.parent,))


def run_directory(source: str) -> Path | None:
    """The run directory that `source` is, or whose description it is; ``None`` for a preset or another file."""
    path = Path(source)
    if _may_be_preset(source) and source in presets():
        return None
    if os.path.isdir(source):  # noqa: PTH112 - likewise
        return path
    if path.name != "experiment.yaml" or not os.path.isfile(source):  # noqa: PTH113
        return None
    return path.parent if is_run_directory(path.parent) else None


def _may_be_preset(source: str) -> bool:
    """Whether it is a bare name; else none of the presets need be parsed."""
    path = Path(source)
    return path.name == source and not path.suffix


def read_run(path: Path, trust: bool = False) -> tuple[dict[str, Any], Description]:
    """As `read`, of the run in the directory `path`."""
    file = path / "experiment.yaml"
    if not file.is_file():
        raise ConfigError(_missing(str(path)))
    values = _read_file(file)
    require_trusted(file, values, trust)
    return values, Description(within=path)


def _read_file(path: Path) -> dict[str, Any]:
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected options and their values, found {type(values).__name__}; e.g. the line attack: none"
        )
    return values


def _missing(source: str) -> str:
    """What to say where neither a preset nor a file is: which of the two was meant, and what may have been."""
    path, said = Path(source), f"there is no preset or file {shortened(source)}"
    if os.path.isdir(source):  # noqa: PTH112 - which says no to a name that cannot be one, too
        return f"{said}; the folder has no experiment.yaml, as a run's has; take a preset, e.g. quickstart"
    if path.name == source and path.suffix not in {".yaml", ".yml"}:
        return f"{said}; {nearest(source, presets(), listing='`fedlens list presets`')}"
    meant = likeliest_file(path) or likeliest(path.stem, sorted(presets()))
    remedy = f"did you mean {meant}?" if meant else "give its path, or take a preset, e.g. quickstart"
    return f"{cut(source, 400)}: there is no such file; {remedy}"


def override(values: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """`values` with each ``option=value`` (``attack.boost=5``) put in its place.

    Raises:
        ConfigError: an assignment is not of that form.
    """
    for assignment in assignments:
        option, value = parse_assignment(assignment)
        values = put(values, option, value, f"-o {cut(assignment)}")
    return values


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """The option's dotted name and the value in ``option=value``.

    Raises:
        ConfigError: the assignment is not of that form.
    """
    option, equals, text = assignment.partition("=")
    if not equals or not all(option.strip().split(".")):
        raise ConfigError(f"-o {cut(assignment)}: expected option=value, for example -o attack.boost=5")
    return option.strip(), parse_yaml(text, f"-o {cut(assignment)}")


def put(values: Mapping[str, Any], option: str, value: Any, place: str) -> dict[str, Any]:
    """`values` with `value` as the `option` of this dotted name.

    Raises:
        ConfigError: what stands above the option has no options; the message begins with `place`.
    """
    if option.count(".") > DEEPEST:
        raise ConfigError(f"{place}: no option lies so deep; known: attack.boost, local.epochs and the like")
    name, dot, rest = option.partition(".")
    if not dot:
        return {**values, name: value}
    below = values.get(name)
    if isinstance(below, str) and name in BUILT_IN:
        below = {"name": below}
    if below is not None and not isinstance(below, dict):
        own = isinstance(Experiment.model_fields[name].default, Config) if name in Experiment.model_fields else False
        remedy = cut(pasted(TYPED, name, f"{{{rest}: {plain(value)}}}" if own else below))
        raise ConfigError(f"{place}: {cut(name)} is {shortened(below)} and has no options; e.g. {remedy}")
    return {**values, name: put(below or {}, rest, value, place)}


def load_experiment(source: str | Path, assignments: Iterable[str] = (), *, trust: bool = False) -> Experiment:
    """The experiment in `source`, to be run, with overrides.

    Args:
        source: a preset's name, a YAML file, or a run directory; a `Path` is no preset.
        assignments: each ``option=value``.
        trust: import what a run of somebody else's names as ``module:Class``, too.

    Raises:
        ConfigError: it does not exist or cannot be run; the message names each place and what would be right.
    """
    path = source if isinstance(source, Path) else None
    values, description = read_run(path, trust) if path is not None and path.is_dir() else read(str(source), trust)
    return experiment_of(override(values, assignments), description)


def experiment_of(values: dict[str, Any], source: Source | None = None) -> Experiment:
    """The experiment with these values, which come from this `source`, or else are to be run.

    Raises:
        ConfigError: it cannot be run; where options are missing, what else would be refused then is told, too.
    """
    try:
        return validate(Experiment, values, source=source)
    except ConfigError as error:
        lines = [*str(error).splitlines(), *_afterwards(values, source, error.missing)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error.__cause__


def _afterwards(values: dict[str, Any], source: Source | None, missing: Mapping[str, Any]) -> list[str]:
    """What would be refused next, were the `missing` options given the values that stand there."""
    try:
        for option, value in missing.items():
            values = put(values, option, value, option)
    except ConfigError:  # it is in a list
        return []
    try:
        validate(Experiment, values, source=source)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def load_recorded(
    path: Path,
    like: Experiment | None = None,
    *,
    needed: Sequence[str] = (),
    trust: bool = False,
    assignments: Iterable[str] = (),
) -> Experiment:
    """The experiment of the run in the directory `path`, to be looked at: no code that it names is imported.

    Args:
        path: the directory.
        like: an experiment whose parts' classes are at hand.
        needed: kinds of parts whose classes are imported all the same.
        trust: whether they may be even where somebody else began the run.
        assignments: each ``option=value``.

    Raises:
        ConfigError: what is needed is somebody else's, and there is no `trust`.
        DamagedRunError: what is there is no experiment.
    """
    file = path / "experiment.yaml"
    classes = {(kind, name_of(kind, part)): type(part) for kind, part in like.parts()} if like is not None else {}
    source = Record(read_notes(path), classes, {kind: Description(within=path) for kind in needed})
    if file.exists():
        regular(file)
    try:
        values = _read_file(file)
        require_trusted(file, {kind: values[kind] for kind in needed if kind in values}, trust)
        return validate(Experiment, override(values, assignments), source=source)
    except ConfigError as error:
        if needed or assignments:
            raise
        where = "" if str(error).startswith(str(file)) else f"{file}: "
        raise DamagedRunError(f"{where}{error}") from None
