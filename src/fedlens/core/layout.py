"""A model's parameters as one flat vector, and what each stretch of that vector is.

A round works on vectors: an update is a ``Tensor[d]``, a round's updates are one ``Tensor[n, d]``. `Layout` knows
which entries are weights and which biases, and to which layer they belong.

The kernels of PyTorch's own `Conv2d` lie in the order ``[out, height, width, in]``. Seen as the usual
``[out, in, height, width]`` they are then in PyTorch's channels-last format, in which a CPU convolves faster. All other
parameters are contiguous, for a module may take a ``view`` of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fedlens.core.lazy import nn, torch

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["weight", "bias"]


@dataclass(frozen=True)
class Slice:
    """One parameter's place in the vector: entries ``start`` to ``stop``; of a kernel with its `channels_last`.

    Example:
        >>> import torch
        >>> from fedlens import Layout
        >>> last = Layout.of(torch.nn.Linear(2, 1)).slices[-1]
        >>> last.name, last.kind, last.start, last.stop
        ('bias', 'bias', 2, 3)
    """

    name: str
    layer: str
    kind: Kind
    start: int
    stop: int
    shape: tuple[int, ...]
    channels_last: bool = False

    def shaped(self, entries: Tensor) -> Tensor:
        """Return the parameter's entries (``[m]``) as a view of its shape."""
        if not self.channels_last:
            return entries.view(self.shape)
        out, channels, height, width = self.shape
        return entries.view(out, height, width, channels).permute(0, 3, 1, 2)

    def flat(self, parameter: Tensor) -> Tensor:
        """Return the parameter's entries as a vector ``[m]``: the inverse of `shaped`."""
        return (parameter.permute(0, 2, 3, 1) if self.channels_last else parameter).reshape(-1)


@dataclass(frozen=True)
class Layout:
    """The place of each of a model's parameters in its flat vector of length `size`.

    Example:
        >>> import torch
        >>> from fedlens import Layout
        >>> layout = Layout.of(torch.nn.Linear(2, 1))
        >>> layout.size, layout.split(torch.tensor([1.0, 2.0, 5.0]))["bias"]
        (3, tensor([5.]))
    """

    slices: tuple[Slice, ...]

    @classmethod
    def of(cls, module: nn.Module) -> Layout:
        """Return the layout of `module`'s parameters, in the order of ``named_parameters``."""
        slices, start, kernels = [], 0, _kernels(module)
        for name, parameter in module.named_parameters():
            layer, _, leaf = name.rpartition(".")
            kind: Kind = "bias" if any(word.startswith("bias") for word in leaf.split("_")) else "weight"
            stop, shape = start + parameter.numel(), tuple(parameter.shape)
            slices.append(Slice(name, layer or name, kind, start, stop, shape, id(parameter) in kernels))
            start = stop
        return cls(tuple(slices))

    @property
    def size(self) -> int:
        """Number of entries d."""
        return self.slices[-1].stop if self.slices else 0

    def mask(self, kinds: Iterable[Kind]) -> Tensor:
        """Return a boolean ``Tensor[d]``, true where an entry is of one of `kinds`."""
        wanted = set(kinds)
        mask = torch.zeros(self.size, dtype=torch.bool)
        for part in self.slices:
            mask[part.start : part.stop] = part.kind in wanted
        return mask

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Return the parameters by name, as views of `vector` (shape ``[d]``).

        Raises:
            ValueError: `vector` does not have this layout's length.
        """
        if vector.shape != (self.size,):
            raise ValueError(f"expected a vector of {self.size} entries, got shape {tuple(vector.shape)}")
        return {part.name: part.shaped(vector[part.start : part.stop]) for part in self.slices}


def flatten(module: nn.Module) -> Tensor:
    """Return a copy of `module`'s parameters as one vector ``[d]``, in the order of its `Layout`."""
    pairs = zip(Layout.of(module).slices, module.parameters(), strict=True)
    return torch.cat([part.flat(parameter.detach()) for part, parameter in pairs])


def _kernels(module: nn.Module) -> set[int]:
    """Return the identities of the parameters that are kernels of PyTorch's `Conv2d` and of nothing else."""
    kernels: set[int] = set()
    others: set[int] = set()
    for layer in module.modules():
        for name, parameter in layer._parameters.items():
            (kernels if type(layer) is nn.Conv2d and name == "weight" else others).add(id(parameter))
    return kernels - others
