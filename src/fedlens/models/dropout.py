"""Dropout whose masks come from an addressed generator.

Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, JMLR 15 (2014), in the inverted
form: kept entries are divided by the probability of keeping.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedlens.kernels.coin import DIGITS, Coin


class Dropout(nn.Module):
    """A layer that zeroes each entry with probability `p` while training.

    Attributes:
        source: generator of the masks; with ``None``, PyTorch's own dropout is used.
        ready: masks drawn in advance for the next calls, used instead of `source`.

    Example:
        >>> import torch
        >>> from fedlens.models import Dropout
        >>> Dropout(0.25).eval()(torch.ones(3))  # drops nothing unless it trains
        tensor([1., 1., 1.])
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p <= 1 - 2**-DIGITS:
            raise ValueError(f"the probability of dropping must be at least 0 and at most 1 − 2^−{DIGITS}, not {p}")
        self.p = p
        self.source: np.random.Generator | None = None
        self.ready: Iterator[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop entries of `x`, of any shape, while training."""
        if not self.training or self.p == 0:
            return x
        if self.ready is not None:
            return x * next(self.ready)
        if self.source is None:
            return functional.dropout(x, self.p)
        coin = coin_of(self)
        bits = coin.toss(self.source, x.numel())
        mask = torch.from_numpy(bits).view(x.shape).to(device=x.device, dtype=x.dtype)
        return x * mask.mul_(1 / coin.probability)

    def extra_repr(self) -> str:
        """Return the probability, for ``print(model)``."""
        return f"p={self.p}"


def coin_of(dropout: Dropout) -> Coin:
    """Return the coin that decides whether to keep an entry."""
    return Coin.of(1 - dropout.p)
