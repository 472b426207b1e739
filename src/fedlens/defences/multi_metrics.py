"""Multi-metrics: keep the clients whose updates are ordinary in length, in sum of entries and in direction at once.

S. Huang, Y. Li, C. Chen, L. Shi, Y. Gao, *Multi-metrics Adaptively Identifies Backdoors in Federated Learning* (ICCV
2023). With w_G the global model that clients began with, and w_i = w_G + δ_i, each client has three numbers,

    x_i = (‖δ_i‖₁, ‖δ_i‖₂, cos(w_G, w_i)),    x'_i = Σ_j |x_i − x_j|,    s_i = √(x'_iᵀ Σ⁻¹ x'_i),

where Σ is the covariance of x'_1, …, x'_n, so that no metric counts more for its scale, nor twice what two of them say.
The share p of clients with the lowest scores is kept, then comes the mean. p = 0.3 is from memory, as are the formulas.

- Where Σ is singular, as where a metric is the same for all, its pseudo-inverse stands for Σ⁻¹; metrics that differ by
  rounding alone are the same.
- ⌊p n⌋ clients are kept, one at least, and those that tie with the last of them. So nobody is flagged where all are
  equal, and the order of clients does not matter.
- Scores have no scale of their own, and mean the same in every round of as many clients.

It needs one update, sees the model and updates but not who sent them, and assumes that most clients are honest. It
keeps nothing. The rest, 1 − p of all clients, is flagged in every round, also without attack; and who matches the
honest in all three passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.filter import Filter
from fedlens.defences.moderate import moderate
from fedlens.defences.norm_clipping import norms, unit
from fedlens.defences.stage import Report, Server, State, Updates
from fedlens.kernels.pairwise import BLOCK_ENTRIES, block_columns

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-9
"""What differs by less, relatively, is the same."""


def metrics_of(rows: Tensor, weights: Tensor) -> Tensor:
    """Return the three numbers of each client, float64, shape ``[n, 3]``.

    Args:
        rows: the updates, shape ``[n, d]``.
        weights: of the global model, shape ``[d]``.
    """
    sums = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    comparable, start = moderate(rows), weights.double()
    for block in torch.split(comparable, block_columns(BLOCK_ENTRIES, len(rows)), dim=1):
        sums += block.double().abs().sum(dim=1)
    direction = unit(start)
    cosines = torch.stack([unit(start + row.double()) @ direction for row in rows])
    return torch.stack([sums, norms(comparable), cosines], dim=1)


def whitened_scores(metrics: Tensor) -> Tensor:
    """Return s_i of the clients that have these `metrics` (float64, ``[n, k]``), shape ``[n]``; 0 if all are alike."""
    apart = (metrics[:, None] - metrics).abs().sum(dim=1)
    apart = apart.where(apart > ROUNDING * len(metrics) * metrics.abs().amax(dim=0), 0)
    largest = apart.amax(dim=0)
    apart = apart / largest.where(largest > 0, 1)
    if len(metrics) < 2:
        return apart[:, 0]
    inverse = torch.linalg.pinv(torch.cov(apart.T), hermitian=True, rtol=ROUNDING)
    squares: Tensor = ((apart @ inverse) * apart).sum(dim=1)
    return squares.clamp(min=0).sqrt()


class MultiMetrics(Filter):
    """Multi-metrics: keep the clients whose updates are ordinary in length, in sum of entries and in direction at once.

    Attributes:
        keep: the share of clients that is kept (p).
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import MultiMetrics, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[1.0], [1.0], [1.0], [4.0]]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.ones(1), layout, (0, 1, 2, 3), Address.root(0))
        >>> report, _ = MultiMetrics().judge(updates, server, State())
        >>> [round(score, 6) for score in report.scores.tolist()], report.flagged.tolist()
        ([1.0, 1.0, 1.0, 3.0], [False, False, False, True])
    """

    keep: float = Field(default=0.3, gt=0, le=1)

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        """Flag by `whitened_scores` of `metrics_of` the updates."""
        metrics = metrics_of(updates.rows, server.weights.to(updates.rows.device)).cpu()
        scores = whitened_scores(metrics)
        last = scores.sort().values[max(int(self.keep * len(scores)), 1) - 1]
        flagged = scores > last * (1 + ROUNDING) + ROUNDING
        details = {name: metrics[:, index].tolist() for index, name in enumerate(("l1", "l2", "cosine"))}
        device = updates.rows.device
        return Report(scores.to(device), flagged.to(device), details={**details}), state
