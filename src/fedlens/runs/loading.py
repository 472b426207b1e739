"""Experiments from presets, YAML files and command-line overrides."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import join, quote
from typing import Any, get_args

from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError, DamagedRunError, DataError, cut, shortened
from fedlens.core.fields import Source
from fedlens.core.importing import is_run_directory
from fedlens.core.named import named_options
from fedlens.core.parsing import DEEPEST, line_of, parse_yaml, read_yaml
from fedlens.core.registry import BUILT_IN, Description, Record, name_of
from fedlens.core.regular import regular
from fedlens.core.suggest import TYPED, likeliest, likeliest_file, nearest, pasted
from fedlens.experiment.aims import as_written
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.presets import presets
from fedlens.runs.ownership import require_trusted
from fedlens.runs.start import read_notes

BY_NAME = named_options(type(Experiment.model_fields["local"].default))
"""Options of local training that hold a part by its name."""

OF_AN_AUDIT = {"audited.yaml", "worst.yaml"}
"""Descriptions in the directory of an audit, which may be somebody else's."""
OF_A_SWEEP = {"experiment", "product", "zipped", "exclude"}
"""What stands in the file of a sweep alone."""
HOLDING = {*BUILT_IN, "rule"}
"""The last names of options that hold components."""
NAMED = re.compile(r"[a-z_]\w*(?:\.[\w-]+)*(?=:? )")
"""The option that a line of a message begins with."""


def read(source: str, trust: bool = False) -> tuple[dict[str, Any], Description]:
    """Read the values of a preset, YAML file or run directory; return them and the source of their modules.

    Args:
        source: the preset's name, or the path.
        trust: whether to import code that somebody else's run names.

    Raises:
        ConfigError: there is no such preset or file, it is not a mapping, or it is somebody else's run.
    """
    if (run := run_directory(source)) is not None:
        return read_run(run, trust)
    path = Path(source)
    if _may_be_preset(source) and source in presets():
        return presets()[source].values, Description()
    if not os.path.isfile(source):  # noqa: PTH113 - False also for an impossible name
        raise ConfigError(_missing(source))
    values = _read_file(path)
    if OF_A_SWEEP & values.keys():
        raise ConfigError(f"{path}: this describes a sweep: {join(['fedlens', 'sweep', source])}")
    if path.name in OF_AN_AUDIT and (path.parent / "audit.json").is_file():
        require_trusted(path, values, trust)
        return values, Description(within=path.parent)
    return values, Description(beside=(path.parent,))


def run_directory(source: str) -> Path | None:
    """Return the run directory that `source` names, or whose description it is; ``None`` for anything else."""
    path = Path(source)
    if _may_be_preset(source) and source in presets():
        return None
    if os.path.isdir(source):  # noqa: PTH112 - likewise
        return path
    if path.name != "experiment.yaml" or not os.path.isfile(source):  # noqa: PTH113
        return None
    return path.parent if is_run_directory(path.parent) else None


def _may_be_preset(source: str) -> bool:
    """Tell whether `source` is a bare name; otherwise presets need not be parsed."""
    path = Path(source)
    return path.name == source and not path.suffix


def read_run(path: Path, trust: bool = False) -> tuple[dict[str, Any], Description]:
    """Read the run in the directory `path`; see `read`."""
    file = path / "experiment.yaml"
    if not file.is_file():
        raise ConfigError(_missing(str(path)))
    values = _read_file(file)
    require_trusted(file, values, trust)
    return values, Description(within=path)


def _read_file(path: Path) -> dict[str, Any]:
    values = read_yaml(path)
    if values is None:
        raise ConfigError(f"{path}: is empty; e.g. the line attack: none")
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected options and their values, found {type(values).__name__}; e.g. the line attack: none"
        )
    return values


