"""A model's state as one flat vector, and what each stretch of that vector is.

A round works on vectors: an update is a ``Tensor[d]``, a round's updates are one ``Tensor[n, d]``. `Layout` knows
which entries are weights and which biases, and to which layer they belong. First come the p parameters that are
trained, then the buffers that training changes, such as the running statistics of `BatchNorm`; whole numbers among
these are counters. What training leaves alone, frozen parameters and constant buffers, is no part of the vector: it is
the same everywhere.

The kernels of PyTorch's own `Conv2d` lie in the order ``[out, height, width, in]``. Seen as the usual
``[out, in, height, width]`` they are then in PyTorch's channels-last format, in which a CPU convolves faster. All other
parameters are contiguous, for a module may take a ``view`` of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fedlens.core.lazy import nn, torch

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["weight", "bias", "buffer", "counter"]

PARAMETERS: frozenset[Kind] = frozenset({"weight", "bias"})
"""The kinds of entries that an optimizer changes."""

_NOTED = "buffers_that_training_changes"
"""The attribute of a module that names more of them than `running_buffers` can find by itself."""


@dataclass(frozen=True)
class Slice:
    """The place of a parameter or a buffer in the vector: entries ``start`` to ``stop``; of a kernel, `channels_last`.

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
        """Return the entries (``[m]``) as a view of the parameter's shape."""
        if not self.channels_last:
            return entries.view(self.shape)
        out, channels, height, width = self.shape
        return entries.view(out, height, width, channels).permute(0, 3, 1, 2)

    def flat(self, parameter: Tensor) -> Tensor:
        """Return the parameter's entries as a vector ``[m]``: the inverse of `shaped`."""
        return (parameter.permute(0, 2, 3, 1) if self.channels_last else parameter).reshape(-1)


@dataclass(frozen=True)
class Layout:
    """The place of each of a model's parameters and running buffers in its flat vector of length `size`.

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
        """Return the layout of `module`: parameters in the order of ``named_parameters``, then `running_buffers`."""
        slices, start, kernels = [], 0, _kernels(module)
        for name, parameter in _trained(module).items():
            layer, _, leaf = name.rpartition(".")
            kind: Kind = "bias" if any(word.startswith("bias") for word in leaf.split("_")) else "weight"
            stop, shape = start + parameter.numel(), tuple(parameter.shape)
            slices.append(Slice(name, layer or name, kind, start, stop, shape, id(parameter) in kernels))
            start = stop
        for name, buffer in running_buffers(module).items():
            kind = "buffer" if buffer.is_floating_point() else "counter"
            stop = start + buffer.numel()
            slices.append(Slice(name, name.rpartition(".")[0] or name, kind, start, stop, tuple(buffer.shape)))
            start = stop
        return cls(tuple(slices))

    @property
    def parameters(self) -> Layout:
        """The layout of the first p entries, the parameters, alone."""
        return Layout(tuple(part for part in self.slices if part.kind in PARAMETERS))

    @property
    def buffers(self) -> Layout:
        """The layout of the entries behind the parameters, as of a vector of their own."""
        first, rest = self.parameters.size, (part for part in self.slices if part.kind not in PARAMETERS)
        return Layout(tuple(replace(part, start=part.start - first, stop=part.stop - first) for part in rest))

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
        """Return parameters and buffers by name, as views of `vector` (shape ``[d]``).

        Raises:
            ValueError: `vector` does not have this layout's length.
        """
        if vector.shape != (self.size,):
            raise ValueError(f"expected a vector of {self.size} entries, got shape {tuple(vector.shape)}")
        return {part.name: part.shaped(vector[part.start : part.stop]) for part in self.slices}


def flatten(module: nn.Module) -> Tensor:
    """Return a copy of `module`'s state as one vector ``[d]`` of its parameters' type, in the order of its `Layout`."""
    parameters = _trained(module)
    kind = next(iter(parameters.values())).dtype
    tensors = [*parameters.values(), *running_buffers(module).values()]
    return torch.cat(
        [part.flat(tensor.detach()).to(kind) for part, tensor in zip(Layout.of(module).slices, tensors, strict=True)]
    )


def running_buffers(module: nn.Module) -> dict[str, Tensor]:
    """Return the buffers that training changes, by name.

    They are the running statistics of PyTorch's normalisation layers, and what `note_running` has noted.
    """
    running = {id(buffer) for layer in running_norms(module) for buffer in layer.buffers(recurse=False)}
    noted: frozenset[str] = getattr(module, _NOTED, frozenset())
    return {name: buffer for name, buffer in module.named_buffers() if id(buffer) in running or name in noted}


def running_norms(module: nn.Module) -> list[nn.Module]:
    """Return the normalisation layers that keep running statistics."""
    kind = nn.modules.batchnorm._NormBase
    return [layer for layer in module.modules() if isinstance(layer, kind) and layer.running_mean is not None]


def note_running(module: nn.Module, names: Iterable[str]) -> None:
    """Note that training changes these buffers of `module`; copies of it know that, too."""
    setattr(module, _NOTED, frozenset(names))


def _trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are not frozen, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def _kernels(module: nn.Module) -> set[int]:
    """Return the identities of the parameters that are kernels of PyTorch's `Conv2d` and of nothing else."""
    kernels: set[int] = set()
    others: set[int] = set()
    for layer in module.modules():
        for name, parameter in layer._parameters.items():
            (kernels if type(layer) is nn.Conv2d and name == "weight" else others).add(id(parameter))
    return kernels - others
