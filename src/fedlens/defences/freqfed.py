"""FreqFed: keep the majority of models whose low frequencies are alike, and average.

H. Fereidooni, A. Pegoraro, P. Rieger, A. Dmitrienko, A.-R. Sadeghi, *FreqFed: A Frequency Analysis-Based Approach for
Mitigating Poisoning Attacks in Federated Learning* (NDSS 2024). Each parameter of a local model w_G + δ_i is a matrix
of M rows and N columns (of a kernel, a row for each output; a bias is a row), whose discrete cosine transform of type
II is taken in both directions. Its low frequencies, those at row u and column v with

    u ≤ 2c M,  v ≤ 2c N,  u + v ≤ c (M + N),

are a client's fingerprint. HDBSCAN clusters fingerprints by cosine distance, and Δ is the mean of the largest cluster.
`freqfed` is both, `freqfed-filter` the first, which `equal-weights` and `mean` follow there.

- c is the option ``cutoff``. What is cut off is not quite clear from the paper (from memory); 1/4, the default, is what
  circulates. It keeps an eighth of the entries. With 1 all are kept, and as the transform is orthonormal, distances are
  those of the models themselves, as in FLAME.
- ``min_cluster_size`` is ⌊n/2⌋ + 1, as in FLAME (from memory), so that the largest cluster is a majority. Clients in no
  cluster are rejected; as label -1 they are no cluster of their own. See `fedlens.defences.clusters`.
- A row's score is the height at which single linkage puts it into a group of the majority, from 0 to 2; rows at the
  same distance as the last of the majority are accepted with it.
- It sees single updates and the global model, needs no number of attackers and keeps nothing. It assumes m < n/2
  attackers whose models differ from the honest in low frequencies. Three updates are the least that make sense.
- It limits no lengths: a boosted update in an honest direction passes.
- As with FLAME, up to half of the honest clients are rejected in a round without attack: of ten updates drawn
  independently from a normal distribution 0.37.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.defences.clusters import majority_heights
from fedlens.defences.composed import Composed
from fedlens.defences.equal_weights import EqualWeights
from fedlens.defences.filter import Filter
from fedlens.defences.links import Link
from fedlens.defences.mean import Mean
from fedlens.defences.stage import Report, Server, State, Updates
from fedlens.kernels.cosine_distances import cosine_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def low_frequencies(matrix: NDArray[np.floating], cutoff: float) -> NDArray[np.floating]:
    """Return the low frequencies of the orthonormal two-dimensional DCT-II of a matrix, one behind the other.

    Args:
        matrix: shape ``[M, N]``.
        cutoff: up to which they are kept (c).
    """
    from scipy.fft import dct

    rows, columns = matrix.shape
    most = cutoff * (rows + columns)
    last_row, last_column = (int(min(2 * cutoff * size, most, size - 1)) for size in (rows, columns))
    along = dct(matrix, axis=1, norm="ortho")[:, : last_column + 1]
    frequencies = dct(along, axis=0, norm="ortho")[: last_row + 1]
    low: NDArray[np.floating] = frequencies[np.add.outer(np.arange(last_row + 1), np.arange(last_column + 1)) <= most]
    return low


def fingerprints(rows: Tensor, layout: Layout, cutoff: float) -> Tensor:
    """Return the low frequencies of all parameters of `rows` (shape ``[n, d]``), in float64 if float32 overflows.

    Returns:
        Shape ``[n, k]``, of the rows' type, or float32 if that is smaller.
    """
    parts = [part for part in layout.parameters.slices if part.start < part.stop]
    for precision in (torch.promote_types(rows.dtype, torch.float32), torch.float64):
        found: NDArray[np.floating] | None = None
        for place, row in enumerate(rows):
            entries = row.to(precision)
            shaped = (part.shaped(entries[part.start : part.stop]) for part in parts)
            matrices = (torch.atleast_2d(entries).flatten(1) for entries in shaped)  # type: ignore[no-untyped-call]
            low = np.concatenate([low_frequencies(matrix.cpu().numpy(), cutoff) for matrix in matrices])
            if found is None:
                found = np.empty((len(rows), len(low)), low.dtype)
            found[place] = low
        assert found is not None, "there is a row"
        if bool(np.isfinite(found).all()):
            break
    return torch.from_numpy(found).to(rows.device)


class FreqFedFilter(Filter):
    """FreqFed's filter: reject models whose low frequencies are not in the first majority of single linkage by cosine.

    Attributes:
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.
        cutoff: up to which frequencies are low, as a share of the numbers of rows and columns (c).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FreqFedFilter, Server, State, Updates
        >>> smooth, rough = torch.ones(3, 8), torch.tensor([1.0, -1.0]).repeat(2, 4)
        >>> updates = Updates.received(torch.cat([smooth, rough]), torch.ones(5).double() / 5)
        >>> layout = Layout.of(torch.nn.Linear(8, 1, bias=False))
        >>> server = Server(1, torch.zeros(8), layout, (0, 1, 2, 3, 4), Address.root(0))
        >>> FreqFedFilter().apply(updates, server, State())[2].flagged
        tensor([False, False, False,  True,  True])
    """

    cutoff: float = Field(default=0.25, gt=0, le=1)

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        found = fingerprints(updates.rows, server.layout, self.cutoff)
        (model,) = fingerprints(server.weights[None], server.layout, self.cutoff)
        heights = majority_heights(cosine_distances(found, model))
        return Report(heights, heights > heights.min()), state


class FreqFed(Composed):
    """FreqFed: the mean of the majority of models whose low frequencies are alike.

    Attributes:
        action: ``reject`` drops what the filter flags; ``observe`` keeps all, and records scores and decisions.
        cutoff: up to which frequencies are low, as a share of the numbers of rows and columns (c).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FreqFed, Server, State, Updates
        >>> smooth, rough = torch.ones(3, 4), torch.tensor([[1.0, -1.0, 1.0, -1.0]])
        >>> updates = Updates.received(torch.cat([smooth, rough]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(4, 1, bias=False))
        >>> server = Server(1, torch.zeros(4), layout, (0, 1, 2, 3), Address.root(0))
        >>> FreqFed().apply(updates, server, State())[0].rows
        tensor([[1., 1., 1., 1.]])
    """

    action: Literal["reject", "observe"] = "reject"
    cutoff: float = Field(default=0.25, gt=0, le=1)

    @override
    def stages(self) -> tuple[Link, ...]:
        return FreqFedFilter(action=self.action, cutoff=self.cutoff), EqualWeights(), Mean()
