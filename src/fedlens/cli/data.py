"""``fedlens data``: what is understood of a file, a data set, or an experiment's data."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedlens.cli.shared import DataDir, Options, Trust, out, print_imported, say
from fedlens.core.errors import ConfigError, DataError
from fedlens.core.readers import READERS, reader_of
from fedlens.core.suggest import likeliest_path

if TYPE_CHECKING:
    from fedlens.experiment.experiment import Experiment


def data(
    source: Annotated[
        str, typer.Argument(help="A file (.csv, .parquet, .npz), a folder of images, a data set, or an experiment.")
    ],
    option: Options = None,
    data_dir: DataDir = None,
    trust: Trust = False,
) -> None:
    """Show what is understood of a file or data set.

    That is columns, classes, sizes and some samples, and how to use it in an experiment.
    """
    path = Path(source).expanduser()
    reader = None if any((path / name).is_file() for name in ("experiment.yaml", "sweep.yaml")) else reader_of(path)
    if path.is_absolute() and path.exists() and reader and data_dir is None and not path.is_relative_to(Path.cwd()):
        data_dir, source = path.parent, path.name
    experiment = _described(source, reader, option or [], trust)
    print_imported([experiment])
    from fedlens.experiment.setting import prepare  # after what may be refused, for it takes seconds
    from fedlens.report.terminal.data_view import data_view, experiment_yaml

    try:
        setting = prepare(experiment, data_dir=data_dir)
    except DataError as error:
        if path.suffix.lower() != ".txt":
            raise
        text = shlex.quote(f"data.path={source}")
        raise DataError(f"{error}; if it is text and no table: fedlens data text -o {text}") from None
    for part in data_view(setting):
        if isinstance(part, str):
            say(part)
        else:
            out.print(part)
    name = "".join(letter if letter.isalnum() else "-" for letter in Path(source).stem).strip("-") or "mine"
    where = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
    say(f"\nTo attack a model of it, write this to {name}.yaml: fedlens run {name}.yaml{where}")
    out.print(f"\n{experiment_yaml(setting, name)}", markup=False, soft_wrap=True)


def _described(source: str, reader: str | None, assignments: list[str], trust: bool) -> "Experiment":
    """Return an experiment on the data that `source` names, with one client, so that any data will do.

    A file or folder is read by the data set `reader`, if there is one.

    Raises:
        ConfigError: there is no such file, data set or experiment.
    """
    from fedlens.core.registry import known
    from fedlens.runs.loading import experiment_of, load_experiment, override, run_directory

    path = Path(source)
    if source in known("data") or (":" in source and reader is None):
        values = {"data": {"name": source}}
    elif reader is not None:
        values = {"data": {"name": reader, "path": source}}
    elif path.is_dir() and run_directory(source) is not None and not (path / "experiment.yaml").is_file():
        files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in READERS]
        meant = likeliest_path(path / "data", files) or next(iter(files), None)
        remedy = (
            f"e.g. fedlens data {shlex.quote(str(meant))}" if meant else "name a file, or a folder of images by class"
        )
        raise ConfigError(f"{source}: is a folder, and no run; {remedy}")
    else:
        found = load_experiment(source, assignments, trust=trust)
        values, assignments = {"data": found.describe()["data"]}, []
    return experiment_of(override({**values, "clients": 1, "control": False}, assignments))
