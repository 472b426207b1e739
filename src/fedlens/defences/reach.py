"""Reaches: where a round's aggregate can be, whatever some of the clients send.

A rule that knows its reach declares it (`fedlens.defences.rule.Rule.reach`). It is a ball, as of clipping, or a box, as
of rules that look at each entry alone. To ascend within either, one needs the same three things: its centre, the point
in it nearest to another, and the one that lies farthest in a direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Ball:
    """All points within a distance of a centre.

    Attributes:
        centre: shape ``[d]``.
        radius: the distance, L2, at least 0.

    Example:
        >>> import torch
        >>> from fedlens.defences import Ball
        >>> ball = Ball(torch.tensor([1.0, 0.0]), radius=5)
        >>> ball.nearest(torch.tensor([7.0, 8.0])), ball.farthest(torch.tensor([0.0, -2.0]))
        (tensor([4., 4.]), tensor([ 1., -5.]))
    """

    centre: Tensor
    radius: float

    def nearest(self, point: Tensor) -> Tensor:
        """Return the point of the ball that is nearest to `point`, both of shape ``[d]``."""
        away = point - self.centre
        length = float(away.double().norm())
        return point if length <= self.radius else self.centre + away * (self.radius / length)

    def farthest(self, direction: Tensor) -> Tensor:
        """Return the point that lies farthest in a `direction`, both of shape ``[d]``; the centre if that is zero."""
        exact = direction.double()
        return self.centre + (exact * (self.radius / (float(exact.norm()) or 1))).to(self.centre)


@dataclass(frozen=True)
class Box:
    """All points whose entries are between two bounds each.

    Attributes:
        low: the lower bounds, shape ``[d]``.
        high: the upper bounds, shape ``[d]``, none below that of `low`.

    Example:
        >>> import torch
        >>> from fedlens.defences import Box
        >>> box = Box(low=torch.tensor([0.0, -2.0]), high=torch.tensor([1.0, 2.0]))
        >>> box.nearest(torch.tensor([7.0, 1.5])), box.farthest(torch.tensor([0.0, -3.0]))
        (tensor([1.0000, 1.5000]), tensor([ 0.5000, -2.0000]))
    """

    low: Tensor
    high: Tensor

    @property
    def centre(self) -> Tensor:
        """The point in the middle, shape ``[d]``."""
        return self.low / 2 + self.high / 2

    def nearest(self, point: Tensor) -> Tensor:
        """Return the point of the box that is nearest to `point`, both of shape ``[d]``."""
        return torch.minimum(torch.maximum(point, self.low), self.high)

    def farthest(self, direction: Tensor) -> Tensor:
        """Return the point that lies farthest in a `direction`, both of shape ``[d]``; in the middle where it is 0."""
        return torch.where(direction > 0, self.high, torch.where(direction < 0, self.low, self.centre))
