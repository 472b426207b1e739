"""Files of the user's own: how an experiment names them, and where they are looked for.

A path is relative, so that no record or report says where somebody keeps his files: to the folder of the experiment's
YAML file, to the data directory (``--data-dir``, or else ``FEDLENS_DATA``), or to the working directory, in this order.
One that is next to the YAML file is recorded as it is seen from the working directory, where later commands such as
``fedlens explain`` find it again; but not if that would name a home directory.
"""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from fedlens.core.errors import DataError, cut, shortened
from fedlens.core.registry import Description
from fedlens.core.suggest import likeliest_path
from fedlens.data.downloads import named_directory

EXAMPLES = {"path": "mine.csv", "test": "test.csv", "weights": "mine.safetensors"}
"""Names of files, by the option that may have them."""
_SUFFIXES = {".csv", ".parquet", ".tsv", ".npz", ".json", ".safetensors"}


def recorded_path(path: str, source: object, kind: str = "data", option: str = "path") -> str:
    """Return a path as an experiment records it; see the module.

    Args:
        path: as the user wrote it.
        source: where the description comes from, if known.
        kind: the option that holds the component, as ``data`` or ``partition``.
        option: the option of the component that names it.

    Raises:
        ValueError: it is absolute and not beneath the working directory, or no path at all.
    """
    if "://" in path:
        raise ValueError(f"{shortened(path)} is an address, but files are not downloaded; save it and name the file")
    if not path.strip() or "\0" in path:
        raise ValueError(f"{shortened(path)} is no name of a file; e.g. -o {kind}.{option}={EXAMPLES[option]}")
    given = Path(path).expanduser()
    if given.is_absolute():
        if not given.is_relative_to(Path.cwd()):
            remedy = f"--data-dir {shlex.quote(str(given.parent))} -o {shlex.quote(f'{kind}.{option}={given.name}')}"
            raise ValueError(f"{shortened(path)} is absolute, which every record would tell; e.g. {remedy}")
        return given.relative_to(Path.cwd()).as_posix()
    for folder in source.beside if isinstance(source, Description) else ():
        beside = (folder.resolve() / given).resolve()
        above = Path(os.path.commonpath([beside, Path.cwd()]))
        if beside.exists() and above not in Path.home().parents:
            return Path(os.path.relpath(beside)).as_posix()
    return given.as_posix()


def locate(path: str, directory: Path | None, option: str = "path", kind: str = "data") -> Path:
    """Return where the file is.

    Args:
        path: as recorded.
        directory: the user's data directory, if any.
        option: the option of the component that names it.
        kind: the option that holds the component.

    Raises:
        DataError: there is no such file; the message says where it was looked for.
    """
    user = named_directory(directory)
    folders = [Path(), *([user] if user is not None and user.is_dir() else [])]
    for folder in reversed(folders):
        if (folder / path).is_file():
            return folder / path
        if (folder / path).is_dir():
            inside = set_option(option, f"{path}/{EXAMPLES[option]}", kind)
            raise DataError(f"{path}: is a folder; name the file in it, e.g. {inside}")
    places = "the working directory" if len(folders) == 1 else "the data directory, nor in the working directory"
    meant = next((like for folder in folders if (like := _like(folder / path)) is not None), None)
    remedy = f"name its folder: --data-dir FOLDER; or its path: {set_option(option, 'FOLDER/' + Path(path).name, kind)}"
    if meant is not None:
        remedy = f"did you mean {meant.name}? {set_option(option, str(Path(path).with_name(meant.name)), kind)}"
    raise DataError(f"{cut(path, 400)}: there is no such file in {places}; {remedy}")


def _like(path: Path) -> Path | None:
    """Return the file next to `path` whose name is most like its own."""
    try:
        candidates = [entry for entry in path.parent.iterdir() if entry.suffix in _SUFFIXES]
    except OSError:
        return None
    return likeliest_path(path, candidates)


def set_option(option: str, value: Any, kind: str = "data") -> str:
    """Return the words to paste that give an `option` of the component at `kind` this value."""
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        value = list(value)
    flow = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    text = flow.removesuffix("\n").removesuffix("\n...")
    return f"-o {shlex.quote(f'{kind}.{option}={text}')}"
