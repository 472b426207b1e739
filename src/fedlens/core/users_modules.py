"""The user's own modules, which a node of a cluster needs and does not have."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from fedlens.core.installed import is_installed

_OURS = Path(__file__).parents[1]
"""The package itself."""


def modules_of(components: Iterable[object], *, script: bool = False) -> list[Path]:
    """Return the files and packages that define `components`, and whatever else was loaded from their folders.

    What is installed is left out: a node has its own. So is the script that is running, whose classes Ray takes along
    by value, unless it is asked for, because nodes are to find its classes by their names.

    Returns:
        Python files and folders of packages, sorted.
    """
    tops = {type(component).__module__.partition(".")[0] for component in components}
    script = script and "__main__" in tops
    if script and (spec := getattr(sys.modules["__main__"], "__spec__", None)) is not None:
        tops.add(spec.name.partition(".")[0])  # by python -m package.module, and imported by that name
    folders = {path.parent for name, path in _loaded() if name in tops}
    return sorted({path for name, path in _loaded() if path.parent in folders and (script or name != "__main__")})


def source() -> Path | None:
    """Return the folder from which fedlens was imported; ``None`` where it is installed."""
    return None if is_installed(_OURS) else _OURS.parent


def _loaded() -> Iterator[tuple[str, Path]]:
    """Yield top-level modules that are neither installed nor ours, each with its file or its package's folder."""
    for name, module in list(sys.modules.items()):
        path = None if "." in name else _path_of(module)
        if path is not None and path != _OURS and not is_installed(path):
            yield name, path


def _path_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        return None
    path = Path(file).resolve()
    return path.parent if path.name == "__init__.py" else path
