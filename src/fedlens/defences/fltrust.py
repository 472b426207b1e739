"""FLTrust: trust updates as far as they point where the server's own update does.

X. Cao, M. Fang, J. Liu, N. Z. Gong, *FLTrust: Byzantine-robust Federated Learning via Trust Bootstrapping* (NDSS
2021). The server has a few samples of its own and trains on them as a client would, which gives the root update δ_0.
Then

    TS_i = max(0, cos(δ_i, δ_0)),    Δ = Σ TS_i · δ_i ‖δ_0‖ / ‖δ_i‖ / Σ TS_i.

So all updates get the root update's length, and the weights α_i are not used. The effective weights are TS_i ‖δ_0‖ /
(‖δ_i‖ Σ TS).

The paper leaves open what happens where no TS_i is positive: here the round is skipped, and the model stays as it is.
Others then weigh all clients equally (FLPoison), which is an attacker's gift, or divide by 0 (Blades); BackFed's root
update is never set, so that it is federated averaging; Plato's is the mean of the updates it is to judge.

Only proportions of TS count: users of re-implementations report cosines of about 0.2 for honest clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.norm_clipping import norms
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates
from fedlens.kernels.pairwise import BLOCK_ENTRIES, block_columns
from fedlens.kernels.weighted_sums import weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

LIFT = 2.0**600
"""Multiplies an update without rounding it."""
NO_TRUST = "fltrust trusts no update: none points where the server's own does"


def trust_scores(updates: Tensor, root: Tensor) -> Tensor:
    """Compute max(0, cos(δ_i, δ_0)).

    Args:
        updates: a row for each client, shape ``[n, d]``.
        root: the server's own update δ_0, shape ``[d]``.

    Returns:
        Shape ``[n]``, float64; 0 of an update of zeros, and of all if `root` is zero.
    """
    lengths, length = norms(updates), float(norms(root[None])) or 1
    divisors, columns = lengths.where(lengths > 0, 1)[:, None], block_columns(BLOCK_ENTRIES, len(updates))
    cosines = torch.zeros_like(lengths)
    for block, part in zip(torch.split(updates, columns, dim=1), torch.split(root, columns), strict=True):
        cosines += (block.double() / divisors) @ (part.double() / length)
    return cosines.clamp(0, 1)


def trust_weights(updates: Tensor, root: Tensor) -> Tensor | None:
    """Compute the factor of each update in FLTrust's sum.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        root: the server's own update δ_0, shape ``[d]``.

    Returns:
        Shape ``[n]``, float64; ``None`` if no update is trusted.
    """
    trust = trust_scores(updates, root)
    if not bool((trust > 0).any()):
        return None
    lengths = norms(updates)
    return trust / trust.sum() * norms(root[None]) / lengths.where(lengths > 0, 1)


class FLTrust(Stage):
    """FLTrust: the mean of updates at the length of the server's own, weighted by their cosine with it.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FLTrust, Server, State, Updates
        >>> sent = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [3.0, 4.0]])
        >>> layout, root = Layout.of(torch.nn.Linear(2, 1, bias=False)), torch.tensor([1.0, 0.0])
        >>> server = Server(1, torch.zeros(2), layout, (0, 1, 2, 3), Address.root(0), root)
        >>> FLTrust().apply(Updates.received(sent, torch.ones(4).double() / 4), server, State())[0].rows
        tensor([[0.8500, 0.3000]])
    """

    kind: ClassVar[Kind] = "rule"
    needs_root: ClassVar[bool] = True

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Weigh by `trust_weights`; skip the round if no update is trusted.

        Raises:
            ValueError: the server has no root update.
        """
        if server.root is None:
            raise ValueError("fltrust needs an update of the server's own, Server.root")
        rows = updates.rows
        factors = weights = trust_weights(rows, server.root)
        if weights is not None and not bool(weights.isfinite().all()):
            # of float64: no number brings what is shorter than 1e-308 to length 1
            rows = torch.where(weights.isfinite()[:, None], rows, rows * LIFT)
            factors = trust_weights(rows, server.root)
        if factors is None:
            unmoved = updates.single(torch.zeros_like(server.root), torch.zeros_like(updates.weights))
            return unmoved, state, Report(skipped=NO_TRUST)
        return updates.single(weighted_sum(factors, rows), weights), state, Report()
