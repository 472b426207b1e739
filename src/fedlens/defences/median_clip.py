"""Median clipping: limit the L2 norm of every update to the round's median.

T. D. Nguyen et al., *FLAME: Taming Backdoors in Federated Learning* (USENIX Security 2022): with S the median of the
norms of all n updates received, rejected or not,

    δ_i ← δ_i · min(1, S / ‖δ_i‖₂).

DeepSight and SignGuard clip so, too. Less than half of the clients can lengthen the median only up to the longest
honest update, so that none of them counts for more than that. The median of an even number is the mean of the middle
two. If it is 0, all updates become 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.clip import scaled
from fedlens.defences.norm_clipping import clipping_details, norms
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates

if TYPE_CHECKING:
    from torch import Tensor


def median_norm(server: Server) -> Tensor:
    """Return the median norm of the updates received.

    Raises:
        ValueError: the server has no norms.
    """
    if server.norms is None:
        raise ValueError("the norms of all updates received are needed, Server.norms")
    return server.norms.quantile(0.5)


class MedianClip(Stage):
    """Limit the L2 norm of every update to the median of all that were received.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import MedianClip, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[1.0], [2.0], [-3.0], [4.0], [10.0]]), torch.ones(5).double() / 5)
        >>> layout, norms = Layout.of(torch.nn.Linear(1, 1, bias=False)), torch.tensor([1.0, 2.0, 3.0, 4.0, 10.0])
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2, 3, 4), Address.root(0), norms=norms.double())
        >>> MedianClip().apply(updates, server, State())[0].rows.flatten()
        tensor([ 1.,  2., -3.,  3.,  3.])
    """

    kind: ClassVar[Kind] = "mixing"
    averages: ClassVar[bool] = True
    needs_norms: ClassVar[bool] = True

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Clip rows; a clipped row counts for as much less in the effective weights.

        Raises:
            ValueError: the server has no norms.
        """
        limit, lengths = median_norm(server), norms(updates.rows)
        clipped = lengths > limit
        factors = torch.where(clipped, limit / lengths, 1)
        mixture = None if updates.mixture is None else factors[:, None] * updates.mixture
        report = Report(details=clipping_details(lengths, clipped))
        rows = scaled(updates.rows, factors, owned=updates.owned)
        return replace(updates, rows=rows, mixture=mixture), state, report
