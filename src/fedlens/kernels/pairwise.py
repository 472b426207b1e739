"""Squared distances between updates, ‖x_i − x_j‖² = ‖x_i‖² + ‖x_j‖² − 2⟨x_i, x_j⟩, from one matrix product.

The product (the Gram matrix) is fast but cancels: where two updates are close together and far from the origin, the
three terms are large and their sum is small. Three measures keep that from mattering.

- Distances do not depend on the origin, so every block of columns is centred on its mean row first. The first row is
  subtracted before the mean is taken: that is exact for updates which share a large offset, and for duplicates.
- Products of a block are computed in the updates' precision (half precision: in float32) and added up in float64.
- Pairs that are still close for their distance from the centre, ‖x_i − x_j‖² < (‖x_i‖² + ‖x_j‖²) / 100, are not
  trusted. Updates that such pairs connect are treated again as a set of their own, centred on their mean, and so on;
  if they are the whole set, the pairs' differences are taken entry by entry, in float64.

Only blocks are ever copied: the memory beyond the input is a few MiB and some matrices ``[n, n]``. Of a block's matrix,
which is symmetric, strips of rows are computed from their diagonal on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

CLOSE = 0.01
BLOCK_ENTRIES = 2**18
LEAST_COLUMNS = 1024
STRIP_ROWS = 48
LINE = 16


def squared_distances(updates: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute the squared L2 distance of every pair of updates.

    Args:
        updates: a row for each client, shape ``[n, d]``; finite, of any floating-point type.
        mask: the entries that count, bool, shape ``[d]``; all by default.

    Returns:
        A symmetric matrix of float64, shape ``[n, n]``, without negative entries and with zeros on its diagonal.
    """
    count = len(updates)
    squares = torch.zeros(count, count, dtype=torch.float64, device=updates.device)
    pending = [torch.arange(count, device=updates.device)]
    while pending:
        rows = pending.pop()
        distances, close = _measured(updates, rows, mask)
        squares[rows[:, None], rows] = distances
        for members in _components(close):
            if len(members) < len(rows):
                pending.append(rows[members])
            else:
                left, right = (rows[side] for side in close.triu().nonzero(as_tuple=True))
                squares[left, right] = squares[right, left] = _differences(updates, left, right, mask)
    return squares


def products(updates: Tensor, origin: int) -> Tensor:
    """Compute the inner products ⟨x_i − x_o, x_j − x_o⟩ of updates (shape ``[n, d]``), with one of them as origin.

    Returns:
        A symmetric matrix of float64, shape ``[n, n]``, with zeros in the row and the column of `origin`.
    """
    return _gram(updates, None, len(updates), lambda block, out: torch.sub(block, block[origin], out=out))


def products_from(squares: Tensor, origin: int) -> Tensor:
    """Compute these inner products from squared distances (shape ``[n, n]``), by the law of cosines.

    Its terms cancel where distances are very different: an update's square is then as exact as before, but a product
    has the errors of the larger distances. See `alike`.
    """
    return (squares[origin][:, None] + squares[origin] - squares) / 2


def alike(squares: Tensor) -> bool:
    """Tell whether all distances are within a factor of 4, given their squares ``[n, n]``."""
    others = squares.clone().fill_diagonal_(torch.inf)
    return bool(squares.max() <= 16 * others.min())


def block_columns(entries: int, rows: int) -> int:
    """Return the number of columns of a block that has this many `rows` and about this many `entries`.

    It is an odd number of cache lines: rows begin with a line, but not all in the same few sets of a cache, as with
    powers of two.
    """
    return (max(entries // rows, LEAST_COLUMNS) // LINE | 1) * LINE


def _measured(updates: Tensor, rows: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute squared distances among `rows` by the Gram matrix, and tell which are too inexact."""
    subset = len(rows) < len(updates)
    gram = _gram(
        updates, mask, len(rows), lambda block, out: _centred(block.index_select(0, rows) if subset else block, out)
    )
    norms = gram.diagonal()
    sums = norms[:, None] + norms
    distances = (sums - 2 * gram).clamp_(min=0).fill_diagonal_(0)
    return distances, (~(distances >= CLOSE * sums)).fill_diagonal_(False)


def _centred(block: Tensor, out: Tensor) -> Tensor:
    """Write the rows of `block` less their mean into `out`."""
    torch.sub(block, block[0], out=out)
    out -= out.mean(dim=0)
    return out


def _gram(updates: Tensor, mask: Tensor | None, count: int, transform: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Compute the inner products of the `count` rows that `transform` makes of each block.

    They are computed in float64 if float32 overflows, or if all are so small that it may have lost what counts.

    Args:
        updates: a row for each client, shape ``[n, d]``.
        mask: see `squared_distances`.
        count: number of rows that `transform` makes.
        transform: called with a block, shape ``[n, b]``, and the tensor to write to, shape ``[count, b]``.
    """
    for precision in (torch.promote_types(updates.dtype, torch.float32), torch.float64):
        gram = torch.zeros(count, count, dtype=torch.float64, device=updates.device)
        room, limits = gram.new_empty(0, dtype=precision), torch.finfo(precision)
        for block in _blocks(updates, mask):
            if room.shape[1:] != block.shape[1:]:
                room = room.new_empty(count, block.shape[1])
            add_products(gram, transform(block.to(precision), room))
        if bool(gram.isfinite().all()) and float(gram.diagonal().max()) > limits.tiny / limits.eps * updates.shape[1]:
            break
    return gram.tril() + gram.tril(-1).T


def add_products(gram: Tensor, rows: Tensor) -> None:
    """Add the inner products of `rows` to the lower triangle of `gram`; entries above it are undefined."""
    for start in range(0, len(rows), STRIP_ROWS):
        strip = rows[start : start + STRIP_ROWS]
        gram[start:, start : start + STRIP_ROWS] += rows[start:] @ strip.T


def _blocks(updates: Tensor, mask: Tensor | None) -> Iterator[Tensor]:
    """Yield the columns that count, in blocks that fit into a processor's cache."""
    columns = block_columns(BLOCK_ENTRIES, len(updates))
    for start in range(0, updates.shape[1], columns):
        block = updates[:, start : start + columns]
        if mask is not None and not bool((counted := mask[start : start + columns].to(updates.device)).all()):
            block = block[:, counted]
        yield block


def _components(close: Tensor) -> Iterator[Tensor]:
    """Yield the sets of two or more rows that `close` (symmetric, shape ``[n, n]``) connects, as indices."""
    count = len(close)
    if not bool(close.any()):
        return
    rows = torch.arange(count, device=close.device)
    labels, before = rows, None
    while before is None or not torch.equal(labels, before):
        before = labels
        labels = torch.where(close, labels, count).amin(dim=1).minimum(labels)
    for label in rows[(labels == rows) & close.any(dim=1)]:
        yield rows[labels == label]


def _differences(updates: Tensor, left: Tensor, right: Tensor, mask: Tensor | None) -> Tensor:
    """Compute the squared distance of each row of `left` from that of `right` entry by entry, shape ``[pairs]``."""
    squares = torch.zeros(len(left), dtype=torch.float64, device=updates.device)
    for block in _blocks(updates, mask):
        for start in range(0, len(left), len(updates)):
            pairs = slice(start, start + len(updates))
            difference = block[left[pairs]].double() - block[right[pairs]].double()
            squares[pairs] += difference.square_().sum(dim=1)
    return squares
