"""Centred clipping: go from the last aggregate towards each update, but only so far.

S. P. Karimireddy, L. He, M. Jaggi, *Learning from History for Byzantine Robust Optimization* (ICML 2021): begin at the
aggregate v of the round before (0 in the first), and repeat L times

    v ← v + 1/n Σ (δ_i − v) · min(1, τ / ‖δ_i − v‖₂).

No client moves the aggregate by more than τ/n in a pass. The defaults are the paper's τ = 10 and L = 1; the authors'
code of 2022 has L = 3 and τ = 10/(1 − β), ByzFL and FLPoison have τ = 100.

Deviations from the source:

- The paper's clients send *momenta* (β = 0.9), and its guarantee needs them. Clients of fedlens keep none, so that
  here δ_i are a round's updates.
- v is what this rule made of the last round in which the model changed, whatever a server optimizer made of that.
  FedML begins at a random client's update, which may be the attacker's; FLPoison's FedAvg mode centres weights at 0.

As in the paper, clients count equally. With c_i the factor of client i, a pass is v ← (1 − Σ c_i/n) v + Σ (c_i/n) δ_i,
so that after all passes v = κ v_before + Σ a_i δ_i with numbers that are known: the effective weights are a_i, and add
up to 1 − κ. The rest, κ, is the weight of the last aggregate and so of earlier updates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat, PositiveInt
from typing_extensions import override

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.defences.norm_clipping import clipping_details, norms
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates
from fedlens.kernels.weighted_sums import weighted_sum

if TYPE_CHECKING:
    from torch import Tensor


def distances_from(updates: Tensor, centre: Tensor) -> Tensor:
    """Return the L2 distance of each update (shape ``[n, d]``) from `centre` (``[d]``); float64, shape ``[n]``."""
    exact = centre.double()
    return torch.cat([norms((update.double() - exact)[None]) for update in updates])


def centred_clipping(updates: Tensor, centre: Tensor, radius: float, passes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Move `centre` towards the updates.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        centre: the last aggregate (v), shape ``[d]``.
        radius: the longest way towards an update (τ).
        passes: number of repetitions (L).

    Returns:
        The new aggregate, shape ``[d]``, the weight of each update in it, shape ``[n]``, float64, and how far each was
        from `centre` at most, likewise. What the weights lack to 1 is the weight of `centre`.
    """
    weights = torch.zeros(len(updates), dtype=torch.float64, device=updates.device)
    farthest = torch.zeros_like(weights)
    for _ in range(passes):
        distances = distances_from(updates, centre)
        farthest = torch.maximum(farthest, distances)
        parts = radius / distances.clamp(min=radius) / len(updates)
        kept = 1 - float(parts.sum())
        centre = kept * centre + weighted_sum(parts, updates)
        weights = kept * weights + parts
    return centre, weights, farthest


class CentredClipping(Stage):
    """Centred clipping: move the last aggregate by the mean of clipped differences from it.

    Attributes:
        tau: how far, in L2 norm, the aggregate goes towards an update at most, times n (τ).
        iterations: how often that is repeated in a round (L).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import CentredClipping, Server, Updates
        >>> updates = Updates.received(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.ones(2).double() / 2)
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> rule, server = CentredClipping(tau=1), Server(1, torch.zeros(2), layout, (0, 1), Address.root(0))
        >>> aggregate, state, _ = rule.apply(updates, server, rule.init(layout))
        >>> aggregate.rows[0], rule.apply(updates, server, state)[0].rows[0]
        (tensor([0.3000, 0.4000]), tensor([0.4500, 0.6000]))
    """

    kind: ClassVar[Kind] = "rule"

    tau: PositiveFloat = 10.0
    iterations: PositiveInt = 1

    @override
    def init(self, layout: Layout) -> State:
        """Begin at zero."""
        return State({"aggregate": torch.zeros(layout.size)})

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Apply `centred_clipping` to the last aggregate."""
        before = state.tensors["aggregate"].to(updates.rows)
        aggregate, weights, farthest = centred_clipping(updates.rows, before, self.tau, self.iterations)
        report = Report(details=clipping_details(farthest, farthest > self.tau))
        return updates.single(aggregate, weights), State({"aggregate": aggregate}), report
