"""The public names: those of `fedlens`, and those that packages within it export."""

import inspect
import typing
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pandas
from docs_python import PACKAGES
from torch import Tensor

from fedlens.core.config import Config

FOR_TYPES = {"Tensor": Tensor, "pd": pandas}
"""Names that modules import for type checkers alone."""


def public() -> dict[str, Any]:
    """Every public class and function, once, by its shortest full name."""
    found: dict[int, tuple[str, Any]] = {}
    for package in ["fedlens", *PACKAGES]:
        module = import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            found.setdefault(id(thing), (f"{package}.{name}", thing))
    return dict(found.values())


def types_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the types in the annotations of a public class or function, each with where it stands."""
    for where, annotated in _annotated(thing):
        for name, hint in typing.get_type_hints(annotated, localns=FOR_TYPES).items():
            if not name.startswith("_"):
                yield from ((f"{where}{name}", kind) for kind in _types_in(hint))


def _annotated(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the thing and, of a class, our public methods and properties."""
    yield "", thing
    for name, member in inspect.getmembers_static(thing) if inspect.isclass(thing) else ():
        function: Any = getattr(member, "fget", None) or getattr(member, "func", None) or member
        function = inspect.unwrap(getattr(function, "__func__", function))
        shown = not name.startswith("_") or (name == "__init__" and not issubclass(thing, Config))
        if shown and inspect.isfunction(function) and function.__module__.startswith("fedlens."):
            yield f"{name}: ", function


def _types_in(hint: Any) -> Iterator[Any]:
    """Yield the types that a type is made of: of ``list[Cell] | None``, they include `list` and `Cell`."""
    if isinstance(hint, list | tuple):
        for inner in hint:
            yield from _types_in(inner)
    elif typing.get_origin(hint) is not typing.Literal:
        yield typing.get_origin(hint) or hint
        yield from _types_in(typing.get_args(hint))
