"""Code without a file, as a notebook's or of standard input: what a class does is told by its bytecode.

With a class or function goes what it refers to, at any depth: bases, attributes, defaults, and those globals that it
names. The words are the same in every process that has the same code, and do not depend on where it stands.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, EllipsisType, FunctionType, ModuleType

import numpy as np

_WITHIN = ("__func__", "__wrapped__", "wrapped", "func", "args", "keywords", "fget", "fset", "fdel")
"""Where wrappers keep what they wrap: methods of classes, partial functions, properties, pydantic's validators."""


def has_file(module: str) -> bool:
    """Tell whether a module that has been loaded is kept somewhere: in a file, or in Python itself."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    return getattr(loaded, "__spec__", None) is not None or (file is not None and Path(file).is_file())


def told(value: object, seen: dict[int, object] | None = None) -> Iterator[str]:
    """Tell in words what decides what `value` does; whatever has a file is only named.

    Args:
        value: a class, a function, or what one refers to.
        seen: what has been told already, by its identity.
    """
    seen = {} if seen is None else seen
    if isinstance(value, str | bytes | int | float | complex | range | EllipsisType | np.generic) or value is None:
        yield repr(value)
    elif id(value) not in seen:
        seen[id(value)] = value  # and is kept alive, so that nothing else gets its identity
        yield _name(value)
        for part in _parts(value):
            yield from told(part, seen)


def _name(value: object) -> str:
    named = value if isinstance(value, type | FunctionType) else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _parts(value: object) -> Iterable[object]:
    """Return what else a value's behaviour depends on."""
    import torch
    from torch import Tensor, nn

    parts: Iterable[object]
    match value:
        case CodeType():
            parts = [value.co_code, value.co_names, value.co_varnames, value.co_consts]
        case FunctionType() | type() if has_file(value.__module__):
            parts = []
        case FunctionType():
            cells = [getattr(cell, "cell_contents", None) for cell in value.__closure__ or ()]
            used = {name: value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__}
            parts = [value.__code__, value.__defaults__, value.__kwdefaults__, cells, used]
        case type():
            parts = [value.__bases__, _attributes(value)]
        case Tensor():
            content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            parts = [str(value.dtype), tuple(value.shape), hashlib.sha256(content).digest()]
        case np.ndarray():
            parts = [str(value.dtype), value.shape, value.tolist()]
        case set() | frozenset():
            parts = sorted(map(repr, value))
        case Mapping():
            parts = [part for item in value.items() for part in item]
        case list() | tuple():
            parts = value
        case ModuleType():
            parts = [value.__name__]
        case _:
            parts = [getattr(value, name) for name in _WITHIN if hasattr(value, name)]
            if isinstance(value, nn.Module) or not has_file(type(value).__module__):
                parts += [type(value), getattr(value, "__dict__", None)]
    return parts


def _attributes(cls: type) -> dict[str, object]:
    """Return the attributes that a class itself defines, and its fields if it is a configuration."""
    members = {
        name: value
        for name, value in vars(cls).items()
        if isinstance(value, FunctionType) or not name.startswith(("__", "_abc_"))
    }
    fields = getattr(cls, "__pydantic_fields__", {})
    described = {name: [repr(field.annotation), field.default, field.default_factory] for name, field in fields.items()}
    return dict(sorted(members.items())) | {"fields": described}


def _names(code: CodeType) -> list[str]:
    """Return the names that code, and code nested in it, refers to."""
    inner = (name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const))
    return sorted({*code.co_names, *inner})
