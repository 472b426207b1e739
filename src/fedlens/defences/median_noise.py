"""Median noise: add Gaussian noise to the step, in proportion to the median norm of the updates.

T. D. Nguyen et al., *FLAME: Taming Backdoors in Federated Learning* (USENIX Security 2022): with S the median of the
norms of all n updates received,

    Δ ← Δ + N(0, (λ S)² I).

The paper derives λ = √(2 ln(1.25 / δ)) / ε from the parameters of differential privacy, and takes 0.001 for images and
text, and 0.01 for network traffic (from memory). Each entry of the model gets noise of its own, so that its length is
about λ S √d: at 0.001, as long as a clipped update where d is a million. The noise adds up to no privacy guarantee.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import NonNegativeFloat
from typing_extensions import override

from fedlens.defences.norm_clipping import add_noise
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates


class MedianNoise(Stage):
    """Add Gaussian noise to the step, in proportion to the median norm of all updates received.

    Attributes:
        factor: standard deviation of each entry's noise in units of the median norm (λ).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import MedianNoise, Server, State, Updates
        >>> layout = Layout.of(torch.nn.Linear(100, 100, bias=False))
        >>> step = Updates.received(torch.zeros(1, 10_000), torch.ones(1).double())
        >>> norms = torch.tensor([4.0, 5.0, 9.0])
        >>> server = Server(1, torch.zeros(10_000), layout, (0, 1, 2), Address.root(0), lengths=norms.double())
        >>> noisy, _, _ = MedianNoise(factor=0.01).apply(step, server, State())
        >>> round(float(noisy.rows.std()), 3)
        0.05
    """

    kind: ClassVar[Kind] = "optimizer"
    averages: ClassVar[bool] = True
    needs_lengths: ClassVar[bool] = True

    factor: NonNegativeFloat = 0.001

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Add the noise.

        Raises:
            ValueError: the server has no lengths.
        """
        if server.lengths is None:
            raise ValueError("median-noise needs the norms of all updates received, Server.lengths")
        deviation = self.factor * float(server.lengths.quantile(0.5))
        row = updates.rows[0] if updates.owned else updates.rows[0].clone()
        add_noise(row, deviation, server.address.at("noise"))
        return updates.single(row, updates.weights), state, Report()
