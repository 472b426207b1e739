"""Krum and Multi-Krum: apply the update, or the mean of the updates, whose nearest neighbours are closest.

P. Blanchard, E. M. El Mhamdi, R. Guerraoui, J. Stainer, *Machine Learning with Adversaries: Byzantine Tolerant Gradient
Descent* (NeurIPS 2017), section 4. With f Byzantine clients of n ≥ 2f + 3, the score of client i is

    s(i) = Σ_{j → i} ‖δ_i − δ_j‖²,

summed over the n − f − 2 other updates j that are nearest to δ_i. Krum applies the update of the lowest score alone,
Multi-Krum the mean of the m lowest. Ties go to the lowest index, as in the paper's Krum. Neither
uses the clients' weights α_i.

Four rules go by this name. The defaults are the paper's; options give the others:

- plain distances where the paper squares them (``squared=False``);
- one neighbour more, n − f − 1 (``neighbours="n-f-1"``), as in ByzFL, which sorts a client's distances with its own
  zero among them and takes n − f;
- biases left out of the distances (``include_biases=False``).

The code of Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019) takes plain distances
without biases to n − f − 2 neighbours. `KrumAuthors` is that, except that the code drops the biases of the chosen
update, too, so that the global model's never change: here it is applied whole.

There is one computation, that of `MultiKrum`: `Krum` is the same with m = 1, and `KrumAuthors` is `Krum` with the other
options fixed, too, by class variables.

The paper allows every m from 1 (Krum) to n (the plain mean). The default here is n − f, the number of clients that are
taken to be honest, as in ByzFL; the paper's guarantee is about m = 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.moderate import raised
from fedlens.defences.rule import Aggregate, Received, Rule, require_enough
from fedlens.kernels.pairwise import squared_distances

if TYPE_CHECKING:
    from torch import Tensor

Neighbours = Literal["n-f-2", "n-f-1"]


def fewest(f: int) -> int:
    """Return the paper's least number of updates, 2f + 3, of which f are Byzantine."""
    return 2 * f + 3


def krum_scores(
    updates: Tensor, f: int, *, squared: bool = True, neighbours: Neighbours = "n-f-2", mask: Tensor | None = None
) -> Tensor:
    """Sum each update's distances to its nearest others.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        f: number of Byzantine clients.
        squared: whether to square the distances.
        neighbours: number of others that count.
        mask: the entries that count in the distances, bool, shape ``[d]``; all by default.

    Returns:
        The scores, shape ``[n]``, float64.

    Raises:
        ValueError: there are fewer than 2f + 3 updates.
    """
    count = len(updates)
    require_enough("krum", "2f + 3", f, fewest(f), count)
    distances = squared_distances(raised(updates), mask)
    others = to_others(distances if squared else distances.sqrt())
    return others[:, : count - f - (2 if neighbours == "n-f-2" else 1)].sum(dim=1)


def to_others(distances: Tensor) -> Tensor:
    """Sort each update's distances to the others (shape ``[n, n]``); its own, infinity, comes last."""
    return distances.clone().fill_diagonal_(torch.inf).sort(dim=1).values


def choose(updates: Tensor, scores: Tensor, count: int) -> Aggregate:
    """Average the `count` updates (rows of shape ``[n, d]``) with the lowest scores (shape ``[n]``)."""
    chosen = scores.argsort(stable=True)[:count]
    shares = torch.zeros_like(scores)
    shares[chosen] = 1 / count
    return Aggregate(updates[chosen[0]].clone() if count == 1 else shares.to(updates) @ updates, shares)


class MultiKrum(Rule):
    """Multi-Krum: apply the mean of the m updates that are closest to their nearest neighbours.

    Attributes:
        f: number of Byzantine clients that the rule assumes.
        m: number of updates to average; n - f by default.
        squared: whether to square the distances, as the paper does.
        neighbours: number of other updates that count in a score; ``n-f-2`` is the paper's number.
        include_biases: whether distances include biases, as in the paper.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import MultiKrum, Received
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.4], [9.0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> MultiKrum(f=1).aggregate(Received(updates, alpha, layout, Address.root(0))).shares
        tensor([0.2500, 0.2500, 0.2500, 0.2500, 0.0000], dtype=torch.float64)
    """

    f: NonNegativeInt
    m: PositiveInt | None = None
    squared: bool = True
    neighbours: Neighbours = "n-f-2"
    include_biases: bool = True

    @property
    def minimum(self) -> int:
        """The paper's 2f + 3, or m."""
        return max(fewest(self.f), self.m or 0)

    @override
    def aggregate(self, received: Received) -> Aggregate:
        """Choose by `krum_scores`.

        Raises:
            ValueError: there are fewer than `minimum` updates.
        """
        count = len(received.updates)
        if self.m is not None and count < self.m:
            raise ValueError(f"multi-krum cannot choose m = {self.m} of {count} updates")
        mask = None if self.include_biases else received.layout.mask({"weight"})
        scores = krum_scores(received.updates, self.f, squared=self.squared, neighbours=self.neighbours, mask=mask)
        return choose(received.updates, scores, count - self.f if self.m is None else self.m)


class Krum(MultiKrum):
    """Krum: apply the one update that is closest to its nearest neighbours.

    Attributes:
        f: number of Byzantine clients that the rule assumes.
        squared: whether to square the distances, as the paper does.
        neighbours: number of other updates that count in a score; ``n-f-2`` is the paper's number.
        include_biases: whether distances include biases, as in the paper.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Krum, Received
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.4], [9.0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> Krum(f=1).aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([1.1000])
    """

    m: ClassVar[int] = 1  # type: ignore[misc]


class KrumAuthors(Krum):
    """Krum as in the code of Bhagoji et al.: plain distances, without biases.

    Attributes:
        f: number of Byzantine clients that the rule assumes.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import KrumAuthors, Received
        >>> updates, alpha = torch.tensor([[1.0, 0], [1.1, 7], [1.2, 0], [1.4, 0], [9, 0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1))
        >>> KrumAuthors(f=1).aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([1.1000, 7.0000])
    """

    squared: ClassVar[bool] = False  # type: ignore[misc]
    neighbours: ClassVar[Neighbours] = "n-f-2"  # type: ignore[misc]
    include_biases: ClassVar[bool] = False  # type: ignore[misc]
