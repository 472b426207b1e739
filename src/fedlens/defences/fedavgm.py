"""FedAvgM: momentum on the server.

T.-M. H. Hsu, H. Qi, M. Brown, *Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification* (2019, arXiv 1909.06335); also S. Reddi et al., *Adaptive Federated Optimization* (ICLR 2021). With Δ
what the rule leaves of a round's updates,

    v ← β v + Δ,    w ← w + η v,    v = 0 at first.

It is PyTorch's SGD with momentum β, learning rate η and no dampening, on the gradient −Δ. With β = 0 and η = 1, it is
federated averaging. β = 0.9 and η = 1 are the defaults (from memory: Hsu et al. search over both).

An update of this round has η times the effective weight that it has in Δ; those of earlier rounds go on counting, with
η β, η β², …, and altogether η / (1 − β), which the effective weights of a round do not show. So boosting by 1/α_i,
which replaces the model of a round if η = 1, carries it ten times as far in the end: this is no plain average.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, PositiveFloat
from typing_extensions import override

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.defences.stage import Kind, Report, Sees, Server, Stage, State, Updates


class FedAvgM(Stage):
    """FedAvgM: add up the rounds' aggregates, of which older ones count less and less.

    Attributes:
        learning_rate: what the sum is multiplied by (η).
        momentum: what the sum so far is multiplied by each round (β).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FedAvgM, Server, Updates
        >>> aggregate = Updates.received(torch.tensor([[1.0]]), torch.ones(1).double())
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> optimizer, server = FedAvgM(momentum=0.5), Server(1, torch.zeros(1), layout, (0,), Address.root(0))
        >>> first, state, _ = optimizer.apply(aggregate, server, optimizer.init(layout))
        >>> first.rows, optimizer.apply(aggregate, server, state)[0].rows
        (tensor([[1.]]), tensor([[1.5000]]))
    """

    kind: ClassVar[Kind] = "optimizer"
    sees: ClassVar[Sees] = "sum"

    learning_rate: PositiveFloat = 1.0
    momentum: float = Field(default=0.9, ge=0, lt=1)

    @override
    def init(self, layout: Layout) -> State:
        """Begin with a sum of zero."""
        return State({"velocity": torch.zeros(layout.size)})

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Add the aggregate to the sum."""
        (aggregate,) = updates.rows
        velocity = self.momentum * state.tensors["velocity"].to(aggregate) + aggregate
        share = torch.full_like(updates.weights, self.learning_rate)
        return updates.single(self.learning_rate * velocity, share), State({"velocity": velocity}), Report()
