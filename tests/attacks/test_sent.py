"""What an attack sends and logs gives it no way to the server's side."""

from typing import ClassVar

import pytest
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ClientError


class Catching(Tensor):
    """A tensor that sees what it is used with."""

    caught: ClassVar[list[Tensor]] = []

    @classmethod
    def __torch_function__(cls, func: object, types: object, args: tuple[object, ...] = (), kwargs: object = None):  # type: ignore[no-untyped-def, override]
        cls.caught += [one for one in args if type(one) is Tensor]
        return super().__torch_function__(func, types, args, kwargs or {})


class Subclass(Attack):
    """Sends a tensor of a class of its own, which would be handed the place that it is copied to."""

    def craft(self, view: View) -> Tensor:
        return view.train().as_subclass(Catching)


def test_what_is_sent_sees_nothing_of_the_servers() -> None:
    Catching.caught.clear()
    with pytest.raises(ClientError, match=r"sent a Catching, expected a plain torch\.Tensor"):
        list(fedlens.simulate(small(attack=Subclass()), engine="serial"))
    assert Catching.caught == []


class Innocent(Attack):
    """Says that it did not act."""

    def craft(self, view: View) -> Tensor:
        view.log["acted"] = False
        return view.train()


def test_an_attack_cannot_declare_itself_innocent() -> None:
    with pytest.raises(ClientError, match="logged acted, which the simulator says"):
        list(fedlens.simulate(small(attack=Innocent()), engine="serial"))
