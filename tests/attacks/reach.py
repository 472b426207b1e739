"""What can be reached from an object by code that holds it, classes and modules apart."""

import functools
import gc
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import Node

from fedlens.data.dataset import Samples
from fedlens.simulation.engines.context import WorkerContext

PLAIN = (type, types.ModuleType, str, bytes, int, float, bool, type(None), torch.dtype, torch.device)


def parts_of(thing: Any) -> Iterator[Any]:
    """What can be reached from `thing` in one step, without going through a class, a module or a function's globals."""
    if isinstance(thing, types.FunctionType):
        yield from (cell.cell_contents for cell in thing.__closure__ or ())
        yield from (thing.__defaults__, thing.__kwdefaults__, thing.__dict__)
        return
    if isinstance(thing, Mapping):
        yield from thing.keys()
        yield from thing.values()
    elif isinstance(thing, types.MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, functools.partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, weakref.ReferenceType):
        yield thing()
    elif isinstance(thing, Tensor):
        yield from (thing.grad if thing.is_leaf else None, thing._base, thing.grad_fn)
    elif isinstance(thing, Node):
        yield from (node for node, _ in thing.next_functions)
        yield from (getattr(thing, name) for name in dir(thing) if name.startswith("_saved"))
    elif isinstance(thing, np.ndarray):
        yield thing.base
    yield getattr(thing, "__dict__", None)
    for cls in type(thing).__mro__:
        slots = vars(cls).get("__slots__", ())
        yield from (getattr(thing, name, None) for name in ((slots,) if isinstance(slots, str) else slots))
    yield from gc.get_referents(thing)


def reachable(thing: Any) -> list[Any]:
    """Everything that can be reached from `thing`."""
    found: dict[int, Any] = {}
    left = [thing]
    while left:
        here = left.pop()
        if id(here) not in found and not isinstance(here, PLAIN):
            found[id(here)] = here
            left.extend(parts_of(here))
    return list(found.values())


def tensors(thing: Any) -> list[Tensor]:
    """Every tensor that can be reached from `thing`, and every array as one."""
    found = reachable(thing)
    arrays = [torch.from_numpy(item) for item in found if isinstance(item, np.ndarray) and item.dtype != object]
    return [item for item in found if isinstance(item, Tensor)] + arrays


def span(tensor: Tensor) -> range:
    """The addresses of the memory behind a tensor."""
    storage = tensor.untyped_storage()
    return range(storage.data_ptr(), storage.data_ptr() + storage.nbytes())


def overlap(thing: Any, others: Iterable[Tensor]) -> list[Tensor]:
    """The tensors that can be reached from `thing` and share memory with one of `others`."""
    spans = [span(tensor) for tensor in others]
    assert all(spans)
    return [
        tensor
        for tensor in tensors(thing)
        if any(max(span(tensor).start, other.start) < min(span(tensor).stop, other.stop) for other in spans)
    ]


def shared(view: object, context: WorkerContext) -> list[Tensor]:
    """Tensors that can be reached from a view or a team and share memory with what the worker holds."""
    data, tensors = context.dataset, context.shared
    others = [data.train.x, data.train.y, data.test.x, data.test.y, context.shards.order, context.shards.offsets]
    others += [
        tensors.models,
        tensors.updates,
        tensors.log_probabilities,
        context.network.vector,
        context.network.gradient,
    ]
    return overlap(view, others)


def images(samples: Samples) -> set[bytes]:
    return {image.numpy().tobytes() for image in samples.x}
