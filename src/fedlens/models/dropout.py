"""Dropout whose masks come from an addressed generator.

Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, JMLR 15 (2014), in the inverted
form: kept entries are divided by the probability of keeping.

Masks are drawn as packed bits. For a probability of keeping with the binary expansion 0.b₁b₂…bₖ, k planes of fair bits
r are folded from the last digit to the first: ``m ← r | m`` for a one, ``m ← r & m`` for a zero; each entry of m is
then 1 with exactly that probability. One plane serves p = 0.5, two serve p = 0.25. Deviation: the probability is
rounded to 16 binary digits, and the scale is that of the rounded value, so the expectation is exact.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

_DIGITS = 16


def keep_bits(generator: np.random.Generator, count: int, keep: float) -> tuple[NDArray[np.uint8], float]:
    """Draw `count` bits that are 1 with probability `keep`, rounded to 16 binary digits.

    Returns:
        The bits (uint8 zeros and ones, shape ``[count]``) and the probability after rounding.
    """
    numerator, digits = round(keep * 2**_DIGITS), _DIGITS
    if numerator in (0, 2**_DIGITS):
        return np.full(count, numerator >> _DIGITS, dtype=np.uint8), float(numerator >> _DIGITS)
    while numerator % 2 == 0:
        numerator, digits = numerator // 2, digits - 1
    words = -(-count // 64)
    mask = np.zeros(words, dtype=np.uint64)
    for digit in range(digits):
        plane = generator.bit_generator.random_raw(words)
        mask = plane | mask if numerator >> digit & 1 else plane & mask
    return np.unpackbits(mask.view(np.uint8), count=count), numerator / 2**digits


class Dropout(nn.Module):
    """Zero each entry with probability `p` while training.

    Attributes:
        source: where masks come from; with ``None`` it is PyTorch's own dropout.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p <= 1 - 2**-_DIGITS:
            raise ValueError(f"the probability of dropping must be at least 0 and at most 1 − 2^−{_DIGITS}, not {p}")
        self.p = p
        self.source: np.random.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape; the same shape comes out."""
        if not self.training or self.p == 0:
            return x
        if self.source is None:
            return functional.dropout(x, self.p)
        bits, keep = keep_bits(self.source, x.numel(), 1 - self.p)
        mask = torch.from_numpy(bits).view(x.shape).to(device=x.device, dtype=x.dtype)
        return x * mask.mul_(1 / keep)

    def extra_repr(self) -> str:
        """The probability, for ``print(model)``."""
        return f"p={self.p}"
