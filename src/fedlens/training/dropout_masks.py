"""The masks of several clients' dropout, drawn for many steps at once.

Each client's bits come from its own generator, in the order in which `fedlens.models.dropout.Dropout` draws them when
the client trains alone: step by step, and in a step a call of dropout after the other.
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

CHUNK, ROOM = 16, 2**24
"""Steps for which bits are drawn at once: enough to make the calls cheap, few enough to stay in a processor's cache.
Fewer are, where they would take more bytes than the second number."""


class Masks:
    """See the module.

    Args:
        drops: the network's calls of dropout.
        sizes: the sizes of each client's batches.
        addresses: where each client's draws begin.
        like: a tensor of the type and on the device that masks are wanted in.
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
        self._chunk = max(1, min(CHUNK, max(map(len, sizes)), ROOM // max(1, each)))
        self._bits = np.zeros((len(sizes), self._chunk, sum(self._widths)), dtype=np.uint8)
        self._drawn = 0

    def of(self, step: int, rows: slice) -> list[Tensor]:
        """The masks of the clients `rows` in `step`, in which their batches are equally large.

        Steps are asked for in turn.

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
        """The bits of the steps from `step` on."""
        for client, sizes in enumerate(self._sizes):
            for run in equal_runs(sizes[step : step + self._chunk]):
                self._fill(self._bits[client, run], self._generators[client], sizes[step + run.start])
        self._drawn = step + self._chunk

    def _fill(self, bits: NDArray[np.uint8], generator: np.random.Generator, size: int) -> None:
        """Toss for as many steps as `bits` has rows, of batches of this size."""
        counts = [size * prod(drop.shape) for drop in self._drops]
        words = [drop.coin.words(count) for drop, count in zip(self._drops, counts, strict=True)]
        raw = generator.bit_generator.random_raw(len(bits) * sum(words)).reshape(len(bits), sum(words))
        sources = np.split(raw, np.cumsum(words)[:-1], axis=1)
        places = np.split(bits, np.cumsum(self._widths)[:-1], axis=1)
        for drop, count, source, place in zip(self._drops, counts, sources, places, strict=True):
            place[:, :count] = drop.coin.read(source, count)


def equal_runs(values: Sequence[int]) -> Iterator[slice]:
    """The stretches of equal neighbours."""
    start = 0
    for _, run in groupby(values):
        stop = start + len(list(run))
        yield slice(start, stop)
        start = stop
