"""A strategy of Flower's as the rule of a simulated server: somebody else's aggregation, attacked as ours are.

The strategy is made anew in every round, is given what it kept (arrays, numbers, and lists or mappings of these), is
sent a round's weights as Flower would send them, and is asked to aggregate; the change of the global weights is what
comes out. Its own draws, from the global generators of Python and NumPy, are seeded by the round.

Flower's strategies aggregate weights, and are given each client's, w_G^t + δ_i, with the weight α_i as its claimed
number of samples; by default a client's true number decides that. Deviation: they see parameters alone, not the buffers
of normalisation layers; models with such buffers are refused, for a strategy does not say how much of each client is in
what it leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import field_validator
from typing_extensions import override

from fedlens.core.errors import ConfigError, cut, named, shortened
from fedlens.core.importing import imported
from fedlens.core.layout import Layout
from fedlens.core.origin import told
from fedlens.core.random import seeded
from fedlens.core.staying import staying
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates

EXAMPLE = "flwr.serverapp.strategy:Krum"


class FlowerStrategy(Stage):
    """A strategy of Flower as the rule, of its Message API or of the former one.

    Needs the extra `flower`, and so an environment of its own.

    Attributes:
        make: ``module:Name`` of a class, or of a function without arguments, that makes the strategy.
        options: what it is called with.

    Example:
        >>> from fedlens.bridges import FlowerStrategy
        >>> krum = FlowerStrategy(make="flwr.serverapp.strategy:Krum", options={"num_malicious_nodes": 1})
        >>> krum.kind, krum.averages
        ('rule', False)
    """

    kind: ClassVar[Kind] = "rule"

    make: str
    options: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it

    @field_validator("make")
    @classmethod
    def _names_something(cls, value: str) -> str:
        module, _, name = value.partition(":")
        if not module or not name:
            raise ValueError(f"{shortened(value)} is no module:Name; e.g. {EXAMPLE}")
        return value

    @property
    @override
    def code_behind(self) -> tuple[type, ...]:
        return (type(self), _of_module(self.maker()), type(self.strategy()))

    def maker(self) -> Callable[..., object]:
        """Return what makes the strategy.

        Raises:
            ConfigError: Flower is not installed, or there is no such thing.
        """
        import fedlens.bridges.flower  # noqa: F401 - which says what to install

        try:
            with staying(f"make={self.make}", ConfigError):
                found = imported(self.make)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"aggregation.make: {self.make} cannot be imported: {told(error)}; e.g. {EXAMPLE}"
            ) from error
        if not callable(found):
            raise ConfigError(f"aggregation.make: {self.make} is {shortened(found)}; a class or function is right")
        return found

    def strategy(self) -> object:
        """Return a new strategy.

        Raises:
            ConfigError: it cannot be made.
        """
        from fedlens.bridges.flower.adapting import is_strategy, placeholders

        maker = self.maker()
        options = {**placeholders(maker), **self.options}
        try:
            with staying(f"make={self.make}", ConfigError):
                made = maker(**options)
        except ConfigError:
            raise
        except Exception as error:
            given = cut(", ".join(f"{name}={shortened(value)}" for name, value in self.options.items()))
            raise ConfigError(f"aggregation.make: {self.make}({given}) failed: {told(error)}") from error
        if not is_strategy(made):
            raise ConfigError(f"aggregation.make: {self.make} makes {named(made)}, and no strategy of Flower")
        return made

    @override
    def init(self, layout: Layout) -> State:
        self.strategy()  # so that what is wrong with it is said before the first round
        return State()

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        from fedlens.bridges.flower.adapting import aggregated

        with seeded(server.address.at("flower")):
            found, kept = aggregated(self.strategy, updates, server, state.tensors)
        if found is None:
            return updates.single(updates.rows[0] * 0, None), state, Report(skipped="the strategy left nothing")
        return updates.single(found, None), State(kept), Report()


def _of_module(maker: Callable[..., object]) -> type:
    """Return a class that stands for the module in which a function or class is defined."""
    return type("Maker", (), {"__module__": getattr(maker, "__module__", None) or __name__})
