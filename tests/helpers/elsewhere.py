"""A pretended device: a place for tensors that computes what the CPU does, and refuses tensors that are not there.

Within the block of a `Pretended`, tensors can be made on, or moved to, `AWAY`. They say that they are there, and what
is computed of them is there, too. As on a GPU, NumPy cannot read them, and an operation on tensors that are partly
there fails, but for indices, and for numbers, which are tensors of no dimension that are in no list.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode, resolve_name

AWAY = torch.device("privateuseone")
"""What one asks for."""

THERE = torch.device("privateuseone:0")
"""What tensors say: as of GPUs, a number belongs to it."""

HERE = torch.device("cpu")

_DEVICE = Tensor.device.__get__
_ASSIGNING = (Tensor.data.__set__, torch._has_compatible_shallow_copy_type)
_NUMPY = (Tensor.numpy, Tensor.__array__)
_MOVES = (Tensor.to, Tensor.cpu)
_OF_FIRST = (Tensor.copy_, Tensor.__getitem__, Tensor.__deepcopy__)


class Pretended(TorchFunctionMode):
    """The block within which there is such a device."""

    def __init__(self) -> None:
        super().__init__()
        self._there: dict[int, StorageWeakRef] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func == _DEVICE:
            return THERE if self.has(args[0]) else func(*args)
        if func in _NUMPY and self.has(args[0]):
            raise TypeError("can't convert a tensor on another device to numpy; use Tensor.cpu() first")
        if func in _MOVES:
            return self._moved(func, args, kwargs)
        if (device := kwargs.get("device")) is not None:
            away = _is_away(device)
            kwargs["device"] = HERE
            made = func(*args, **kwargs)
            return self._tag(made.clone() if self.has(made) else made) if away else made
        there = self._checked(func, args, kwargs)
        made = func(*args, **kwargs)
        if there:
            for tensor in _tensors(made):
                self._tag(tensor)
        return made

    def has(self, tensor: Tensor) -> bool:
        """Whether a tensor is on the pretended device."""
        storage = _storage(tensor)
        known = None if storage is None else self._there.get(storage._cdata)
        return known is not None and not known.expired()

    def _tag(self, tensor: Tensor) -> Tensor:
        if (storage := _storage(tensor)) is not None and not self.has(tensor):
            self._there[storage._cdata] = StorageWeakRef(storage)
        return tensor

    def _checked(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Tell whether an operation is done there.

        Raises:
            RuntimeError: some of its tensors are there and some are not.
        """
        if func in _ASSIGNING:
            return False
        values = [*args[:1], *args[2:]] if func is Tensor.__setitem__ else args
        tensors = [*_tensors(values), *_tensors(kwargs)]
        there = [self.has(tensor) for tensor in tensors]
        if not any(there):
            return False
        if func in _OF_FIRST:
            return there[0]
        numbers = {id(value) for value in [*values, *kwargs.values()] if isinstance(value, Tensor) and not value.dim()}
        changed = not there[0] and func.__name__.endswith("_") and not func.__name__.endswith("__")
        pairs = list(zip(tensors, there, strict=True))
        if changed or any(not is_there and id(tensor) not in numbers for tensor, is_there in pairs):
            shapes = ", ".join(f"{list(tensor.shape)} {'there' if is_there else 'here'}" for tensor, is_there in pairs)
            raise RuntimeError(f"expected all tensors to be on the same device: {resolve_name(func)} of {shapes}")
        return True

    def _moved(self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
        tensor, *rest = args
        target: object = HERE if func is Tensor.cpu else kwargs.pop("device", None)
        for value in [*rest, *kwargs.values()]:
            if isinstance(value, Tensor):
                target = THERE if self.has(value) else HERE
            elif isinstance(value, str | torch.device):
                target = value
        there, was = (self.has(tensor) if target is None else _is_away(target)), self.has(tensor)
        rest = [HERE if isinstance(value, str | torch.device) else value for value in rest]
        made: Tensor = func(tensor, *rest, **kwargs)
        if there != was and _storage(made)._cdata == _storage(tensor)._cdata:
            made = made.clone()
        return self._tag(made) if there else made


def _is_away(device: object) -> bool:
    return torch.device(device).type == AWAY.type


def _storage(tensor: Tensor) -> torch.UntypedStorage | None:
    """The memory that a tensor's numbers are in; within `torch.func`, that of the tensor behind it."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return None if tensor.is_sparse else tensor.untyped_storage()


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
