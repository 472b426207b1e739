"""Robust learning rate (RLR): go against the aggregate where too few clients agree on the sign.

M. S. Ozdayi, M. Kantarcioglu, Y. R. Gel, *Defending against Backdoors in Federated Learning with Robust Learning Rate*
(AAAI 2021). For every entry j, and on any rule,

    η_j = η if |Σ_i sign δ_ij| ≥ θ, else −η,    w_j ← w_j + η_j Δ_j.

Attackers who want what honest clients do not are alone in some entries, in which the model then moves away from them.
The paper takes θ = 4 for 10 clients of whom 1 is malicious, and 8 for 40 of whom 4 are; from m + 1 to n − m it does its
work if honest clients agree on every sign.

Here it is a stage before the rule: it changes the sign of an entry in every update. That gives the same aggregate as
changing it afterwards under any rule that does not care for signs, as are all that come with fedlens except those that
compare with an earlier round or with the server's own update (centred clipping, FLTrust). Whose updates a row is made
of can then not be told by a number, so that clients have no effective weights, running statistics of a model cannot be
combined (`local.buffers: local` works), and rules that keep something of each client cannot follow.

It needs n ≥ θ updates, with fewer of which every entry would be reversed; it sees signs, and keeps nothing. θ = 0 is
the rule alone. Where honest clients differ it does harm: an entry that they do not agree on goes the wrong way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates
from fedlens.kernels.pairwise import BLOCK_ENTRIES, block_columns

if TYPE_CHECKING:
    from torch import Tensor


def reverse_disputed(rows: Tensor, theta: int) -> None:
    """Change the signs of entries of `rows` (shape ``[n, d]``) in place, where those of fewer than `theta` prevail.

    That is done a block of columns after the other, which is all the memory that it takes.
    """
    for block in torch.split(rows, block_columns(BLOCK_ENTRIES, len(rows)), dim=1):
        agreement = block.sign().sum(dim=0, dtype=torch.float32).abs()
        block.mul_(torch.where(agreement >= theta, 1, -1).to(block))


class RobustLearningRate(Stage):
    """Robust learning rate (RLR): reverse the entries on whose sign too few clients agree.

    Attributes:
        theta: the least sum of signs, up to its own, with which an entry keeps its direction (θ).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Chain, Server, State, Updates, server_step
        >>> chain = Chain.of({"name": "rlr", "theta": 4}).whole
        >>> sent = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> server = Server(1, torch.zeros(2), layout, (0, 1, 2, 3, 4), Address.root(0))
        >>> server_step(chain, Updates.received(sent, torch.ones(5).double() / 5), server, [State(), State()]).update
        tensor([ 1.0000, -0.6000])
    """

    kind: ClassVar[Kind] = "mixing"
    blends: ClassVar[bool] = True

    theta: NonNegativeInt

    @override
    def needed(self, following: int) -> int:
        """Return θ, or the number that has to leave it."""
        return max(following, self.theta)

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Reverse entries by `reverse_disputed`, in the rows' own memory where it is the stage's to write into."""
        rows = updates.rows if updates.owned else updates.rows.clone()
        reverse_disputed(rows, self.theta)
        return replace(updates, rows=rows, mixture=None), state, Report()
