"""SignGuard's filter: drop updates of odd length, and those whose signs are not as most updates' are.

J. Xu, S.-L. Huang, L. Song, T. Lan, *Byzantine-robust Federated Learning through Collaborative Malicious Gradient
Filtering* (SignGuard, ICDCS 2022). With M the median of the norms, a client is kept if both of these hold:

1. L · M ≤ ‖δ_i‖₂ ≤ R · M, with L = 0.1 and R = 3;
2. it is in the largest cluster by its features: the shares of positive, zero and negative entries, each divided by the
   largest among clients. They are of a tenth of the entries, drawn anew in each round. ``sim`` adds the cosine with the
   last step of the global model, ``dist`` the distance from it, divided by the largest.

Clusters are those of scikit-learn's mean shift, whose bandwidth is the mean distance to the half of all clients that
are nearest, or of DBSCAN (ε = 0.05, at least 2 in a cluster). The numbers are those of the authors' code. Where we
complete or leave the source:

- Bounds are inclusive, so that updates of zeros pass among their like; the median of an even number is the mean of the
  middle two.
- The last step is the difference of the global weights from those of the round before, whatever became of it since. In
  the first round there is none, and the variants are the plain one.
- Of clusters of the same size, the densest counts (mean shift), or that of the first row (DBSCAN). With fewer than four
  updates, or all features equal, the bandwidth is 0: then they are one cluster. Where DBSCAN finds none, lengths decide
  alone.
- The score is the distance of a client's features from the mean of that cluster, plus by how much its length is beyond
  a bound, as a share of it.

It needs one update, and for its second part four; f is not told. It sees updates and not who sent them, and assumes
that most clients are honest and have like shares of signs. Attacks that keep lengths and signs, as small noise does,
pass. In a round without attack, mean shift leaves out who is on the edge of the one cluster there is: of drawn clean
rounds (one direction in common and as much noise, 2,000 entries, so that 200 signs are counted) it flagged 38 % of 10
clients and 32 % of 50; DBSCAN 29 % and 1 %. Mean shift of 100 clients takes about a second, however long updates are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, model_validator
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.defences.divide_and_conquer import drawn_entries
from fedlens.defences.filter import Filter
from fedlens.defences.norm_clipping import norms, unit
from fedlens.defences.stage import Report, Server, State, Updates
from fedlens.kernels.pairwise import BLOCK_ENTRIES, block_columns

if TYPE_CHECKING:
    from torch import Tensor

EPSILON, LEAST = 0.05, 2
"""Of DBSCAN: how near neighbours are, and how many make a cluster."""
BEYOND = 1e6
"""The most that a length adds to a score."""


def sign_shares(rows: Tensor, entries: Tensor | None) -> Tensor:
    """Return the shares of positive, zero and negative entries of `rows` (``[n, d]``), float64, ``[n, 3]``.

    Args:
        rows: a row for each client.
        entries: those that count, bool, shape ``[d]``; all by default.
    """
    counts = torch.zeros(len(rows), 3, dtype=torch.float64, device=rows.device)
    columns = block_columns(BLOCK_ENTRIES, len(rows))
    for start in range(0, rows.shape[1], columns):
        block = rows[:, start : start + columns]
        if entries is not None:
            block = block[:, entries[start : start + columns].to(rows.device)]
        counts += torch.stack([(block > 0).sum(dim=1), (block == 0).sum(dim=1), (block < 0).sum(dim=1)], dim=1)
    return counts / counts[0].sum()


def largest_cluster(features: Tensor, clustering: Literal["mean-shift", "dbscan"]) -> Tensor:
    """Tell which clients are in the largest cluster by their `features` (``[n, k]``, float64): bool, ``[n]``."""
    from sklearn.cluster import DBSCAN, MeanShift, estimate_bandwidth

    points = features.cpu().numpy()
    if clustering == "dbscan":
        found = DBSCAN(eps=EPSILON, min_samples=LEAST).fit_predict(points)
    elif (bandwidth := estimate_bandwidth(points, quantile=0.5)) > 0:
        found = MeanShift(bandwidth=bandwidth, cluster_all=False).fit_predict(points)
    else:
        return torch.ones(len(points), dtype=torch.bool)
    labels, sizes = torch.from_numpy(found), torch.from_numpy(found[found >= 0]).bincount()
    return labels == sizes.argmax() if len(sizes) else torch.ones(len(points), dtype=torch.bool)


class SignGuardFilter(Filter):
    """SignGuard's filter: drop updates of odd length, and those whose signs are not as most updates' are.

    Attributes:
        lower: the least norm, as a multiple of the median (L).
        upper: the largest norm, as a multiple of the median (R).
        share: the share of entries whose signs are counted.
        clustering: by which method clients are put into clusters, ``mean-shift`` or ``dbscan``.
        variant: ``plain``, or ``sim`` and ``dist``, which also compare updates with the last step.
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Server, SignGuardFilter, State, Updates
        >>> updates = Updates.received(torch.tensor([[1.0], [2.0], [3.0], [100.0]]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2, 3), Address.root(0))
        >>> SignGuardFilter().apply(updates, server, State())[2].flagged  # M = 2.5
        tensor([False, False, False,  True])
    """

    lower: float = Field(0.1, ge=0)
    upper: PositiveFloat = 3.0
    share: float = Field(0.1, gt=0, le=1)
    clustering: Literal["mean-shift", "dbscan"] = "mean-shift"
    variant: Literal["plain", "sim", "dist"] = "plain"

    @model_validator(mode="after")
    def _bounds_in_order(self) -> SignGuardFilter:
        if self.lower >= self.upper:
            raise ValueError(f"lower = {self.lower:g} has to be below upper = {self.upper:g}; e.g. 0.1 and 3")
        return self

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        """Flag by norms, and by the features of `sign_shares` and of the variant."""
        rows = updates.rows
        lengths = norms(rows)
        median = lengths.quantile(0.5)
        features = self._features(rows, lengths, server, state)
        inside = largest_cluster(features, self.clustering).to(rows.device)
        odd = (lengths < self.lower * median) | (lengths > self.upper * median)
        beyond = (lengths / (self.upper * median)).maximum(self.lower * median / lengths).nan_to_num(1, BEYOND) - 1
        scores = (features - features[inside].mean(dim=0)).norm(dim=1) + beyond.clamp(0, BEYOND)
        relative = (lengths / median).nan_to_num(1, BEYOND)
        kept = state if self.variant == "plain" else State({"weights": server.weights.clone()})
        return Report(scores, odd | ~inside, details={"relative_length": relative.tolist()}), kept

    def _features(self, rows: Tensor, lengths: Tensor, server: Server, state: State) -> Tensor:
        """Return the features of clients by which they are put into clusters, shape ``[n, 3]`` or ``[n, 4]``."""
        shares = sign_shares(rows, self._entries(rows.shape[1], server.address))
        largest = shares.amax(dim=0)
        features = shares / largest.where(largest > 0, 1)
        if self.variant == "plain" or "weights" not in state.tensors:
            return features
        step = server.weights.double() - state.tensors["weights"].to(server.weights).double()
        if self.variant == "sim":
            direction = unit(step)
            compared = [
                row.double() / (length or 1) @ direction for row, length in zip(rows, lengths.tolist(), strict=True)
            ]
            return torch.cat([features, torch.stack(compared)[:, None]], dim=1)
        apart = torch.cat([norms((row.double() - step)[None]) for row in rows])
        return torch.cat([features, (apart / (apart.max() if apart.any() else 1))[:, None]], dim=1)

    def _entries(self, size: int, address: Address) -> Tensor | None:
        return drawn_entries(size, max(int(self.share * size), 1), address.at("entries"))
