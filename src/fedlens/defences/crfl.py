"""CRFL: clip the global model and add noise to it, so that predictions can be certified against backdoors.

C. Xie, M. Chen, P.-Y. Chen, B. Li, *CRFL: Certifiably Robust Federated Learning against Backdoor Attacks* (ICML 2021).
After the rule, in the paper the mean, with Δ its step,

    w ← w_G^t + Δ,    w_G^{t+1} ← w · min(1, ρ_t / ‖w‖₂) + N(0, σ² I),    ρ_t = min(ρ + g t, ρ_max).

It is the *model* that is clipped, not the updates. The defaults are the authors' for MNIST: ρ_t = 2 + 0.1 t up to 15,
and σ = 0.01; for LOAN they take 2 + 0.025 t up to 5, for EMNIST 4 + 0.25 t up to 100. In their last round the model is
left as it is, and clipped and perturbed for each prediction: `last` says which round that is. Predictions and their
certificates are in `fedlens.defences.crfl_certificate`.

It is a server optimizer, of which a chain has one, and needs one update. It sees the model and the sum of updates
alone, and knows the round's number t, from 1; it keeps nothing else. Running statistics of a model are neither clipped
nor perturbed. Effective weights count what the clipping leaves of the step, not what it takes from the former model. It
limits how far a boosted update carries the model; a backdoor in a model that is no longer than ρ_t stays, only the
noise wears it off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from typing_extensions import override

from fedlens.defences.norm_clipping import add_noise, norms
from fedlens.defences.stage import Kind, Report, Sees, Server, Stage, State, Updates

if TYPE_CHECKING:
    from torch import Tensor


def clip_model(weights: Tensor, limit: float) -> tuple[Tensor, float]:
    """Return `weights` (shape ``[d]``) clipped to the L2 norm `limit`, in float64, and the factor that does it."""
    factor = limit / max(limit, float(norms(weights[None])))
    return weights.double() * factor, factor


class Crfl(Stage):
    """CRFL: clip the global model and add noise to it.

    Attributes:
        rho: the largest L2 norm of the model before the first round (ρ).
        growth: how much larger that becomes in every round (g).
        most: the largest it becomes (ρ_max).
        sigma: standard deviation of the noise that is added to each entry of the model (σ).
        last: the number of the round whose model is left as it is, if any.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Crfl, Server, State, Updates
        >>> step = Updates.received(torch.tensor([[1.0, 4.0]]), torch.ones(1).double())
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> server = Server(1, torch.tensor([2.0, 0.0]), layout, (0,), Address.root(0))
        >>> clipped, _, _ = Crfl(sigma=0).apply(step, server, State())  # ‖(3, 4)‖ = 5, and ρ_1 = 2.1
        >>> server.weights + clipped.rows[0]
        tensor([1.2600, 1.6800])
    """

    kind: ClassVar[Kind] = "optimizer"
    sees: ClassVar[Sees] = "sum"

    rho: PositiveFloat = 2.0
    growth: NonNegativeFloat = 0.1
    most: PositiveFloat = 15.0
    sigma: NonNegativeFloat = 0.01
    last: PositiveInt | None = None

    def limit(self, round_: int) -> float:
        """Return ρ_t, the largest norm of the model after this round, from 1."""
        return min(self.rho + self.growth * round_, self.most)

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Clip and perturb the model that the step leads to; the step leads to that instead."""
        if server.round == self.last:
            return updates, state, Report()
        weights = server.weights.double()
        clipped, factor = clip_model(weights + updates.rows[0].double(), self.limit(server.round))
        step = clipped - weights
        add_noise(step, self.sigma, server.address.at("noise"))
        mixture = None if updates.mixture is None else factor * updates.mixture
        return replace(updates, rows=step.to(updates.rows)[None], mixture=mixture), state, Report()