def _missing(source: str) -> str:
    """Describe a missing preset or file, with a suggestion."""
    path, message = Path(source), f"there is no preset or file {shortened(source)}"
    if os.path.isdir(source):  # noqa: PTH112 - False also for an impossible name
        return f"{message}; the folder has no experiment.yaml, as a run's has; take a preset, e.g. quickstart"
    if path.name == source and path.suffix not in {".yaml", ".yml"}:
        return f"{message}; {nearest(source, presets(), listing='`fedlens list presets`')}"
    meant = likeliest_file(path) or likeliest(path.stem, sorted(presets()))
    remedy = f"did you mean {meant}?" if meant else "give its path, or take a preset, e.g. quickstart"
    return f"{cut(source, 400)}: there is no such file; {remedy}"


MOST_QUOTED = 40
"""A longer text that is no YAML is not taken for one that lacks its quotes."""


def override(values: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return `values` with each ``option=value`` (``attack.boost=5``) set.

    Raises:
        ConfigError: an assignment is not of that form.
    """
    for assignment in assignments:
        option, value = parse_assignment(assignment)
        values = put(values, option, value, f"-o {cut(assignment)}")
    return values


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """Split ``option=value`` into the option's dotted name and its value.

    Raises:
        ConfigError: the assignment is not of that form.
    """
    option, equals, text = assignment.partition("=")
    if not equals or not all(option.strip().split(".")):
        raise ConfigError(f"-o {cut(assignment)}: expected option=value, for example -o attack.boost=5")
    try:
        return option.strip(), parse_yaml(text, f"-o {cut(assignment)}")
    except ConfigError as error:
        if len(text) > MOST_QUOTED or text[:1] in {"[", "{"}:
            raise
        quoted = quote(f"{option.strip()}={json.dumps(text)}")
        raise ConfigError(f"{error}; if that is text, write -o {quoted}") from None


def put(values: Mapping[str, Any], option: str, value: Any, origin: str) -> dict[str, Any]:
    """Return `values` with `value` as the `option` of this dotted name.

    Raises:
        ConfigError: a part of the name has no options; the message begins with `origin`.
    """
    if option.count(".") > DEEPEST:
        raise ConfigError(f"{origin}: no option lies so deep; known: attack.boost, local.epochs and the like")
    return _put(values, [], option.split("."), value, origin)


def _put(values: Mapping[str, Any], above: list[str], names: list[str], value: Any, origin: str) -> dict[str, Any]:
    """Return `values`, those of the option that the names `above` are, with `value` at these `names` beneath."""
    name, *rest = names
    if not rest:
        return {**values, name: value}
    below = values.get(name)
    if name in HOLDING or name in BY_NAME:
        below = _component(below)
    if below is not None and not isinstance(below, dict):
        path = ".".join([*above, name])
        remedy = cut(pasted(TYPED, path, _instead(name, below, rest, value)))
        raise ConfigError(f"{origin}: {cut(path)} is {shortened(below)} and has no options; e.g. {remedy}")
    return {**values, name: _put(below or {}, [*above, name], rest, value, origin)}


def _component(value: Any) -> Any:
    """Return a component's mapping in place of its name, and the only entry of a list in place of that."""
    if isinstance(value, list) and len(value) == 1:
        return _component(value[0])
    return {"name": value} if isinstance(value, str) else value


def _instead(name: str, below: Any, rest: list[str], value: Any) -> Any:
    """Return what could be given in place of an option of what has none: of a list, the first entry has it."""
    given = {".".join(rest): value}
    if isinstance(below, list) and name in HOLDING:
        first, *others = map(_component, below)
        return [{**first, **given} if isinstance(first, dict) else first, *others]
    field = Experiment.model_fields.get(name)
    members = () if field is None else (field.annotation, *get_args(field.annotation))
    own = name not in HOLDING and any(isinstance(kind, type) and issubclass(kind, Config) for kind in members)
    return given if own else below


def load_experiment(source: str | Path, assignments: Iterable[str] = (), *, trust: bool = False) -> Experiment:
    """Load the experiment in `source`, with overrides, to run it.

    Args:
        source: a preset's name, a YAML file, or a run directory; a `Path` is never a preset.
        assignments: each ``option=value``.
        trust: also import ``module:Class`` that somebody else's run names.

    Raises:
        ConfigError: it does not exist or cannot be run; the message names each option and a remedy.

    Example:
        >>> import fedlens
        >>> experiment = fedlens.load_experiment("quickstart", ["rounds=3", "attack.boost=2"])
        >>> experiment.rounds, experiment.attack.boost
        (3, 2.0)
    """
    path = source if isinstance(source, Path) else None
    values, description = read_run(path, trust) if path is not None and path.is_dir() else read(str(source), trust)
    given = list(assignments)
    with naming_lines(source, given):
        return experiment_of(override(values, given), description)


@contextmanager
def naming_lines(source: str | Path, assignments: Sequence[str] = ()) -> Iterator[None]:
    """Let a refusal of the experiment in `source`, as of `load_experiment`, name options and lines as they are written.

    Raises:
        ConfigError, DataError: what was raised within, with the lines of those options that no assignment sets.
    """
    try:
        yield
    except (ConfigError, DataError) as error:
        text = str(error)
        with suppress(ConfigError):
            text = as_written(text, override(read(str(source), trust=True)[0], assignments))
        folder = run_directory(str(source))
        file = Path(source) if folder is None else folder / "experiment.yaml"
        if file.is_file() and (isinstance(source, Path) or not _may_be_preset(source)):
            text = _with_lines(text, file, assignments)
        if text == str(error):
            raise
        placed = DataError(text) if isinstance(error, DataError) else ConfigError(text, error.missing)
        raise placed from error.__cause__


def _with_lines(message: str, file: Path, assignments: Iterable[str]) -> str:
    """Put before each line of `message` about an option that `file` sets where it does: ``mine.yaml:12: ``."""
    typed = tuple(f"{assignment.partition('=')[0].strip()}." for assignment in assignments)
    return "\n".join(f"{_place(line, file, typed)}{line}" for line in message.splitlines())


def _place(line: str, file: Path, typed: tuple[str, ...]) -> str:
    option = NAMED.match(line)
    if option is None or f"{option[0]}.".startswith(typed):
        return ""
    number = line_of(file, option[0])
    return "" if number is None else f"{file}:{number}: "


def experiment_of(values: dict[str, Any], source: Source | None = None) -> Experiment:
    """Build the experiment with these values, from `source` or to run.

    Raises:
        ConfigError: it cannot be run; if options are missing, the message also tells what would be refused next.
    """
    try:
        return validate(Experiment, values, source=source)
    except ConfigError as error:
        lines = [*str(error).splitlines(), *_afterwards(values, source, error.missing)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error.__cause__


def _afterwards(values: dict[str, Any], source: Source | None, missing: Mapping[str, Any]) -> list[str]:
    """List the errors that would remain if the `missing` options had these values."""
    try:
        for option, value in missing.items():
            values = put(values, option, value, option)
    except ConfigError:  # the option is in a list
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
    """Load the experiment of the run in the directory `path` for display: import no code that it names.

    Args:
        path: the directory.
        like: an experiment whose components' classes to use.
        needed: kinds of components whose classes to import nevertheless.
        trust: whether to import them even if somebody else began the run.
        assignments: each ``option=value``.

    Raises:
        ConfigError: the run is somebody else's, and `trust` is not given.
        DamagedRunError: the file does not describe an experiment.
    """
    file = path / "experiment.yaml"
    components = like.components() if like is not None else ()
    classes = {(kind, name_of(kind, component)): type(component) for kind, component in components}
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
        prefix = "" if str(error).startswith(str(file)) else f"{file}: "
        raise DamagedRunError(f"{prefix}{error}") from None
