"""Importing the user's own modules: from where Python finds them, and never from inside a run's directory.

A run's directory is data, perhaps somebody else's. With the working directory on Python's path, every folder below it
is a package, and ``runs.theirs.payload`` would be a module that came with the data.
"""

import ast
import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from fedlens.core.errors import ConfigError

_RUN = ("rounds.jsonl", "environment.jsonl", "target.json", "summary.json", "start.json", "checkpoint.safetensors")
_SWEEP = ("cells", "rounds.parquet", "failures.json")


def is_run_directory(folder: Path) -> bool:
    """Whether a run, begun or complete, is in `folder`: more than an experiment's file."""
    return (folder / "experiment.yaml").is_file() and any((folder / name).exists() for name in _RUN)


def is_sweep_directory(folder: Path) -> bool:
    """Whether a sweep, begun or complete, is in `folder`."""
    return (folder / "sweep.yaml").is_file() and any((folder / name).exists() for name in _SWEEP)


def import_module(name: str, beside: Sequence[Path] = (), within: Path | None = None) -> ModuleType:
    """The module `name`, looked for in the working directory and `beside`, too, after all of Python's own places.

    Args:
        name: with dots between packages.
        beside: other folders to look in.
        within: a folder to take no module from, as if it held a run.

    Raises:
        ConfigError: it, or a package that it is in, lies inside the directory of a run or a sweep.
        ImportError: there is no such module; importing it may raise anything else.
    """
    sys.path += [place for place in dict.fromkeys(str(place.resolve()) for place in (Path(), *beside))
                 if place not in sys.path]  # fmt: skip
    words = name.split(".")
    for count in range(1, len(words) + 1):
        package = ".".join(words[:count])  # to find what is in a package, Python imports that
        for place in _places(package):
            _require_outside(package, place, within)
    return importlib.import_module(name)


def classes_in(name: str, base: str, folders: Sequence[Path]) -> list[str]:
    """The classes that the file `name`.py in one of the folders defines, as ``name:Class``; it is read, and not run.

    They derive from something called `base`, or at least, where none does, from anything.
    """
    found: dict[str, set[str]] = {}
    for file in (folder / f"{name}.py" for folder in folders if name.isidentifier()):
        with suppress(OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            nodes = ast.parse(file.read_bytes()).body if file.is_file() else []
            found |= {
                f"{name}:{one.name}": {ast.unparse(base).rpartition(".")[2] for base in one.bases}
                for one in nodes
                if isinstance(one, ast.ClassDef) and one.bases
            }
    return [path for path, bases in found.items() if base in bases] or list(found)


def _places(name: str) -> list[Path]:
    """Where a module lies, or would be imported from: its file, or the folders of a package without one."""
    if (module := sys.modules.get(name)) is not None:
        spec: ModuleSpec | None = getattr(module, "__spec__", None)
    else:
        spec = find_spec(name) if name else None
    if spec is None:
        return []
    files = [spec.origin] if spec.has_location and spec.origin else []
    return [Path(place) for place in files or list(spec.submodule_search_locations or [])]


def _require_outside(name: str, place: Path, within: Path | None) -> None:
    for path in (place.absolute(), place.resolve()):
        for folder in (path, *path.parents):
            inside = within is not None and folder == within.resolve()
            if inside or is_run_directory(folder) or is_sweep_directory(folder):
                raise ConfigError(
                    f"module {name!r} lies inside {folder}, a run's directory, and modules are not taken from there; "
                    "if you trust it, move its file to the directory where you work"
                )
