"""Named arrays, as clients and servers of any framework send them, as rows of a round's matrix and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedlens.core.errors import ClientError, shortened
from fedlens.core.layout import PARAMETERS, Kind, Layout, Slice

Arrays = Mapping[str, Tensor | NDArray[Any]]
"""A model's weights, or an update, by the names of its arrays."""

RUNNING = frozenset({"running_mean", "running_var"})
"""The last words of names of running statistics, in PyTorch and whatever follows it."""

LARGEST_COUNT = 2**24
"""Float32 holds every whole number up to this one."""


class MalformedError(ClientError):
    """Arrays that are not a model's.

    Example:
        >>> import numpy as np
        >>> from fedlens.bridges.wire import Codec, MalformedError
        >>> codec = Codec.of({"weight": np.zeros((2, 3), np.float32)})
        >>> try:
        ...     codec.row({"weight": np.zeros((2, 2), np.float32)})
        ... except MalformedError as error:
        ...     print(error)
        weight is of shape [2, 2]; [2, 3] is right
    """


@dataclass(frozen=True)
class Codec:
    """The way from a model's named arrays to one row of float32, and back.

    Which arrays there are is told by those that the server sent. Arrays of floating point are entries of the row;
    parameters come first, then running statistics, which are known by their names, and counters: whole numbers that
    float32 can hold. All others, such as tables of words or indices, are no part of the row.

    Attributes:
        names: of all arrays, in the order in which the server sent them.
        layout: of the row.
        kinds: the type of each array in the row, by its name.

    Example:
        >>> import numpy as np
        >>> from fedlens.bridges.wire import Codec
        >>> sent = {"weight": np.ones((1, 2), np.float32), "bias": np.array([3.0])}
        >>> codec = Codec.of(sent)
        >>> codec.row(sent)
        tensor([1., 1., 3.])
        >>> codec.arrays(2 * codec.row(sent), sent)["bias"]
        array([6.])
    """

    names: tuple[str, ...]
    layout: Layout
    kinds: Mapping[str, torch.dtype]

    @classmethod
    def of(cls, arrays: Arrays) -> Codec:
        """Return the codec of the arrays that a server sent.

        Raises:
            MalformedError: nothing in them is trained.
        """
        tensors = {name: tensor for name, array in arrays.items() if (tensor := numbers(array)) is not None}
        kinds = {name: kind for name, tensor in tensors.items() if (kind := _kind(name, tensor)) is not None}
        slices, start = [], 0
        for name in sorted(kinds, key=lambda name: kinds[name] not in PARAMETERS):  # stable: otherwise as they came
            stop, layer = start + tensors[name].numel(), name.rpartition(".")[0] or name
            slices.append(Slice(name, layer, kinds[name], start, stop, tuple(tensors[name].shape)))
            start = stop
        layout = Layout(tuple(slices))
        if not layout.parameters.size:
            raise MalformedError(f"there are no weights among the arrays {shortened(list(arrays))}")
        return cls(tuple(arrays), layout, {name: tensors[name].dtype for name in kinds})

    def row(self, arrays: Arrays) -> Tensor:
        """Return the arrays as a row (``[d]``), which shares nothing with them.

        Raises:
            MalformedError: their names, a shape or a type is not that of the server's, or a number is not finite.
        """
        if missing := [name for name in self.names if name not in arrays]:
            raise MalformedError(f"{shortened(missing[0])} is missing")
        if unknown := [name for name in arrays if name not in self.names]:
            raise MalformedError(f"{shortened(unknown[0])} is not among the server's arrays")
        row = torch.empty(self.layout.size)
        for part in self.layout.slices:
            tensor = numbers(arrays[part.name])
            if tensor is None:
                raise MalformedError(f"{part.name} holds no numbers")
            if tuple(tensor.shape) != part.shape:
                raise MalformedError(f"{part.name} is of shape {list(tensor.shape)}; {list(part.shape)} is right")
            entries = row[part.start : part.stop]
            entries.copy_(tensor.reshape(-1))
            if not bool(entries.isfinite().all()):
                place = int((~entries.isfinite()).nonzero()[0])
                number = str(float(entries[place])).replace("nan", "NaN")
                raise MalformedError(f"entry {place} of {part.name} is {number}")
        return row

    def arrays(self, row: Tensor, rest: Arrays) -> dict[str, NDArray[Any]]:
        """Return the arrays that a row (``[d]``) stands for, with the types, and in the order, in which they came.

        Args:
            row: the numbers; counters are rounded to whole ones.
            rest: where arrays are taken from that are no part of the row.
        """
        tensors = self.layout.split(row.detach())
        found: dict[str, NDArray[Any]] = {}
        for name in self.names:
            if name in tensors:
                kind = self.kinds[name]
                tensor = tensors[name] if kind.is_floating_point else tensors[name].round()
                found[name] = _array(tensor.to(kind))
            else:
                found[name] = _array(rest[name])
        return found


def numbers(array: object) -> Tensor | None:
    """Return an array as a tensor of real numbers, with which it may share its memory; ``None`` of anything else."""
    if isinstance(array, np.ndarray | np.generic):
        plain = np.asarray(array)
        if plain.dtype.kind not in "fiub":
            return None
        if plain.dtype.kind == "u" and plain.dtype.itemsize > 1:
            plain = plain.astype(np.int64)
        if not plain.dtype.isnative or not plain.flags.writeable or any(stride < 0 for stride in plain.strides):
            plain = plain.astype(plain.dtype.newbyteorder("="))
        return torch.from_numpy(plain)
    if isinstance(array, Tensor) and array.layout == torch.strided and not array.is_complex():
        return array.detach().cpu()
    return None


def _kind(name: str, tensor: Tensor) -> Kind | None:
    """Return what an array is, by its name and shape; ``None`` if it is no part of the row."""
    leaf = name.rpartition(".")[2]
    if not tensor.is_floating_point():
        counts = tensor.ndim == 0 and tensor.dtype != torch.bool
        return "counter" if counts and abs(int(tensor)) < LARGEST_COUNT else None
    if leaf in RUNNING:
        return "buffer"
    unnamed = leaf.isdigit()  # arrays in a list, whose shape alone tells
    biased = tensor.ndim < 2 if unnamed else any(word.startswith("bias") for word in leaf.split("_"))
    return "bias" if biased else "weight"


def _array(value: Tensor | NDArray[Any]) -> NDArray[Any]:
    """Return a copy as an array of NumPy, of the same shape; bfloat16, which NumPy lacks, as float32."""
    if isinstance(value, Tensor):
        plain = value.detach().cpu()
        return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy().copy()
    return np.array(value)
