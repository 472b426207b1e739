"""The honest updates that a team knows, as one of the two sets that attacks are made of.

With the sight ``all`` these are the updates of the honest clients B, without the attackers' own; with ``team``, those
that the attackers would have sent, which estimate B's. Updates that are not finite are left out: the server drops them.
Means and spreads are of parameters alone; buffers that training changes are sent as their mean.

All is computed in float64, in blocks of columns and in units of the largest entry, so that neither 1e30 squared nor
1e-300 squared is lost, and no copy of the updates is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import frexp, ldexp
from typing import TYPE_CHECKING, Literal

from fedlens.attacks.team import Crafted, Team
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Deviation = Literal["population", "sample"]
"""Whether squares are divided by the number of updates or by one less."""

BLOCK_ENTRIES = 2**20


@dataclass(frozen=True)
class KnownUpdates:
    """The b updates that a team knows.

    Attributes:
        rows: the updates, shape ``[b, d]``, all finite.
        parameters: number p of the entries that are parameters; the others are buffers.
        unit: a power of two, at least half of the largest parameter's size, in which lengths are counted.
        places: where each was among those given.
    """

    rows: Tensor
    parameters: int
    unit: float
    places: tuple[int, ...]

    @classmethod
    def of(cls, team: Team) -> KnownUpdates:
        """Return those of a team, by its sight."""
        return cls.among(team.honest if team.others is None else team.others, len(team.network.vector))

    @classmethod
    def among(cls, rows: Tensor, parameters: int) -> KnownUpdates:
        """Return the finite ones among these `rows`, shape ``[b, d]``."""
        finite = [bool(row.isfinite().all()) for row in rows]
        if not all(finite):
            rows = rows[torch.tensor(finite, dtype=torch.bool, device=rows.device)]
        counted = rows[:, :parameters]
        largest = max(map(abs, map(float, counted.aminmax()))) if counted.numel() else 0.0
        places = tuple(place for place, is_finite in enumerate(finite) if is_finite)
        return cls(rows, parameters, ldexp(1.0, frexp(largest)[1] - 1) if largest else 1.0, places)

    def __len__(self) -> int:
        """Return their number b."""
        return len(self.rows)

    @cached_property
    def mean(self) -> Tensor:
        """Their mean μ in units, float64, shape ``[p]``; zeros where there are none."""
        mean = self.rows.new_zeros(self.parameters, dtype=torch.float64)
        for columns, block in self.blocks():
            mean[columns] = block.sum(dim=0) / len(self)
        return mean

    def deviation(self, kind: Deviation) -> Tensor:
        """Return their standard deviation σ by coordinate in units, float64, shape ``[p]``; zeros of fewer than two."""
        deviation = torch.zeros_like(self.mean)
        if len(self) < 2:
            return deviation
        for columns, block in self.centred():
            squares = block.square_().sum(dim=0)
            deviation[columns] = (squares / (len(self) - (kind == "sample"))).sqrt_()
        return deviation

    def centred(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield their differences from the mean in units, a block of columns after the other, each a copy."""
        for columns, block in self.blocks():
            yield columns, block.sub_(self.mean[columns])

    def products(self, vector: Tensor) -> Tensor:
        """Return ⟨vector, δ_i − μ⟩ in units (`vector` of float64, shape ``[p]``), shape ``[b]``."""
        products = self.rows.new_zeros(len(self), dtype=torch.float64)
        for columns, block in self.centred():
            products += block @ vector[columns]
        return products

    def squares(self) -> Tensor:
        """Return ‖δ_i − μ‖² in units squared, float64, shape ``[b]``."""
        squares = self.rows.new_zeros(len(self), dtype=torch.float64)
        for _, block in self.centred():
            squares += block.square_().sum(dim=1)
        return squares

    def squared_distances(self) -> Tensor:
        """Return ‖δ_i − δ_j‖² in units squared, float64, shape ``[b, b]``, by the products of centred updates."""
        products = self.rows.new_zeros(len(self), len(self), dtype=torch.float64)
        for _, block in self.centred():
            products += block @ block.T
        squares = products.diagonal()
        return (squares[:, None] + squares - 2 * products).clamp_(min=0).fill_diagonal_(0)

    def sent(self, team: Team, vector: Tensor) -> Crafted:
        """Have every member of `team` send the same `vector` of parameters, in units (``[p]``, changed in place)."""
        return Crafted(self.whole(vector).expand_as(team.honest))

    def whole(self, vector: Tensor) -> Tensor:
        """Return an update (``[d]``) with these parameters, in units (``[p]``, changed in place), and mean buffers."""
        parameters = vector.mul_(self.unit).to(self.rows.dtype)
        buffers = self.rows[:, self.parameters :]
        return torch.cat([parameters, buffers.sum(dim=0) / max(len(self), 1)]) if buffers.shape[1] else parameters

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield their parameters in units, a block of columns after the other, each a copy; of no update nothing."""
        if not len(self):
            return
        width = max(BLOCK_ENTRIES // len(self), 1)
        for start in range(0, self.parameters, width):
            columns = slice(start, min(start + width, self.parameters))
            yield columns, self.rows[:, columns].to(torch.float64, copy=True).div_(self.unit)
