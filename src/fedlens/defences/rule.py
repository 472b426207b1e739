"""What an aggregation rule is: it sees a round's updates and says what becomes of the global model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError, shortened
from fedlens.core.layout import Layout
from fedlens.core.origin import at, told
from fedlens.core.random import Address
from fedlens.core.staying import staying

if TYPE_CHECKING:
    from torch import Tensor

MOST = 10**9
"""No rule needs so many updates."""


@dataclass(frozen=True)
class Received:
    """What reached the server in a round.

    Attributes:
        updates: a row for each client, shape ``[n, d]``.
        alpha: the clients' weights α_i, shape ``[n]``, float64, adding up to 1.
        layout: what each of the d entries is.
        address: where the rule's random draws begin, if it makes any.
        state: what the rule kept from the round before.
    """

    updates: Tensor
    alpha: Tensor
    layout: Layout
    address: Address
    state: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Aggregate:
    """What a rule made of a round.

    Attributes:
        update: what is added to the global weights, shape ``[d]``.
        shares: how much weight each client's update got, shape ``[n]``; ``None`` where no such number exists.
        state: what the rule wants to keep for the next round.
    """

    update: Tensor
    shares: Tensor | None = None
    state: Mapping[str, Tensor] = field(default_factory=dict)


class Rule(Config):
    """An aggregation rule's description; derive from it to bring your own and write `aggregate`."""

    averages: ClassVar[bool] = False
    """Whether an update's effect is α_i times the update, so that an attacker can boost by 1/α_m."""

    keeping: ClassVar[str] = "return what it keeps, Aggregate(update, shares, state), and find it in received.state"

    @property
    def minimum(self) -> int:
        """The least number n of updates that the rule can work with."""
        return 1

    def aggregate(self, received: Received) -> Aggregate:
        """The change of the global weights."""
        raise NotImplementedError


def least_updates(rule: Rule) -> int:
    """The rule's `minimum`.

    Raises:
        ConfigError: a custom rule gave no number of updates, or failed.
    """
    name = type(rule).__name__
    try:
        with staying(f"aggregation: minimum of {name}", ConfigError):
            found: object = rule.minimum
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"aggregation: minimum of {name} failed: {told(error)}") from error
    if not isinstance(found, Integral) or isinstance(found, bool) or not 0 <= int(found) < MOST:
        if callable(found):
            raise ConfigError(f"aggregation: {name}: minimum{at(found)} is a method; write @property on the line above")
        raise ConfigError(
            f"aggregation: minimum of {name}{at(type(rule))} is {shortened(found)}; "
            "a whole number of updates is right, 1 where any will do"
        )
    return int(found)


def require_enough(rule: str, formula: str, f: int, least: int, count: int) -> None:
    """Refuse `count` updates where `rule` needs `least` of them, by this `formula` of `f`.

    Raises:
        ValueError: there are not enough updates.
    """
    if count < least:
        raise ValueError(f"{rule} needs n >= {formula} updates: f = {f} needs {least}, got {count}")
