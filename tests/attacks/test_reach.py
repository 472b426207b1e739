"""The walk by which the tests of views search them has to find what is hidden."""

import functools
import weakref
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest
import torch
from reach import overlap, tensors
from torch import Tensor, nn


class Slotted:
    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = held

    def give(self) -> object:
        return self.held


class Module(nn.Module):
    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held


def generator(leak: Tensor) -> Iterator[Tensor]:
    mine = leak[1:]
    yield mine


def hooked(leak: Tensor) -> nn.Module:
    module = nn.Linear(2, 2)
    module.register_forward_hook(lambda *_: leak)
    return module


def with_attribute(leak: Tensor) -> Tensor:
    carrier = torch.zeros(1)
    carrier.extra = {"leak": leak}  # type: ignore[attr-defined]
    return carrier


def with_gradient(leak: Tensor) -> Tensor:
    carrier = torch.zeros_like(leak, requires_grad=True)
    carrier.grad = leak
    return carrier


def default(leak: Tensor) -> Callable[..., Any]:
    def function(held: Tensor = leak, *, other: Tensor = leak) -> Tensor:
        return held + other

    return function


HIDDEN: dict[str, Callable[[Tensor], Any]] = {
    "itself": lambda leak: leak,
    "in containers": lambda leak: [({"x": (leak,)},)],
    "as a key": lambda leak: {leak: 1},
    "in a set": lambda leak: frozenset({leak}),
    "a part": lambda leak: leak.view(-1)[5:9],
    "as numbers of another type": lambda leak: leak.view(torch.int32),
    "an array": lambda leak: {"x": leak.numpy()},
    "a part of an array": lambda leak: leak.numpy()[1, 2:4],
    "in a closure": lambda leak: lambda: leak,
    "as a default": default,
    "in a partial": lambda leak: functools.partial(print, leak),
    "in slots": Slotted,
    "in a bound method": lambda leak: Slotted(leak).give,
    "in a module": lambda leak: nn.Sequential(Module([leak])),
    "in a hook": hooked,
    "on a tensor": with_attribute,
    "as a gradient": with_gradient,
    "behind a weak reference": weakref.ref,
    "saved for the backward pass": lambda leak: torch.ones_like(leak, requires_grad=True) * leak + 1,
    "in a generator": generator,
    "in an iterator": lambda leak: iter([leak]),
    "in a chain": lambda leak: chain([leak]),
}


@pytest.mark.parametrize("hide", HIDDEN.values(), ids=HIDDEN)
def test_the_walk_finds_what_is_hidden(hide: Callable[[Tensor], Any]) -> None:
    leak = torch.arange(12.0).view(3, 4)
    assert overlap(hide(leak), [leak])
    assert not overlap(hide(leak.clone()), [leak])


def test_the_walk_ends_in_a_circle() -> None:
    circle: list[Any] = [torch.zeros(3)]
    circle.append(circle)
    assert len(tensors(circle)) == 1


SECRET = torch.zeros(3)


def peeks() -> Tensor:
    return SECRET


def test_the_walk_leaves_modules_and_classes_alone() -> None:
    """Whoever can import can reach whatever a module holds; that is not what a view gives."""
    assert not overlap([peeks, Slotted, nn], [SECRET])
    assert overlap([peeks()], [SECRET])
