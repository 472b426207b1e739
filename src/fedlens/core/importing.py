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
from operator import attrgetter
from pathlib import Path
from types import ModuleType

from fedlens.core.errors import ConfigError

_OURS = __name__.partition(".")[0]
"""The package that is never looked for in a run's directory, as its code is running."""

_RUN = ("rounds.jsonl", "environment.jsonl", "target.json", "summary.json", "start.json", "checkpoint.safetensors")
_SWEEP = ("cells", "rounds.parquet", "failures.json")


def is_run_directory(folder: Path) -> bool:
    """Tell whether `folder` holds a run, begun or complete: more than an experiment's file."""
    return (folder / "experiment.yaml").is_file() and any((folder / name).exists() for name in _RUN)


def is_sweep_directory(folder: Path) -> bool:
    """Tell whether `folder` holds a sweep, begun or complete."""
    return (folder / "sweep.yaml").is_file() and any((folder / name).exists() for name in _SWEEP)


def import_module(name: str, beside: Sequence[Path] = (), within: Path | None = None) -> ModuleType:
    """Import the module `name`, also from the working directory and `beside`, which come last on Python's path.

    Args:
        name: with dots between packages.
        beside: other folders to look in.
        within: a folder to take no module from, as if it held a run.

    Raises:
        ConfigError: it, or a package that it is in, lies inside the directory of a run or a sweep.
        ImportError: there is no such module; importing it may raise anything else.
    """
    folders = dict.fromkeys(str(folder.resolve()) for folder in (Path(), *beside))
    sys.path += [folder for folder in folders if folder not in sys.path]
    words = name.split(".")
    checked = 0 if words[0] == _OURS else len(words)
    for count in range(1, checked + 1):
        package = ".".join(words[:count])  # to find what is in a package, Python imports that
        for location in _locations(package):
            _require_outside(package, location, within)
    return importlib.import_module(name)


def imported(path: str) -> object:
    """Import what ``module:name`` is; the name may have dots.

    Raises:
        ConfigError: as `import_module` does.
        ImportError: there is no such module; importing it may raise anything else.
        AttributeError: the module has no such name.
    """
    module, _, name = path.partition(":")
    return attrgetter(name)(import_module(module))


def classes_in(name: str, base: str, folders: Sequence[Path]) -> list[str]:
    """Return the classes that `name`.py in one of the folders defines, as ``name:Class``; the file is read, not run.

    They derive from something called `base`, or at least, where none does, from anything.
    """
    bases_by_path: dict[str, set[str]] = {}
    for file in (folder / f"{name}.py" for folder in folders if name.isidentifier()):
        with suppress(OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            nodes = ast.parse(file.read_bytes()).body if file.is_file() else []
            bases_by_path |= {
                f"{name}:{node.name}": {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                for node in nodes
                if isinstance(node, ast.ClassDef) and node.bases
            }
    return [path for path, bases in bases_by_path.items() if base in bases] or list(bases_by_path)


def _locations(name: str) -> list[Path]:
    """Return where a module is, or would be imported from: its file, or the folders of a package without one."""
    if (module := sys.modules.get(name)) is not None:
        spec: ModuleSpec | None = getattr(module, "__spec__", None)
    else:
        spec = find_spec(name) if name else None
    if spec is None:
        return []
    files = [spec.origin] if spec.has_location and spec.origin else []
    return [Path(location) for location in files or list(spec.submodule_search_locations or [])]


def _require_outside(name: str, location: Path, within: Path | None) -> None:
    for path in (location.absolute(), location.resolve()):
        for folder in (path, *path.parents):
            inside = within is not None and folder == within.resolve()
            if inside or is_run_directory(folder) or is_sweep_directory(folder):
                raise ConfigError(
                    f"module {name!r} lies inside {folder}, a run's directory, and modules are not taken from there; "
                    "if you trust it, move its file to the directory where you work"
                )
