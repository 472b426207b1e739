"""What custom code gives: whether it can be computed with, and recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeGuard

from fedlens.core.errors import named, shortened
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 2**63
"""An integer below this can be recorded."""


def oddity(value: object) -> str:
    """Say what a value is if not a dense tensor of real numbers, as in ``on meta``; empty if it is one."""
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    if value.is_nested:
        return "nested"
    if value.layout != torch.strided:
        return str(value.layout)
    if value.is_quantized or value.is_complex():
        return str(value.dtype)
    return "on meta" if value.is_meta else ""


def is_dense(value: object) -> TypeGuard[Tensor]:
    """Tell whether a value is a dense tensor of real numbers."""
    return not oddity(value)


def is_word(value: object) -> TypeGuard[str]:
    """Tell whether a value is a text that a file can hold: half a character cannot be encoded."""
    return isinstance(value, str) and value == value.encode(errors="replace").decode()


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a number that a record can hold."""
    return isinstance(value, float) or (isinstance(value, int) and -LARGEST <= value < LARGEST)


def misfit(
    value: object, shape: tuple[int, ...], dtype: torch.dtype | None = None, device: str = "", *, finite: bool = True
) -> str:
    """Say what is wrong with a would-be tensor of real numbers, as it goes on after "returned scores".

    Args:
        value: what came.
        shape: what is right.
        dtype: the type that it has to be of; ``None`` if any real one will do.
        device: the device that it has to be on; empty if any will do.
        finite: whether its numbers have to be.

    Returns:
        That, with what is right; empty if it fits.
    """
    if not isinstance(value, torch.Tensor):
        return f"of type {type(value).__name__}; a tensor of shape {list(shape)} is right"
    if odd := oddity(value):
        return f"({odd}); a dense tensor of real numbers is right"
    if value.shape != shape:
        return f"of shape {list(value.shape)}; {list(shape)} is right"
    for word, has, right in (("of", value.dtype, dtype), ("on", value.device, device)):
        if right and str(has) != str(right):
            return f"{word} {has}; {right} is right"
    return _infinite(value) if finite else ""


def faults_of_tensors(tensors: object) -> Iterator[str]:
    """Say what of a would-be mapping of tensors no checkpoint could hold, as it goes on after "keeps"."""
    if not isinstance(tensors, Mapping):
        yield f"{named(tensors)}; a dict of tensors by their names is right"
        return
    for word, tensor in tensors.items():
        if not is_word(word):
            yield f"something as {shortened(word)}; names are words"
        if odd := oddity(tensor):
            yield f"{shortened(word)}, which is {odd}; dense tensors of real numbers are right"


def _infinite(value: Tensor) -> str:
    """Name the first entry that is not finite; empty if all are."""
    flat = value.detach().flatten()
    if bool(flat.isfinite().all()):
        return ""
    entry = int((~flat.isfinite()).nonzero()[0])
    number = str(float(flat[entry])).replace("nan", "NaN")
    return f"whose entry {entry} is {number}; finite numbers are right"
