"""A user's module and the arrays of a message: which array is which parameter or buffer of the module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from fedlens.bridges.wire.codec import numbers
from fedlens.core.errors import ConfigError, named
from fedlens.core.layout import PARAMETERS
from fedlens.core.origin import told
from fedlens.models.network import Network

Arrays = Mapping[str, NDArray[Any]]
Make = Callable[[], nn.Module] | nn.Module

MOST = 8
"""A refusal lists so many names of each side."""


@dataclass(frozen=True)
class Fit:
    """A module loaded with the arrays of a message.

    Attributes:
        network: the module, bound to a flat vector.
        names: the array's name in the message, by the name in the module's ``state_dict``.
    """

    network: Network
    names: Mapping[str, str]

    @classmethod
    def of(cls, make: Make, arrays: Arrays) -> Fit:
        """Make the module, and load the arrays into it.

        Arrays are matched by the names of its ``state_dict``; else by their places in that, or, where there are only as
        many, by those of its parameters.

        Raises:
            ConfigError: nothing fits, or no module is made.
        """
        module = made(make)
        state = module.state_dict()
        names = _matched(module, state, arrays)
        if names is None:
            raise ConfigError(
                f"model: {type(module).__name__} does not fit what the server sends, neither by names nor by places; "
                f"it has {_listed(state)}; the server sends {_listed(arrays)}"
            )
        tensors = {own: _tensor(arrays[name]).reshape(state[own].shape) for own, name in names.items()}
        module.load_state_dict(tensors, strict=False)
        return cls(Network(module), names)

    def row(self, arrays: Arrays) -> Tensor:
        """Return the arrays as a vector of the network's layout, ``[d]``; buffers that are not sent are the network's.

        Raises:
            ConfigError: an array is missing, or of another shape.
        """
        row = self.network.state()
        for part in self.network.layout.slices:
            if (name := self.names.get(part.name)) is None:
                continue
            tensor = numbers(arrays.get(name))
            if tensor is None or tensor.numel() != part.stop - part.start:
                raise ConfigError(
                    f"the app answers other arrays than it was sent: {name} is missing or of another size; its answer "
                    f"has {_listed(arrays)}"
                )
            row[part.start : part.stop] = part.flat(tensor.reshape(part.shape).to(row))
        return row

    def changed(self, sent: Arrays, update: Tensor, honest: Arrays) -> dict[str, NDArray[Any]]:
        """Return the honest answer with the parameters of what was sent, moved by an update (``[d]``), in their place.

        The sum is taken in double precision, and has the type that the honest answer has.
        """
        found = {name: array.copy() for name, array in honest.items()}
        for part in self.network.layout.slices:
            if part.kind in PARAMETERS:
                name = self.names[part.name]
                start, own = _tensor(sent[name]).double(), found[name]
                moved = start.reshape(part.shape) + part.shaped(update[part.start : part.stop]).double()
                found[name] = moved.contiguous().numpy().astype(own.dtype).reshape(own.shape)
        return found


def made(make: Make) -> nn.Module:
    """Return a new module, of one floating-point type.

    Raises:
        ConfigError: it cannot be made, or is none.
    """
    try:
        module: object = deepcopy(make) if isinstance(make, nn.Module) else make()
    except Exception as error:
        raise ConfigError(
            f"model: {getattr(make, '__name__', make)} cannot be called without arguments: {told(error)}; "
            "give what makes it, e.g. model=lambda: Net(10)"
        ) from error
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"model: made {named(module)}; attacks by gradients need the client's torch.nn.Module, e.g. model=Net"
        )
    types = {parameter.dtype for parameter in module.parameters()}
    if len(types) != 1 or not next(iter(types)).is_floating_point:
        raise ConfigError(f"model: {type(module).__name__} has parameters of {len(types)} types; one type is right")
    return module.cpu()


def _matched(module: nn.Module, state: Mapping[str, Tensor], arrays: Arrays) -> dict[str, str] | None:
    """Return the array's name by the module's own, by the first way that fits; ``None`` if none does."""
    by_name = {own: own for own in state if own in arrays}
    parameters = [own for own, _ in module.named_parameters()]
    ways = [by_name] if set(parameters) <= by_name.keys() else []
    lists = (list(state), [name for name in state if name in parameters])
    ways += [dict(zip(own, arrays, strict=True)) for own in lists if len(own) == len(arrays)]
    return next((way for way in ways if all(_alike(state[own], arrays[name]) for own, name in way.items())), None)


def _alike(own: Tensor, array: object) -> bool:
    tensor = numbers(array)
    return tensor is not None and (tensor.shape == own.shape or tensor.numel() == own.numel() == 1)


def _tensor(array: object) -> Tensor:
    tensor = numbers(array)
    assert tensor is not None, "what is matched holds numbers"
    return tensor


def _listed(arrays: Mapping[str, Any]) -> str:
    """List names and shapes, as far as there is room."""
    words = [f"{name} {list(array.shape)}" for name, array in list(arrays.items())[:MOST]]
    rest = f" and {len(arrays) - MOST} more" if len(arrays) > MOST else ""
    return (", ".join(words) + rest) or "nothing"
