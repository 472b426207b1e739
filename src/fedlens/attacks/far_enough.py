"""Directions and reach of Min-Max and Min-Sum: how far attackers can go from the mean of honest updates.

V. Shejwalkar and A. Houmansadr, *Manipulating the Byzantine: Optimizing Model Poisoning Attacks and Defenses for
Federated Learning* (NDSS 2021). Both attacks send δ_mal = μ + γp, with μ the mean of the known honest updates and p one
of three directions:

- ``unit``: −μ/‖μ‖, the honest way turned round;
- ``sign``: −sign μ;
- ``std``: −σ, the standard deviation by coordinate (of the sample).

What they differ in is the bound on γ: `fedlens.attacks.min_max` and `fedlens.attacks.min_sum`.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Literal

from fedlens.attacks.known_updates import KnownUpdates
from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Direction = Literal["unit", "sign", "std"]


def direction_of(known: KnownUpdates, direction: Direction) -> Tensor:
    """Return the direction p, float64, shape ``[p]``: of ``std`` in the units of `known`, of the others without."""
    if direction == "std":
        return known.deviation("sample").neg_()
    if direction == "sign":
        return known.mean.sign().neg_()
    length = float(known.mean.norm())
    return known.mean * (-1 / length) if length else torch.zeros_like(known.mean)


def furthest_within_radius(known: KnownUpdates, direction: Tensor, radius: float) -> float:
    """Return the largest γ at which μ + γp is no further than this from any known update.

    Of ‖μ + γp − δ_i‖² ≤ radius², with c_i = δ_i − μ, that is the larger root of

        γ²‖p‖² − 2γ⟨p, c_i⟩ + ‖c_i‖² − radius² = 0,

    and the least one over i. It is 0 where there is no direction.

    Args:
        known: the updates.
        direction: p, float64, shape ``[p]``.
        radius: in the units of `known`, at least the distance of each update from the mean.
    """
    length = float(direction.square().sum())
    if not length or not len(known):
        return 0.0
    along = known.products(direction)
    room = (radius**2 - known.squares()).clamp_(min=0)
    roots = (along + (along.square() + length * room).sqrt()) / length
    return max(float(roots.min()), 0.0)


def furthest_within_sum(known: KnownUpdates, direction: Tensor, bound: Literal["max", "min"]) -> float:
    """Return the largest γ at which the sum of squared distances of μ + γp is within that of an honest update.

    As μ is the mean, Σ_i ‖μ + γp − δ_i‖² = bγ²‖p‖² + Σ_i ‖δ_i − μ‖², and for an honest update j the sum is
    b‖δ_j − μ‖² + Σ_i ‖δ_i − μ‖². So γ = ‖δ_j − μ‖ / ‖p‖ of the update j with the largest sum, or the smallest.

    Args:
        known: the updates.
        direction: p, float64, shape ``[p]``.
        bound: whether the sum is within the largest of honest ones or the smallest.
    """
    length = float(direction.square().sum())
    if not length or not len(known):
        return 0.0
    squares = known.squares()
    return sqrt(float(squares.max() if bound == "max" else squares.min()) / length)


def gone(team: Team, known: KnownUpdates, direction: Tensor, gamma: float, kind: Direction) -> Crafted:
    """Send μ + γp (p of ``[p]`` is changed in place) from every member, and log γ in the units of updates."""
    for member in team.members:
        member.log["gamma"] = gamma if kind == "std" else gamma * known.unit
    return known.sent(team, direction.mul_(gamma).add_(known.mean))
