"""Nearest-neighbour mixing (NNM): replace every update by the mean of those nearest to it.

Y. Allouah, S. Farhadkhani, R. Guerraoui, N. Gupta, R. Pinot, J. Stephan, *Fixing by Mixing: A Recipe for Optimal
Byzantine ML under Heterogeneity* (AISTATS 2023): of n updates, f < n/2 of them Byzantine,

    y_i = 1/(n − f) Σ_{j ∈ N_i} δ_j,    N_i the n − f updates nearest to δ_i, itself included.

A rule that is told the same f then works on y_1, …, y_n. That evens out the differences between honest clients, of
which a Byzantine update could otherwise make use. With f = 0, every y_i is the mean.

Ties go to the update itself, and then to the lowest index; the paper leaves them open. As in the paper, clients count
equally: their weights α_i are not used, and all y_i have the same weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.moderate import raised
from fedlens.defences.over import OverParameters, over_entries
from fedlens.defences.rule import require_enough
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates
from fedlens.kernels.pairwise import squared_distances
from fedlens.kernels.weighted_sums import mix

if TYPE_CHECKING:
    from torch import Tensor


def fewest(f: int) -> int:
    """Return the least number of updates, 2f + 1, of which f are Byzantine."""
    return 2 * f + 1


def nearest_neighbours(updates: Tensor, f: int) -> Tensor:
    """Say of which updates the mixed ones are the mean.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        f: number of Byzantine clients.

    Returns:
        A matrix of float64, shape ``[n, n]``: row i has 1/(n - f) for each of the n - f updates nearest to update i,
        and else 0.

    Raises:
        ValueError: there are fewer than 2f + 1 updates.
    """
    count = len(updates)
    require_enough("nnm", "2f + 1", f, fewest(f), count)
    distances = squared_distances(raised(updates)).fill_diagonal_(-1)
    nearest = distances.argsort(dim=1, stable=True)[:, : count - f]
    return torch.zeros_like(distances).scatter_(1, nearest, 1 / (count - f))


class NearestNeighbourMixing(Stage):
    """Nearest-neighbour mixing: replace every update by the mean of the n - f nearest to it.

    Attributes:
        f: number of Byzantine clients that the server assumes.
        over: the entries by which updates are near: ``parameters``, ``weights`` (without biases) or those of the
            ``last-layer``; means are of all entries.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import NearestNeighbourMixing, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[0.0], [1.0], [2.0], [10.0]]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2, 3), Address.root(0))
        >>> NearestNeighbourMixing(f=1).apply(updates, server, State())[0].rows.flatten()
        tensor([1.0000, 1.0000, 1.0000, 4.3333])
    """

    kind: ClassVar[Kind] = "mixing"
    blends: ClassVar[bool] = True

    later: ClassVar[frozenset[str]] = frozenset({"over"})

    f: NonNegativeInt
    over: OverParameters = "parameters"

    @override
    def needed(self, following: int) -> int:
        """Return 2f + 1, or the number that has to leave it."""
        return max(following, fewest(self.f))

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Mix by `nearest_neighbours`, in the rows' own memory where they are the stage's to write into.

        Raises:
            ValueError: there are fewer than 2f + 1 updates.
        """
        matrix = nearest_neighbours(over_entries(updates.rows, server.layout, self.over), self.f)
        rows = updates.rows if updates.owned else updates.rows.clone()
        mix(matrix, rows)
        return updates.mixed(matrix, rows), state, Report()
