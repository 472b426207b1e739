"""Clients with much and clients with little, all of the same distribution.

Shares q ~ Dir(α·1_K) of the shuffled samples, as in Q. Li et al., *Federated Learning on Non-IID Data Silos: An
Experimental Study* (ICDE 2022, arXiv 2102.02079), section III-C. They draw again until each client has ten samples;
here that is an option.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, NonNegativeInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.partition import Partition, Shards, drawn_until, require_enough

if TYPE_CHECKING:
    from torch import Tensor


class QuantitySkew(Partition):
    """Shares of the shuffled samples, drawn from Dir(α·1_K).

    Attributes:
        alpha: α; the smaller, the more unequal. Large values approach equal shares.
        least: number of samples that each client has at least; drawn again until it is so. With 0, some may have none.

    Example:
        >>> import torch
        >>> from fedlens import Address
        >>> from fedlens.data import QuantitySkew
        >>> QuantitySkew(alpha=1).split(torch.zeros(100, dtype=torch.int64), clients=4, address=Address.root(0)).sizes
        tensor([33, 26, 25, 16])
    """

    alpha: float = Field(default=0.5, ge=1e-3, le=1e6)
    least: NonNegativeInt = 1

    @override
    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        require_enough(len(labels), clients, self.least)

        def draw(attempt: int) -> Shards:
            generator = address.at("quantity-skew", attempt).generator()
            order = generator.permutation(len(labels))
            ends = (generator.dirichlet(np.full(clients, self.alpha)).cumsum() * len(labels)).round().astype(np.int64)
            ends[-1] = len(labels)
            return Shards.of_sizes(torch.from_numpy(order), torch.from_numpy(np.diff(ends, prepend=0)))

        return drawn_until(
            self.least, draw, f"a split of {len(labels):,} samples with alpha {self.alpha:g}", self.alpha
        )
