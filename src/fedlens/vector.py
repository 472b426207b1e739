"""A model's parameters as one flat vector, and what each stretch of that vector is.

A round works on vectors: an update is a ``Tensor[d]``, a round's updates are one ``Tensor[n, d]``. `Layout` knows
which entries are weights and which biases, and to which layer they belong.

The kernels of two-dimensional convolutions lie in the order ``[out, height, width, in]``. Seen as the usual
``[out, in, height, width]`` they are then in PyTorch's channels-last format, in which a CPU convolves faster.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["weight", "bias"]


@dataclass(frozen=True)
class Slice:
    """One parameter's place in the vector: entries ``start`` to ``stop``."""

    name: str
    layer: str
    kind: Kind
    start: int
    stop: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Which parameter of a model lies where in its flat vector of length `size`."""

    slices: tuple[Slice, ...]

    @classmethod
    def of(cls, module: nn.Module) -> "Layout":
        """The layout of `module`'s parameters, in the order of ``named_parameters``."""
        slices, start = [], 0
        for name, parameter in module.named_parameters():
            layer, _, leaf = name.rpartition(".")
            kind: Kind = "bias" if leaf.startswith("bias") else "weight"
            stop = start + parameter.numel()
            slices.append(Slice(name, layer or name, kind, start, stop, tuple(parameter.shape)))
            start = stop
        return cls(tuple(slices))

    @property
    def size(self) -> int:
        """Number of entries d."""
        return self.slices[-1].stop if self.slices else 0

    def mask(self, kinds: Iterable[Kind]) -> Tensor:
        """A boolean ``Tensor[d]``, true where an entry is of one of `kinds`."""
        wanted = set(kinds)
        mask = torch.zeros(self.size, dtype=torch.bool)
        for part in self.slices:
            mask[part.start : part.stop] = part.kind in wanted
        return mask

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """The parameters by name, as views of `vector` (shape ``[d]``).

        Raises:
            ValueError: `vector` does not have this layout's length.
        """
        if vector.shape != (self.size,):
            raise ValueError(f"expected a vector of {self.size} entries, got shape {tuple(vector.shape)}")
        return {part.name: _shaped(vector[part.start : part.stop], part.shape) for part in self.slices}


def flatten(module: nn.Module) -> Tensor:
    """A copy of `module`'s parameters as one vector ``[d]``, in the order of its `Layout`."""
    return torch.cat([_flat(parameter.detach()) for parameter in module.parameters()])


def _shaped(entries: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A parameter's entries (``[m]``) as a view of its shape."""
    if len(shape) != 4:
        return entries.view(shape)
    out, channels, height, width = shape
    return entries.view(out, height, width, channels).permute(0, 3, 1, 2)


def _flat(parameter: Tensor) -> Tensor:
    """The inverse of `_shaped`."""
    return (parameter.permute(0, 2, 3, 1) if parameter.dim() == 4 else parameter).reshape(-1)
