"""Adaptive robust clipping (ARC): clip the longest updates to the length of the next.

Y. Allouah, R. Guerraoui, N. Gupta, A. Jellouli, G. Rizk, J. Stephan, *Adaptive Gradient Clipping for Robust Federated
Learning* (2024, arXiv 2405.14432): of n updates, f < n/2 of them Byzantine, the k longest are clipped to the length of
the longest of the others,

    k = ⌊2 (f / n) (n − f)⌋,    δ_i ← δ_i · min(1, C / ‖δ_i‖₂),    C = ‖δ‖ of rank n − k in ascending order.

A rule that is told the same f then works on what is left: a limit that depends on the round's updates loses none of
its guarantees, which a fixed limit does. With f = 0 nothing is clipped.

It needs n ≥ 2f + 1 updates, sees lengths alone, assumes nothing of the honest, and keeps nothing. As n − k ≥ n − 2f, an
honest client's length limits all others. It does nothing about directions: attackers no longer than the rest pass as
they are. In the clean round of n clients, k of them are clipped all the same, up to ties.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeInt
from typing_extensions import override

from fedlens.defences.clip import scaled
from fedlens.defences.nearest_neighbour_mixing import fewest
from fedlens.defences.norm_clipping import clipping_details, norms
from fedlens.defences.rule import require_enough
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates

if TYPE_CHECKING:
    from torch import Tensor


def adaptive_limit(lengths: Tensor, f: int) -> Tensor:
    """Return the limit C of `lengths` (shape ``[n]``), a scalar.

    Raises:
        ValueError: there are fewer than 2f + 1 lengths.
    """
    count = len(lengths)
    require_enough("arc", "2f + 1", f, fewest(f), count)
    return lengths.sort().values[count - 1 - 2 * f * (count - f) // count]


class AdaptiveRobustClipping(Stage):
    """Adaptive robust clipping (ARC): clip the longest updates to the length of the next.

    Attributes:
        f: number of Byzantine clients that the server assumes.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import AdaptiveRobustClipping, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[1.0], [2.0], [-3.0], [100.0]]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2, 3), Address.root(0))
        >>> AdaptiveRobustClipping(f=1).apply(updates, server, State())[0].rows.flatten()  # k = ⌊2 · 1/4 · 3⌋ = 1
        tensor([ 1.,  2., -3.,  3.])
    """

    kind: ClassVar[Kind] = "mixing"

    f: NonNegativeInt

    @override
    def needed(self, following: int) -> int:
        """Return 2f + 1, or the number that has to leave it."""
        return max(following, fewest(self.f))

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Clip rows, in their own memory where it is the stage's to write into; a clipped one counts for less.

        Raises:
            ValueError: there are fewer than 2f + 1 updates.
        """
        lengths = norms(updates.rows)
        limit = adaptive_limit(lengths, self.f)
        clipped = lengths > limit
        factors = (limit / lengths).where(clipped, 1)
        mixture = None if updates.mixture is None else factors[:, None] * updates.mixture
        rows = scaled(updates.rows, factors, owned=updates.owned)
        return replace(updates, rows=rows, mixture=mixture), state, Report(details=clipping_details(lengths, clipped))
