"""Bucketing: average the updates in small random groups before the rule.

S. P. Karimireddy, L. He, M. Jaggi, *Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing* (ICLR 2022):
the n updates are put into a random order and averaged s at a time, which leaves ⌈n/s⌉ buckets for the rule. The means
of s updates differ less than the updates do. At most f of the buckets have a Byzantine update in them, so that the
rule is told the same f; it gets s times fewer updates.

Deviations from the source: the clients' weights α_i count. A bucket is the weighted mean of its updates, and its
weight is the sum of theirs, so that the mean of the buckets is always the mean of the updates, also where s does not
divide n and the last bucket is smaller. The paper's clients count equally, for which this is the paper's mean of s
updates. A rule that counts updates equally counts buckets equally, and the last one with them.

Others do not shuffle (FedML), or shuffle the rows of an array in place by swapping views, which repeats some of them
and loses others (FLPoison); in ByzFL, the smaller bucket counts like the others in the mean, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates

if TYPE_CHECKING:
    from torch import Tensor


def buckets(weights: Tensor, order: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Say of which updates the buckets are made.

    Args:
        weights: of the updates, shape ``[n]``, float64.
        order: a permutation of the updates' indices, shape ``[n]``.
        size: number of updates in a bucket (s).

    Returns:
        A matrix of float64, shape ``[⌈n/s⌉, n]``, whose rows add up to 1: row i has the weights, in proportion, of the
        updates ``order[s * i : s * (i + 1)]``; and the buckets' weights, shape ``[⌈n/s⌉]``.
    """
    count = len(order)
    members = weights.new_zeros(-(-count // size), count)
    members[torch.arange(count, device=order.device) // size, order] = weights[order]
    totals = members.sum(dim=1)
    return members / totals[:, None], totals


class Bucketing(Stage):
    """Bucketing: average the updates in random groups of s.

    Attributes:
        s: number of updates in a bucket; the last one may have fewer.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Bucketing, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[0.0], [2.0], [4.0], [10.0]]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2, 3), Address.root(0))
        >>> averaged = Bucketing(s=2).apply(updates, server, State())[0]
        >>> averaged.rows.flatten(), averaged.effective_weights.tolist()
        (tensor([2., 6.]), [0.25, 0.25, 0.25, 0.25])
    """

    kind: ClassVar[Kind] = "mixing"
    blends: ClassVar[bool] = True
    averages: ClassVar[bool] = True

    s: PositiveInt = 2

    @override
    def needed(self, following: int) -> int:
        """Return the least n with ⌈n/s⌉ buckets."""
        return self.s * (max(following, 1) - 1) + 1

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Average `buckets`, in an order that is drawn at the server's address."""
        order = torch.from_numpy(server.address.generator().permutation(len(updates.rows))).to(updates.rows.device)
        matrix, weights = buckets(updates.weights, order, self.s)
        mixture = None if updates.mixture is None else matrix @ updates.mixture
        return Updates(matrix.to(updates.rows) @ updates.rows, weights, mixture), state, Report()
