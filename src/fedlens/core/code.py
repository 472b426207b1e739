"""The user's code that decides what a component does: the modules that define it, and what these import, at any depth.

Imports are read off the files, those within functions as well, and nothing is run for it. What is installed (Python's
own library, site-packages) and fedlens itself are left out, but for an installed package that defines the component.
Code without a file, as a notebook's, counts by its bytecode (`fedlens.core.bytecode`).
"""

import ast
import hashlib
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from importlib.machinery import PathFinder
from importlib.util import resolve_name
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from fedlens.core.bytecode import has_file, told
from fedlens.core.installed import is_installed

_OURS = Path(__file__).parents[1].resolve()


def digest(classes: Iterable[type]) -> str:
    """Digest the user's code behind these classes, by content.

    A module whose file has changed since this was first asked for counts with both contents, for what was loaded is the
    old one.
    """
    classes = list(classes)
    contents = {words.encode() for cls in classes if (words := " ".join(_told(cls, {})))}
    for name, file in files_behind(classes).items():
        contents.add(file.read_bytes())
        if name in sys.modules:
            contents.add(_first_content(sys.modules[name], file))
    return hashlib.blake2b(repr(sorted(contents)).encode(), digest_size=16).hexdigest()


@cache
def _first_content(module: ModuleType, file: Path) -> bytes:  # noqa: ARG001 - another module may come from the file
    return file.read_bytes()


def files_behind(classes: Iterable[type]) -> dict[str, Path]:
    """Find the files that decide what these classes do.

    Returns:
        Those of the user's modules that define the classes or their bases, and of all that these import, by the
        modules' names, in alphabetical order.
    """
    classes = list(classes)
    packages = {_top(cls.__module__) for cls in classes}
    waiting = {base.__module__ for cls in classes for base in cls.__mro__} | _referred(classes)
    files: dict[str, Path] = {}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if _is_theirs(_top(name), packages) and (file := _located(name)[0]) is not None:
            files[name] = file
            waiting |= ({*_imports(file.read_bytes(), _package(name, file))} | _held(name)) - seen
    return dict(sorted(files.items()))


def _told(cls: type, seen: dict[int, object]) -> Iterator[str]:
    """Yield what a class does, if it has no file or derives from one that has none."""
    return iter(()) if all(has_file(base.__module__) for base in cls.__mro__) else told(cls, seen)


def _referred(classes: Iterable[type]) -> set[str]:
    """Return the modules, and names that may be modules, that classes without a file refer to."""
    seen: dict[int, object] = {}
    for cls in classes:
        deque(_told(cls, seen), maxlen=0)
    names = {value.__name__ for value in seen.values() if isinstance(value, ModuleType)}
    names |= {value.__module__ for value in seen.values() if isinstance(value, type | FunctionType)}
    return names.union(*(value.co_names for value in seen.values() if isinstance(value, CodeType)))


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_theirs(top: str, packages: set[str]) -> bool:
    """Tell whether a top-level module may be the user's, or is one of these packages; ours never are."""
    file, folders = _located(top)
    path = file or next((Path(path).resolve() for path in folders or ()), None)
    return path is not None and not path.is_relative_to(_OURS) and (top in packages or not is_installed(path))


def _located(name: str) -> tuple[Path | None, list[str] | None]:
    """Return the file of a module, loaded or not, and the folders of its submodules if it is a package."""
    if (module := sys.modules.get(name)) is not None:
        file, folders = getattr(module, "__file__", None), getattr(module, "__path__", None)
    else:
        parent = name.rpartition(".")[0]
        within = _located(parent)[1] if parent else None
        if parent and within is None:
            return None, None
        spec = PathFinder.find_spec(name, within)
        file, folders = (spec.origin, spec.submodule_search_locations) if spec else (None, None)
    path = Path(file).resolve() if file else None
    return path if path and path.is_file() else None, None if folders is None else list(folders)


def _package(name: str, file: Path) -> str:
    """Return the package that a module's relative imports start from."""
    package = getattr(sys.modules.get(name), "__package__", None)
    return package or (name if file.stem == "__init__" else name.rpartition(".")[0])


@lru_cache(maxsize=1024)
def _imports(content: bytes, package: str) -> frozenset[str]:
    """Return the modules that code of this content may import, with the packages around each."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):  # compiled, or not in use
        return frozenset()
    names = {name for node in nodes for name in _named(node, package)}
    return frozenset(name.rsplit(".", up)[0] for name in names for up in range(name.count(".") + 1))


def _named(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the modules named by an import statement, or by a call such as ``import_module("name")``."""
    with suppress(ImportError):  # beyond the top-level package
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = resolve_name("." * level + (module or ""), package)
                yield base
                yield from (f"{base}.{alias.name}" for alias in names if alias.name != "*")
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]
            ):
                if called in {"import_module", "__import__"}:
                    yield resolve_name(name, package)


def _held(name: str) -> set[str]:
    """Return the modules of a loaded module's values: it may have imported by a name that is not written in it."""
    values = list(vars(sys.modules[name]).values()) if name in sys.modules else []
    modules = {value.__name__ for value in values if isinstance(value, ModuleType)}
    homes = {value.__module__ for value in values if isinstance(value, type | FunctionType)}
    return modules | {home for home in homes if isinstance(home, str)}
