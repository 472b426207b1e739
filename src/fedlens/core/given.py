"""What custom code gives: whether it can be computed with, and recorded."""

from typing import TypeGuard

import torch
from torch import Tensor

LARGEST = 2**63
"""An integer below this can be recorded."""


def oddity(value: object) -> str:
    """What a value is where it is no dense tensor of real numbers, as in ``on meta``; empty where it is one."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    if value.is_nested:
        return "nested"
    if value.layout != torch.strided:
        return str(value.layout)
    if value.is_quantized or value.is_complex():
        return str(value.dtype)
    return "on meta" if value.is_meta else ""


def is_dense(value: object, place: torch.device | None = None) -> TypeGuard[Tensor]:
    """Whether a value is a dense tensor of real numbers, on the device `place` where it has to be on one."""
    return not oddity(value) and (place is None or (isinstance(value, Tensor) and value.device == place))


def is_word(value: object) -> TypeGuard[str]:
    """Whether a value is a text that a file can hold: one with half a character in it cannot be encoded."""
    return isinstance(value, str) and value == value.encode(errors="replace").decode()


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number that a record can hold."""
    return isinstance(value, float) or (isinstance(value, int) and -LARGEST <= value < LARGEST)
