"""A strategy of Flower's as a class with a method ``aggregate``, which is what conformance is tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, isclass, signature
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from fedlens.bridges.flower.adapting import aggregated, is_strategy, placeholders
from fedlens.core.errors import ConfigError, named
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.stage import Server, Updates

SHARE = "beta"
"""The option of strategies that are told which share of clients to cut; it is f/n here, where f is an option."""


def makes_strategies(thing: object) -> TypeGuard[Callable[..., object]]:
    """Tell whether this is a class of strategies, or a function without parameters, which may make one."""
    if isclass(thing):
        return any(cls.__name__ == "Strategy" and cls.__module__.startswith("flwr.") for cls in thing.__mro__)
    try:
        return callable(thing) and not signature(thing).parameters
    except (TypeError, ValueError):
        return False


def as_rule(maker: Callable[..., object]) -> type:
    """Return a class that is called with a strategy's options, and whose ``aggregate`` takes updates (``[n, d]``).

    It is also given the clients' weights, which they claim as their numbers of samples, and the round's number, and it
    keeps what the strategy keeps. The global weights are zeros. A strategy that is told a share to cut, ``beta``, may
    be given ``f`` in its place: the share is then f/n.

    Raises:
        ConfigError: it makes no strategy of Flower.

    Example:
        >>> import torch
        >>> from flwr.serverapp.strategy import FedMedian
        >>> from fedlens.bridges.flower import as_rule
        >>> median = as_rule(FedMedian)()
        >>> median.aggregate(torch.tensor([[1.0], [2.0], [9.0]]), weights=torch.ones(3), round=1)
        tensor([2.])
    """
    told = dict(signature(maker).parameters)
    fixed = placeholders(maker)

    class Rule:
        """A strategy, which is made anew in each round and given what it kept."""

        __signature__ = Signature(_asked(told, fixed))

        def __init__(self, **options: Any) -> None:
            self.f = options.pop("f", None) if SHARE in told else None
            self.options = {**fixed, **options}
            self.kept: dict[str, Tensor] = {}

        def aggregate(self, updates: Tensor, weights: Tensor, round: int) -> Tensor | None:  # noqa: A002 - what conform offers
            def make() -> object:
                share = {} if self.f is None else {SHARE: self.f / len(updates)}
                made = maker(**{**self.options, **share})
                if not is_strategy(made):
                    raise ConfigError(f"{maker.__qualname__} makes {named(made)}, and no strategy of Flower")
                return made

            layout = Layout.of(nn.Linear(updates.shape[1], 1, bias=False))
            clients: Sequence[int] = range(len(updates))
            server = Server(round, torch.zeros(layout.size), layout, tuple(clients), Address.root(0))
            change, self.kept = aggregated(make, Updates.received(updates, weights.double()), server, self.kept)
            return change

    Rule.__qualname__ = Rule.__name__ = maker.__qualname__
    return Rule


def _asked(told: dict[str, Parameter], fixed: dict[str, Any]) -> list[Parameter]:
    """Return the parameters of the options; ``f`` where that stands for a share."""
    left = [parameter for name, parameter in told.items() if name not in fixed]
    named_ = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in left if parameter.kind not in _SEVERAL]
    if SHARE in told:
        named_.append(Parameter("f", Parameter.KEYWORD_ONLY, default=None))
    return [*named_, *(parameter for parameter in left if parameter.kind is Parameter.VAR_KEYWORD)]


_SEVERAL = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
