"""Custom code: components that fedlens does not ship. It never gets a tensor of ours, only copies.

A custom rule, check, partition, data set, attack or model may work in place, through ``.data`` and NumPy as well, or
keep what it was given. Built-in components are trusted not to, and spared the copies.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from fedlens.core.lazy import torch

T = TypeVar("T")


def is_custom(component: object) -> bool:
    """Tell whether the class of `component` is defined outside of fedlens."""
    return type(component).__module__.partition(".")[0] != __name__.partition(".")[0]


def copy_tensors(value: T) -> T:
    """Copy a value such as `Received` with every tensor in it, in mappings, lists, tuples and dataclasses.

    Returns:
        An equal value that shares no tensor's memory with `value` and wants no gradient.
    """
    return cast("T", _copied(value))


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {name: _copied(entry) for name, entry in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(map(_copied, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _copied(getattr(value, field.name)) for field in fields(value)})
    return value
