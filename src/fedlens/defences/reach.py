"""Reaches: where a round's aggregate can be, whatever some of the clients send.

A rule that knows its reach declares it (`fedlens.defences.rule.Rule.reach`). It is a ball, as of clipping, a box, as of
rules that look at each entry alone, or the region of a geometric median. To ascend within any of them, one needs the
same three things: its centre, the point in it that comes nearest to another, and the one that lies farthest in a
direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Shape = Literal["ball", "box", "region"]

HALVINGS = 40
"""Of the interval in which a way leaves a region."""


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

    shape: ClassVar[Shape] = "ball"

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

    shape: ClassVar[Shape] = "box"

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


@dataclass(frozen=True)
class PullRegion:
    """All points where the pull of some weighted points is no longer than what others can pull against it.

    Each point x_i pulls y by α_i (x_i − y) / max(ν, ‖x_i − y‖), which is α_i long unless they are very close. The
    geometric median is where all pulls add up to nothing. So it lies where those of the honest clients add up to no
    more than the malicious ones' weights, and a single malicious client can have it anywhere there.

    Such a region need not be convex. In place of the nearest point it has the one on the way from the centre.

    Attributes:
        points: shape ``[n, d]``.
        alpha: how much each of them counts, shape ``[n]``, adding up to more than `most`.
        most: the longest pull that can be balanced, at least 0.
        smoothing: distances below this are smoothed (ν).
        centre: a point of the region, as the geometric median of `points` is, shape ``[d]``.

    Example:
        >>> import torch
        >>> from fedlens.defences import PullRegion
        >>> points, alpha = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.ones(2).double() / 3
        >>> region = PullRegion(points, alpha, most=1 / 3, smoothing=1e-6, centre=torch.zeros(2))
        >>> region.farthest(torch.tensor([0.0, 1.0])).numpy().round(4)  # seen from there, they are 120 degrees apart
        array([0.    , 0.5774], dtype=float32)
    """

    shape: ClassVar[Shape] = "region"

    points: Tensor
    alpha: Tensor
    most: float
    smoothing: float
    centre: Tensor

    def nearest(self, point: Tensor) -> Tensor:
        """Return `point` if the region has it, or a point of the way to it from the centre, both of shape ``[d]``."""
        away = (point - self.centre).double()
        share = self._share(away, longest=1.0)
        return point if share == 1 else self.centre + (away * share).to(self.centre)

    def farthest(self, direction: Tensor) -> Tensor:
        """Return where a `direction` from the centre leaves the region; the centre if it is zero. Shapes ``[d]``."""
        exact = direction.double()
        if (length := float(exact.norm())) == 0:
            return self.centre
        return self.centre + (exact * self._share(exact / length, longest=inf) / length).to(self.centre)

    def pull(self, point: Tensor) -> Tensor:
        """Return the pulls of the points on another, added up: both of shape ``[d]``."""
        return _pull(self.alpha, (self.points - point).double(), self.smoothing)

    def _share(self, step: Tensor, longest: float) -> float:
        """Return how many times `step`, at most `longest`, leads from the centre to the border of the region."""
        basis, points = self._in_plane
        along = step @ basis
        way = torch.cat([along, (step @ step - along @ along).clamp(min=0).sqrt()[None]])

        def holds(times: float) -> bool:
            return float(_pull(self.alpha, points - times * way, self.smoothing).norm()) <= self.most

        far = longest
        if far == inf:
            far = float(points.norm(dim=1).max()) or self.smoothing
            while holds(far):
                far *= 2
        elif holds(far):
            return far
        near = 0.0
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if holds(middle) else (near, middle)
        return near

    @cached_property
    def _in_plane(self) -> tuple[Tensor, Tensor]:
        """An orthonormal basis of all ways from the centre to the points, ``[d, k]``, and these ways in it, and a 0."""
        basis, ways = torch.linalg.qr((self.points - self.centre).double().T)
        return basis, torch.cat([ways.T, ways.new_zeros(len(self.points), 1)], dim=1)


def _pull(alpha: Tensor, ways: Tensor, smoothing: float) -> Tensor:
    """Return the pulls of weighted points, to which these ways lead, added up: ``[n]``, ``[n, k]`` to ``[k]``."""
    total: Tensor = (alpha / ways.norm(dim=1).clamp(min=smoothing)) @ ways
    return total


Reach: TypeAlias = Ball | Box | PullRegion
