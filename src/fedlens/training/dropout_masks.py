"""Dropout masks of several clients, drawn for many steps at once.

Each client's bits come from its own generator, in the order in which `fedlens.models.dropout.Dropout` draws them when
the client trains alone: step by step, and within a step in the order of the calls of dropout.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedlens.core.random import Address
from fedlens.kernels.stack import Drop

CHUNK, MAX_BYTES = 16, 2**24
"""Steps for which bits are drawn at once: enough to make the calls cheap, few enough to stay in a processor's cache.
The second number limits their bytes."""


class Masks:
    """The dropout masks of a stack of clients.

    Args:
        drops: the network's calls of dropout.
        sizes: the sizes of each client's batches.
        addresses: the address of each client's draws.
        like: a tensor with the type and device of the masks.
    """

    def __init__(
        self, drops: Sequence[Drop], sizes: Sequence[Sequence[int]], addresses: Sequence[Address], like: Tensor
    ) -> None:
        self._drops = drops
        self._sizes = sizes
        self._generators = [address.at("dropout").generator() for address in addresses]
        self._like = like
        self._widths = [prod(drop.shape) * max(map(max, sizes)) for drop in drops]
        each = len(sizes) * sum(self._widths)
        self._chunk = max(1, min(CHUNK, max(map(len, sizes)), MAX_BYTES // max(1, each)))
        self._bits = np.zeros((len(sizes), self._chunk, sum(self._widths)), dtype=np.uint8)
        self._drawn = 0

    def of(self, step: int, rows: slice) -> list[Tensor]:
        """Return the masks of the clients `rows` in `step`, whose batches must be equally large.

        Call it for every step in turn.

        Returns:
            For each call of dropout zeros and ones, shape ``[k, b, *shape]``.
        """
        if not self._drops:
            return []
        if step >= self._drawn:
            self._draw(step)
        size = self._sizes[rows.start][step]
        bits = torch.from_numpy(self._bits[rows, step % self._chunk]).to(self._like)
        blocks = torch.split(bits, self._widths, dim=1)
        return [
            block[:, : size * prod(drop.shape)].view(len(block), size, *drop.shape)
            for block, drop in zip(blocks, self._drops, strict=True)
        ]

    def _draw(self, step: int) -> None:
        """Draw the bits of the steps from `step` on."""
        for client, sizes in enumerate(self._sizes):
            for run in equal_runs(sizes[step : step + self._chunk]):
                self._fill(self._bits[client, run], self._generators[client], sizes[step + run.start])
        self._drawn = step + self._chunk

    def _fill(self, bits: NDArray[np.uint8], generator: np.random.Generator, size: int) -> None:
        """Draw bits for as many steps as `bits` has rows, with batches of this size."""
        counts = [size * prod(drop.shape) for drop in self._drops]
        words = [drop.coin.words(count) for drop, count in zip(self._drops, counts, strict=True)]
        raw = generator.bit_generator.random_raw(len(bits) * sum(words)).reshape(len(bits), sum(words))
        sources = np.split(raw, np.cumsum(words)[:-1], axis=1)
        columns = np.split(bits, np.cumsum(self._widths)[:-1], axis=1)
        for drop, count, source, column in zip(self._drops, counts, sources, columns, strict=True):
            column[:, :count] = drop.coin.read(source, count)


def equal_runs(values: Sequence[int]) -> Iterator[slice]:
    """Yield the slices of consecutive equal values."""
    start = 0
    for _, run in groupby(values):
        stop = start + len(list(run))
        yield slice(start, stop)
        start = stop
