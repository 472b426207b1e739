"""FoolsGold: clients whose updates have pointed the same way in all rounds count little.

C. Fung, C. J. M. Yoon, I. Beschastnikh, *The Limitations of Federated Learning in Sybil Settings* (RAID 2020). Sybils
share a goal, and honest clients differ. With H_i the sum of all updates of client i,

    c_ij = cos(H_i, H_j) for j ≠ i, else 0,    v_i = max_j c_ij,
    c_ij ← c_ij · v_i / v_j where v_j > v_i ("pardoning"),
    a_i = 1 − max_j c_ij, limited to [0, 1];   a ← a / max a;   0.99 in place of 1,
    w_i = κ (ln(a_i / (1 − a_i)) + 1/2), limited to [0, 1].

The authors apply Σ w_i δ_i, which is up to n times as long as a mean. That is ``normalise: false``; the default is Σ
w_i δ_i / Σ w_i, so that steps are as long as under other rules. κ = 1 is the authors'. The weights α_i are not used.

- Histories belong to clients, and every row has to be a single client's update: a stage that mixes updates cannot go
  before. FedML and FLPoison keep them by row, which is wrong as soon as cohorts are sampled.
- The authors' code scales updates longer than 1 to that length first: put ``{name: clip, max_norm: 1}`` before.
- Of their options for *indicative features*, ``remember: last-layer`` takes the last layer's parameters, which also
  makes the state small.
- Where all clients point the same way, every a_i is 0 and a / max a is undefined (0/0 in the code that circulates).
  Then nobody is trusted: the round is skipped, and histories stay as they were. Values of 1 − c that are within the
  rounding of the updates' type are taken for 0, so that sybils do not escape by the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat
from typing_extensions import override

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.defences.norm_clipping import norms
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates
from fedlens.kernels.pairwise import block_columns, squared_distances
from fedlens.kernels.weighted_sums import weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

ALL_ALIKE = "the updates of all clients have pointed the same way so far, so that foolsgold trusts none"
BLOCK = 2**22
"""Entries of histories that are copied at a time."""


def unlikeness(histories: Sequence[Tensor]) -> Tensor:
    """Return 1 - cos(H_i, H_j) of all pairs of `histories` (n of shape ``[k]``), exact where they are nearly parallel.

    It is half the squared distance of the two at length 1. One of zeros is at a right angle to all others.

    Returns:
        Shape ``[n, n]``, float64.
    """
    lengths = torch.cat([norms(history[None]) for history in histories])
    divisors = lengths.where(lengths > 0, 1).tolist()
    apart = torch.zeros(len(histories), len(histories), dtype=torch.float64, device=lengths.device)
    for parts in zip(
        *(torch.split(history, block_columns(BLOCK, len(histories))) for history in histories), strict=True
    ):
        pairs = zip(parts, divisors, strict=True)
        apart += squared_distances(torch.stack([(part.double() / divisor).to(part) for part, divisor in pairs]))
    nothing = lengths == 0
    return (apart / 2).masked_fill(nothing[:, None] | nothing, 1)


def foolsgold_weights(apart: Tensor, kappa: float, resolution: float) -> Tensor | None:
    """Compute the weights of clients.

    Args:
        apart: see `unlikeness`; shape ``[n, n]``, float64.
        kappa: how steep the logistic function is (κ).
        resolution: values up to this are taken for 0.

    Returns:
        The weights w_i, shape ``[n]``, float64, from 0 to 1; ``None`` if all clients are alike.
    """
    cosines = (1 - apart.where(apart > resolution, 0)).fill_diagonal_(0)
    top = cosines.amax(dim=1)
    pardon = (top[:, None] / top).clamp(max=1).where(top > 0, 1)
    trust = (1 - (cosines * pardon).amax(dim=1)).clamp(0, 1)
    if not bool((trust > 0).any()):
        return None
    trust = trust / trust.max()
    trust = trust.where(trust < 1, 0.99)
    return (kappa * ((trust / (1 - trust)).log() + 0.5)).clamp(0, 1)


def added(history: Tensor | None, update: Tensor) -> Tensor:
    """Return the sum of both, shape ``[k]``; or half of it if that is too long, for only its direction counts."""
    if history is None:
        return update.clone()
    history = history.to(update)
    total = history + update
    return total if bool(total.isfinite().all()) else history / 2 + update / 2


def senders(updates: Updates, server: Server, stage: str = "foolsgold") -> list[int]:
    """Return the client of each row, for the stage of this name.

    Raises:
        ValueError: a stage before has mixed the updates of several clients.
    """
    known = [source for source in updates.sources if source is not None]
    if len(known) < len(updates.rows):
        raise ValueError(f"{stage} needs every client's own update; leave out the stage before it that mixes them")
    return [server.clients[source] for source in known]


class FoolsGold(Stage):
    """FoolsGold: clients count the less, the more their updates so far resemble those of others.

    Attributes:
        kappa: how steeply weights fall from 1 to 0 (κ).
        remember: which entries of updates are kept by client and compared, ``all`` or those of the ``last-layer``.
        normalise: whether to divide the sum of weighted updates by the sum of weights; the authors do not.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FoolsGold, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]]), torch.ones(3).double() / 3)
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> server = Server(1, torch.zeros(2), layout, (4, 5, 6), Address.root(0))
        >>> aggregate, state, _ = FoolsGold().apply(updates, server, State())
        >>> aggregate.effective_weights, sorted(state.clients)
        (tensor([0., 0., 1.], dtype=torch.float64), [4, 5, 6])
    """

    kind: ClassVar[Kind] = "rule"
    by_client: ClassVar[bool] = True

    kappa: PositiveFloat = 1.0
    remember: Literal["all", "last-layer"] = "all"
    normalise: bool = True

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Add to the histories of the clients at hand, and weigh their updates by `foolsgold_weights`.

        Raises:
            ValueError: a stage before has mixed the updates of several clients.
        """
        clients, start = senders(updates, server), self._start(server.layout)
        histories = [
            added(state.clients.get(client, {}).get("history"), row[start:])
            for client, row in zip(clients, updates.rows, strict=True)
        ]
        resolution = torch.finfo(updates.rows.dtype).eps
        weights = foolsgold_weights(unlikeness(histories), self.kappa, resolution)
        if weights is None:
            unmoved = updates.single(torch.zeros_like(updates.rows[0]), torch.zeros_like(updates.weights))
            return unmoved, state, Report(skipped=ALL_ALIKE)
        if self.normalise:
            weights = weights / weights.sum()
        kept = {client: {"history": history} for client, history in zip(clients, histories, strict=True)}
        aggregate = updates.single(weighted_sum(weights, updates.rows), weights)
        return aggregate, State(clients={**state.clients, **kept}), Report()

    def _start(self, layout: Layout) -> int:
        """Return the first entry that is remembered."""
        if self.remember == "all":
            return 0
        return min(part.start for part in layout.slices if part.layer == layout.slices[-1].layer)
