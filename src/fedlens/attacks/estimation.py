"""Estimates of what the other clients will send.

Bhagoji et al. (ICML 2019), section 4.3: chosen now at t and last at t' < t, the malicious client knows w_G^{t'}, what
it sent then, and w_G^t. The rest of the way between the two is the others' doing, in t − t' steps:

    δ̂_{[k]∖m} = (w_G^t − w_G^{t'} − α_m δ_m^{t'+1}) / (t − t')

Post-optimisation correction subtracts λ δ̂ from what is sent, so that it cancels; pre-optimisation correction begins
from ŵ = w_G^t + δ̂ in place of w_G^t. Both are options of every attack: see `fedlens.attacks.attack.Attack.corrected`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Observation:
    """The malicious client's memory of a round in which it took part.

    Attributes:
        round: its number t', from 1.
        alpha: weight α_m that was announced.
        weights: global weights w_G^{t'} that it received, shape ``[d]``.
        update: update δ_m that it sent, shape ``[d]``.
        log: what the attack logged.

    Example:
        >>> import torch
        >>> from fedlens.attacks import Observation
        >>> last = Observation(round=1, alpha=0.5, weights=torch.tensor([0.0]), update=torch.tensor([4.0]))
        >>> now = torch.tensor([3.0])
        >>> now - last.weights - last.alpha * last.update  # what the others added
        tensor([1.])
    """

    round: int
    alpha: float
    weights: Tensor
    update: Tensor
    log: Mapping[str, Any] = field(default_factory=dict)


def previous_step(last: Observation, weights: Tensor, round_: int) -> Tensor:
    """Estimate the others' part of the next step, δ̂, shape ``[d]``; exact if they repeat themselves.

    Args:
        last: the last round t' in which the client took part.
        weights: global weights w_G^t, shape ``[d]``.
        round_: the present round t.
    """
    return (weights - last.weights - last.alpha * last.update) / (round_ - last.round)


@dataclass(frozen=True)
class EstimateError:
    """The distance of an estimate from what the others really sent.

    Attributes:
        relative: ‖δ̂ − δ‖ / ‖δ‖; ``None`` if δ is zero.
        cosine: of the angle between δ̂ and δ; ``None`` if either is zero.
    """

    relative: float | None
    cosine: float | None

    @classmethod
    def of(cls, estimate: Tensor, truth: Tensor) -> EstimateError:
        """Measure the error of an estimate of `truth`, both of shape ``[d]``."""
        estimate, truth = estimate.double(), truth.double()
        length, product = float(truth.norm()), float(truth.norm() * estimate.norm())
        return cls(
            relative=float((estimate - truth).norm()) / length if length else None,
            cosine=float(estimate @ truth) / product if product else None,
        )
