"""Squared distances between updates, ‖x_i − x_j‖² = ‖x_i‖² + ‖x_j‖² − 2⟨x_i, x_j⟩, from one matrix product.

The product (the Gram matrix) is fast but cancels: where two updates are close together and far from the origin, the
three terms are large and their sum is small. Three measures keep that from mattering.

- Distances do not depend on the origin, so every block of columns is centred on its mean row first. The first row is
  subtracted before the mean is taken: that is exact for updates which share a large offset, and for duplicates.
- Products of a block are computed in the updates' precision (half precision: in float32) and added up in float64.
- Pairs that are still close for their distance from the centre, ‖x_i − x_j‖² < (‖x_i‖² + ‖x_j‖²) / 100, are not
  trusted. Updates that such pairs connect are taken by themselves, centred on their own mean, and so on in turn; where
  they are all the updates at hand, the pairs' differences are taken entry by entry, in float64.

Only blocks are ever copied: the memory beyond the input is a few MiB and some matrices ``[n, n]``.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

CLOSE = 0.01
BLOCK_ENTRIES = 2**18
LEAST_COLUMNS = 1024


def squared_distances(updates: Tensor, mask: Tensor | None = None) -> Tensor:
    """The squared L2 distance of every two updates.

    Args:
        updates: a row for each client, shape ``[n, d]``; finite, of any floating-point type.
        mask: which of the d entries count, bool, shape ``[d]``; all of them unless it is given.

    Returns:
        A symmetric matrix of float64, shape ``[n, n]``, without negative entries and with zeros on its diagonal.
    """
    count = len(updates)
    squares = torch.zeros(count, count, dtype=torch.float64, device=updates.device)
    pending = [torch.arange(count, device=updates.device)]
    while pending:
        rows = pending.pop()
        found, close = _measured(updates, rows, mask)
        squares[rows[:, None], rows] = found
        for members in _components(close):
            if len(members) < len(rows):
                pending.append(rows[members])
            else:
                left, right = (rows[side] for side in close.triu().nonzero(as_tuple=True))
                squares[left, right] = squares[right, left] = _differences(updates, left, right, mask)
    return squares


def products(updates: Tensor, origin: int) -> Tensor:
    """The inner products ⟨x_i − x_o, x_j − x_o⟩ of updates (shape ``[n, d]``) seen from one of them, x_o.

    Returns:
        A symmetric matrix of float64, shape ``[n, n]``, with zeros in the row and the column of `origin`.
    """
    return _gram(updates, None, len(updates), lambda block: block - block[origin])


def _measured(updates: Tensor, rows: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Squared distances among `rows` by the Gram matrix, and which of them it is too coarse for."""
    subset = len(rows) < len(updates)
    gram = _gram(updates, mask, len(rows), lambda block: _centred(block[rows] if subset else block))
    norms = gram.diagonal()
    sums = norms[:, None] + norms
    found = (sums - 2 * gram).clamp_(min=0).fill_diagonal_(0)
    return found, (~(found >= CLOSE * sums)).fill_diagonal_(False)


def _centred(block: Tensor) -> Tensor:
    """The rows of `block` less their mean."""
    centred = block - block[0]
    centred -= centred.mean(dim=0)
    return centred


def _gram(updates: Tensor, mask: Tensor | None, count: int, place: Callable[[Tensor], Tensor]) -> Tensor:
    """The inner products of the `count` rows that `place` makes of each block; in float64 where float32 overflows."""
    for precision in (torch.promote_types(updates.dtype, torch.float32), torch.float64):
        gram = torch.zeros(count, count, dtype=torch.float64, device=updates.device)
        for block in _blocks(updates, mask):
            placed = place(block.to(precision))
            gram += placed @ placed.T
        if bool(gram.isfinite().all()):
            break
    return (gram + gram.T) / 2


def _blocks(updates: Tensor, mask: Tensor | None) -> Iterator[Tensor]:
    """The columns that count, in blocks that fit into a processor's cache."""
    columns = max(BLOCK_ENTRIES // len(updates), LEAST_COLUMNS)
    for start in range(0, updates.shape[1], columns):
        block = updates[:, start : start + columns]
        if mask is not None and not bool((kept := mask[start : start + columns].to(updates.device)).all()):
            block = block[:, kept]
        yield block


def _components(close: Tensor) -> Iterator[Tensor]:
    """The sets of two or more rows that `close` (symmetric, shape ``[n, n]``) connects, as indices."""
    count = len(close)
    if not bool(close.any()):
        return
    own = torch.arange(count, device=close.device)
    labels, before = own, None
    while before is None or not torch.equal(labels, before):
        before = labels
        labels = torch.where(close, labels, count).amin(dim=1).minimum(labels)
    for label in own[(labels == own) & close.any(dim=1)]:
        yield own[labels == label]


def _differences(updates: Tensor, left: Tensor, right: Tensor, mask: Tensor | None) -> Tensor:
    """The squared distance of each row of `left` from that of `right`, entry by entry, shape ``[pairs]``."""
    squares = torch.zeros(len(left), dtype=torch.float64, device=updates.device)
    for block in _blocks(updates, mask):
        for start in range(0, len(left), len(updates)):
            some = slice(start, start + len(updates))
            difference = block[left[some]].double() - block[right[some]].double()
            squares[some] += difference.square_().sum(dim=1)
    return squares
