"""FedAdam: Adam on the server.

S. Reddi, Z. Charles, M. Zaheer, Z. Garrett, K. Rush, J. Konečný, S. Kumar, H. B. McMahan, *Adaptive Federated
Optimization* (ICLR 2021), algorithm 2. With Δ what the rule leaves of a round's updates, entry by entry,

    m ← β₁ m + (1 − β₁) Δ,    v ← β₂ v + (1 − β₂) Δ²,    w ← w + η m / (√v + τ),

m = 0 and v = τ² at first (the paper asks for v ≥ τ²). Unlike Adam, and like the paper, it does not correct the bias of
m and v towards their beginnings.

The defaults β₁ = 0.9, β₂ = 0.99 and τ = 0.001 are the paper's, from memory and unchecked. The paper searches η for each
task; 0.01 is ours.

What is kept of v is its root, by r ← √(β₂ r² + (1 − β₂) Δ²): squares of float32 overflow from 2·10¹⁹ on, and an
infinite v would never move again. A single huge aggregate still stops the entry for many rounds, for v falls by a
hundredth a round: let a rule or filter that limits updates go before.

Steps are not proportional to updates, so that there are no effective weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveFloat
from typing_extensions import override

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.defences.stage import Kind, Report, Sees, Server, Stage, State, Updates

if TYPE_CHECKING:
    from torch import Tensor


def adam_step(
    aggregate: Tensor, mean: Tensor, root: Tensor, betas: tuple[float, float], tau: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Update both moments by an aggregate, and return the step for a learning rate of 1.

    Args:
        aggregate: Δ, shape ``[d]``.
        mean: m, shape ``[d]``.
        root: √v, shape ``[d]``.
        betas: β₁ and β₂.
        tau: τ.

    Returns:
        The step, the new m and the new √v, each of shape ``[d]``.
    """
    mean = betas[0] * mean + (1 - betas[0]) * aggregate
    root = torch.hypot(betas[1] ** 0.5 * root, (1 - betas[1]) ** 0.5 * aggregate)
    return mean / (root + tau), mean, root


class FedAdam(Stage):
    """FedAdam: a step of Adam, without bias correction, along the aggregate.

    Attributes:
        learning_rate: the step's factor (η); about how far an entry moves in a round.
        beta1: how much of the mean of aggregates is kept each round (β₁).
        beta2: how much of the mean of their squares is kept each round (β₂).
        tau: what entries are compared with; the larger it is, the less steps adapt (τ).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FedAdam, Server, Updates
        >>> aggregate = Updates.received(torch.tensor([[0.01]]), torch.ones(1).double())
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> optimizer, server = FedAdam(), Server(1, torch.zeros(1), layout, (0,), Address.root(0))
        >>> step, state, _ = optimizer.apply(aggregate, server, optimizer.init(layout))
        >>> step.rows, step.effective_weights
        (tensor([[0.0041]]), None)
    """

    kind: ClassVar[Kind] = "optimizer"
    sees: ClassVar[Sees] = "sum"

    learning_rate: PositiveFloat = 0.01
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    tau: PositiveFloat = 1e-3

    @override
    def init(self, layout: Layout) -> State:
        """Begin with m = 0 and √v = τ."""
        return State({"mean": torch.zeros(layout.size), "root": torch.full((layout.size,), self.tau)})

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Take `adam_step`, in float32 at least."""
        (row,) = updates.rows
        aggregate = row.to(torch.promote_types(row.dtype, torch.float32))
        mean, root = (state.tensors[name].to(aggregate) for name in ("mean", "root"))
        step, mean, root = adam_step(aggregate, mean, root, (self.beta1, self.beta2), self.tau)
        after = State({"mean": mean, "root": root})
        return updates.single((self.learning_rate * step).to(row), None), after, Report()
