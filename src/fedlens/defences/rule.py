"""Aggregation rules: they combine a round's updates into one change of the global model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError, shortened
from fedlens.core.layout import Layout
from fedlens.core.origin import at, told
from fedlens.core.random import Address
from fedlens.core.staying import staying
from fedlens.defences.reach import Reach
from fedlens.defences.stage import Sees

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_MINIMUM = 10**9
"""No rule needs this many updates."""


@dataclass(frozen=True)
class Received:
    """The updates that reached the server in a round.

    Attributes:
        updates: a row for each client, shape ``[n, d]``.
        alpha: the clients' weights α_i, shape ``[n]``, float64, adding up to 1.
        layout: the parameter that each of the d entries belongs to.
        address: where the rule's random draws begin, if it makes any.
        state: the rule's state after the round before.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout, Received
        >>> updates, alpha = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([0.75, 0.25]).double()
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> received = Received(updates, alpha, layout, Address.root(0))
        >>> received.alpha.float() @ received.updates
        tensor([1.5000, 1.0000])
    """

    updates: Tensor
    alpha: Tensor
    layout: Layout
    address: Address
    state: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Aggregate:
    """The outcome of a rule in a round.

    Attributes:
        update: change of the global weights, shape ``[d]``.
        shares: effective weight of each client's update, shape ``[n]``; ``None`` if there is no such number.
        state: the rule's state for the next round.
        details: further numbers of each client's update, by name, n of them (`fedlens.defences.stage.Report`).

    Example:
        >>> import torch
        >>> from fedlens import Aggregate
        >>> updates, shares = torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([0.5, 0.5, 0.0])
        >>> Aggregate(shares @ updates, shares).update
        tensor([2.])
    """

    update: Tensor
    shares: Tensor | None = None
    state: Mapping[str, Tensor] = field(default_factory=dict)
    details: Mapping[str, list[float] | list[list[float]]] = field(default_factory=dict)


class Rule(Config):
    """An aggregation rule's description; derive from it to bring your own and write `aggregate`.

    Example:
        >>> import torch
        >>> from fedlens import Address, Aggregate, Layout, Received, Rule
        >>> class Shortest(Rule):
        ...     def aggregate(self, received):
        ...         return Aggregate(received.updates[received.updates.norm(dim=1).argmin()])
        >>> updates, alpha = torch.tensor([[1.0], [-3.0]]), torch.tensor([0.5, 0.5]).double()
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> Shortest().aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([1.])
    """

    averages: ClassVar[bool] = False
    """True if an update's effect is α_i times the update, so that an attacker can boost by 1/α_m."""

    sees: ClassVar[Sees] = "updates"
    """``sum`` if it works on the average alone, which is all that secure aggregation leaves; else ``updates``."""

    coordinatewise: ClassVar[bool] = False
    """True if each entry of what it returns depends on the same entry of the updates alone, as in the median; it then
    combines buffers that training changes, too, which are otherwise combined by its `Aggregate.shares`."""

    keeping: ClassVar[str] = "return what it keeps, Aggregate(update, shares, state), and find it in received.state"

    @property
    def minimum(self) -> int:
        """The least number n of updates that the rule can work with."""
        return 1

    def aggregate(self, received: Received) -> Aggregate:
        """Return the change of the global weights."""
        raise NotImplementedError

    def reach(self, received: Received, malicious_rows: Sequence[int]) -> Reach | None:  # noqa: ARG002
        """Return where the update of `aggregate` can be, whatever the malicious rows are; ``None`` if that is unknown.

        The set has to hold every such update, also those with malicious rows left out, as a server leaves out what is
        not finite; the weights of the others then add up to 1 again. An audit takes it for a bound of all attacks, so
        declare what is proven alone. It should not be larger than what can be had.

        Args:
            received: as in `aggregate`; a result must not depend on what the malicious rows are.
            malicious_rows: the rows of `received.updates` that may be anything finite.
        """
        return None


def least_updates(rule: Rule) -> int:
    """Return the rule's `minimum`.

    Raises:
        ConfigError: a custom rule's `minimum` is not a number of updates, or failed.
    """
    name = type(rule).__name__
    return checked_least(f"minimum of {name}", lambda: rule.minimum, type(rule), name)


def checked_least(what: str, tell: Callable[[], object], definition: type, name: str) -> int:
    """Return how many updates a component says it needs.

    Args:
        what: what says so, in words.
        tell: says it.
        definition: the component's class.
        name: what to call that.

    Raises:
        ConfigError: a custom one says no number of updates, or failed.
    """
    try:
        with staying(f"aggregation: {what}", ConfigError):
            least = tell()
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"aggregation: {what} failed: {told(error)}") from error
    if not isinstance(least, Integral) or isinstance(least, bool) or not 0 <= int(least) < LARGEST_MINIMUM:
        if callable(least):
            raise ConfigError(f"aggregation: {name}: minimum{at(least)} is a method; write @property on the line above")
        raise ConfigError(
            f"aggregation: {what}{at(definition)} is {shortened(least)}; "
            "a whole number of updates is right, 1 where any will do"
        )
    return int(least)


def require_enough(rule: str, formula: str, f: int, least: int, count: int) -> None:
    """Check that `count` updates are enough for `rule`, which needs `least` by this `formula` of `f`.

    Raises:
        ValueError: there are not enough updates.
    """
    if count < least:
        raise ValueError(f"{rule} needs n >= {formula} updates: f = {f} needs {least}, got {count}")
