"""What a strategy keeps from round to round, as tensors by name: no checkpoint holds pickled objects.

Attributes that differ from those of a strategy just made are kept: arrays, numbers, and lists or mappings of arrays;
those of a strategy within it, too. Each is stored under its path, behind a letter that says what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord
from flwr.common import Parameters, ndarrays_to_parameters, parameters_to_ndarrays
from torch import Tensor

from fedlens.bridges.wire.codec import numbers
from fedlens.core.errors import shortened

WITHIN = "strategy"
"""The attribute in which strategies of Flower hold another one."""
SEPARATOR = "/"
EMPTY = "/"
"""The only name in a list or mapping without entries."""


class UnkeepableError(TypeError):
    """A strategy keeps something that is no array and no number."""


def kept_of(strategy: object, fresh: object, depth: int = 0) -> dict[str, Tensor]:
    """Return what a strategy keeps, as it differs from a `fresh` one; of one within `depth` others, with that number.

    Raises:
        UnkeepableError: it keeps something else.
    """
    found: dict[str, Tensor] = {}
    before = vars(fresh)
    for name, value in vars(strategy).items():
        if name == WITHIN and hasattr(value, "__dict__") and hasattr(before.get(name), "__dict__"):
            found |= kept_of(value, before[name], depth + 1)
        elif name not in before or not _same(value, before[name]):
            for code, inner, tensor in _packed(value, name):
                found[SEPARATOR.join((code, str(depth), name, inner))] = tensor
    return found


def restore(strategy: object, kept: Mapping[str, Tensor]) -> None:
    """Give a strategy what one before it kept."""
    parts: dict[tuple[str, str], dict[str, Tensor]] = {}
    for path, tensor in kept.items():
        code, depth, name, inner = path.split(SEPARATOR, 3)  # the name of an array may have separators, too
        parts.setdefault((code, f"{depth}{SEPARATOR}{name}"), {})[inner] = tensor
    for (code, path), tensors in parts.items():
        depth, _, name = path.partition(SEPARATOR)
        owner: Any = strategy
        for _ in range(int(depth)):
            owner = getattr(owner, WITHIN)
        setattr(owner, name, _unpacked(code, tensors))


def _packed(value: Any, what: str) -> Iterator[tuple[str, str, Tensor]]:
    """Yield a value's tensors, each with a letter for the value's type, and its own name within it."""
    code, parts = _parts(value)
    for name, part in parts.items():
        tensor = numbers(np.asarray(part))
        if tensor is None:
            code = ""
            break
        yield code, name, tensor.clone()
    if not code:
        raise UnkeepableError(
            f"it keeps {shortened(value)} as {what}; arrays, numbers, and lists or mappings of arrays can be kept"
        )
    if not parts:
        yield code, EMPTY, torch.zeros(0)


def _parts(value: Any) -> tuple[str, dict[str, Any]]:
    """Return the letter for a value's type, and what it is made of by name; no letter of what cannot be kept."""
    match value:
        case np.ndarray() | np.generic():
            return "a", {"": value}
        case int() | float() if not isinstance(value, bool):
            return "i" if isinstance(value, int) else "f", {"": value}
        case ArrayRecord():
            return "r", {name: array.numpy() for name, array in value.items()}
        case Parameters() | list() | tuple():
            several = parameters_to_ndarrays(value) if isinstance(value, Parameters) else value
            return "p" if isinstance(value, Parameters) else "l", {str(place): one for place, one in enumerate(several)}
        case dict() if all(isinstance(name, str) for name in value):
            return "d", dict(value)
    return "", {}


def _unpacked(code: str, tensors: Mapping[str, Tensor]) -> Any:
    arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items() if name != EMPTY}
    in_order = [arrays[name] for name in sorted(arrays, key=int)] if code in {"l", "p"} else []
    made: Mapping[str, Callable[[], Any]] = {
        "a": lambda: arrays[""],
        "i": lambda: int(arrays[""]),
        "f": lambda: float(arrays[""]),
        "r": lambda: ArrayRecord({name: Array(array) for name, array in arrays.items()}),
        "l": lambda: in_order,
        "p": lambda: ndarrays_to_parameters(in_order),
        "d": lambda: arrays,
    }
    return made[code]()


def _same(value: Any, before: Any) -> bool:
    """Tell whether nothing has changed."""
    if value is before:
        return True
    if type(value) is not type(before):
        return False
    if isinstance(value, np.ndarray):
        return np.array_equal(value, before)
    try:
        return bool(value == before)
    except (TypeError, ValueError):  # of lists of arrays
        return False
