"""Clipping to the median: limit the L2 norm of every update to the median of the round's norms.

That is the clipping of several methods which first drop some clients, such as J. Xu, S.-L. Huang, L. Song, T. Lan,
*Byzantine-robust Federated Learning through Collaborative Malicious Gradient Filtering* (SignGuard, ICDCS 2022): with M
the median of the norms of **all** updates received, also of those that have been dropped since,

    δ_i ← δ_i · min(1, M / ‖δ_i‖₂).

The median of an even number is the mean of the middle two. It needs one update, and keeps nothing. An attacker can move
M no further than to norms of honest clients, as long as these are more than half.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from typing_extensions import override

from fedlens.defences.clip import scaled
from fedlens.defences.norm_clipping import clipping_details, norms
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates


class MedianClip(Stage):
    """Limit the L2 norm of every update to the median norm of all that were received.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import MedianClip, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[1.0], [2.0], [-3.0], [100.0]]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2, 3), Address.root(0))
        >>> MedianClip().apply(updates, server, State())[0].rows.flatten()
        tensor([ 1.0000,  2.0000, -2.5000,  2.5000])
    """

    kind: ClassVar[Kind] = "mixing"
    needs_lengths: ClassVar[bool] = True

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Clip rows, in their own memory where it is the stage's to write into; a clipped one counts for less."""
        lengths = norms(updates.rows)
        limit = (lengths if server.lengths is None else server.lengths.to(lengths)).quantile(0.5)
        clipped = lengths > limit
        factors = (limit / lengths).where(clipped, 1)
        mixture = None if updates.mixture is None else factors[:, None] * updates.mixture
        rows = scaled(updates.rows, factors, owned=updates.owned)
        return replace(updates, rows=rows, mixture=mixture), state, Report(details=clipping_details(lengths, clipped))
