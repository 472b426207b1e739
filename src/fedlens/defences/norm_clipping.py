"""Norm clipping with optional noise ("weak differential privacy").

Z. Sun, P. Kairouz, A. T. Suresh, H. B. McMahan, *Can You Really Backdoor Federated Learning?* (2019, arXiv 1911.07963),
section 4: with M the largest norm that an update may have,

    Δ = Σ α_i δ_i · min(1, M / ‖δ_i‖₂) + N(0, σ² I).

The paper writes δ_i / max(1, ‖δ_i‖ / M), which is the same. Its σ is the standard deviation of each entry of the
aggregate, and so is ours; it adds up to no privacy guarantee.

A client's share is α_i · min(1, M / ‖δ_i‖), so shares add up to less than 1 if an update was clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.defences.reach import Ball
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.kernels.weighted_sums import weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_ENTRIES = 2**18
SHORTEST = 1e-200
"""Squares of less than this may have lost digits of float64, or all."""


def norms(updates: Tensor) -> Tensor:
    """Return the L2 norm of each row of `updates` (shape ``[n, d]``), as float64 of shape ``[n]``.

    That of a row that is not finite is not finite either.
    """
    squares = torch.zeros(len(updates), dtype=torch.float64, device=updates.device)
    for columns in torch.split(updates, max(BLOCK_ENTRIES // len(updates), 1), dim=1):
        squares += columns.to(torch.float64, copy=True).square_().sum(dim=1)
    short = squares < SHORTEST
    if bool(squares.isfinite().all()) and not bool(updates[short].any()):
        return squares.sqrt_()
    largest = updates.abs().amax(dim=1)  # of float64, whose squares may be out of its range
    if not bool(largest.isfinite().all()):
        return squares.sqrt_()
    return norms(updates / largest.where(largest > 0, 1)[:, None]) * largest


def unit(vector: Tensor) -> Tensor:
    """Return `vector` (shape ``[d]``) at length 1, in float64; zeros stay so."""
    return vector.double() / (float(norms(vector[None])) or 1)


def clipping_factors(lengths: Tensor, limit: float) -> Tensor:
    """Return the factors that bring `lengths` (shape ``[n]``, float64) down to a `limit`, 1 for those within it."""
    return limit / lengths.clamp(min=limit)


def clipping_details(lengths: Tensor, clipped: Tensor) -> dict[str, list[float]]:
    """Return what a stage that clips says of its rows: their `lengths`, and 1 for those `clipped` (shape ``[n]``)."""
    return {"length": lengths.tolist(), "clipped": clipped.double().tolist()}


def add_noise(update: Tensor, deviation: float, address: Address) -> None:
    """Add independent draws of N(0, `deviation`²) to the entries of `update` (shape ``[d]``), in place."""
    if not deviation:
        return
    generator = address.generator()
    for part in torch.split(update, BLOCK_ENTRIES):
        part.add_(torch.from_numpy(generator.standard_normal(len(part))).mul_(deviation).to(part))


class NormClipping(Rule):
    """The weighted mean of updates whose L2 norm is clipped, plus optional Gaussian noise.

    Attributes:
        max_norm: the largest L2 norm that an update may have (M).
        noise: standard deviation of the noise that is added to each entry of the mean (σ).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import NormClipping, Received
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.4], [9.0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> NormClipping(max_norm=2).aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([1.3400])
    """

    averages: ClassVar[bool] = True

    max_norm: PositiveFloat
    noise: NonNegativeFloat = 0.0

    @override
    def aggregate(self, received: Received) -> Aggregate:
        updates = received.updates
        lengths = norms(updates)
        shares = received.alpha * clipping_factors(lengths, self.max_norm)
        mean = weighted_sum(shares, updates)
        add_noise(mean, self.noise, received.address.at("noise"))
        return Aggregate(mean, shares, details=clipping_details(lengths, lengths > self.max_norm))

    @override
    def reach(self, received: Received, malicious_rows: Sequence[int]) -> Ball:
        """Return the ball of radius M Σ_mal α_j about what the honest rows and the noise add up to.

        Proof, with c(δ) = δ min(1, M/‖δ‖) and any number of malicious rows. The aggregate is Σ_hon α_i c(δ_i) + noise +
        Σ_mal α_j c(δ_j), and ‖c(δ_j)‖ ≤ M bounds the last sum by M Σ_mal α_j. Each of its points v is had by
        δ_j = v / Σ_mal α_j, as long as M at most, which c leaves alone: the ball is the reach and no more.

        If rows are left out, what remains is Σ α_i' c(δ_i) = w with weights that add up to 1, so that ‖w‖ ≤ M. The same
        comes of rows that are there and send w, for (1 − β) w + β w = w.
        """
        lengths, alpha = norms(received.updates), received.alpha.clone()
        alpha[list(malicious_rows)] = 0
        honest = weighted_sum(alpha * clipping_factors(lengths, self.max_norm), received.updates)
        add_noise(honest, self.noise, received.address.at("noise"))
        return Ball(honest, self.max_norm * float(received.alpha[list(malicious_rows)].sum()))
