"""Random bits that are 1 with a given probability, from whole words of fair ones.

For a probability with the binary expansion 0.b₁b₂…bₖ, k planes of fair bits r are folded from the last digit to the
first: ``m ← r | m`` for a one, ``m ← r & m`` for a zero; each entry of m is then 1 with exactly that probability. One
plane serves p = 0.5, two serve p = 0.25. Deviation: the probability is rounded to 16 binary digits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIGITS = 16


@dataclass(frozen=True)
class Coin:
    """A coin that shows 1 with probability ``numerator / 2**digits``; without digits it always shows `numerator`."""

    numerator: int
    digits: int

    @classmethod
    def of(cls, probability: float) -> "Coin":
        """Return the coin whose probability is nearest, with at most 16 binary digits."""
        numerator, digits = round(probability * 2**DIGITS), DIGITS
        while digits > 0 and numerator % 2 == 0:
            numerator, digits = numerator // 2, digits - 1
        return cls(numerator, digits)

    @property
    def probability(self) -> float:
        """The probability of a 1."""
        return self.numerator / (1 << self.digits)

    def words(self, count: int) -> int:
        """Return the number of 64-bit words of fair bits that `count` tosses take."""
        return self.digits * -(-count // 64)

    def toss(self, generator: np.random.Generator, count: int) -> NDArray[np.uint8]:
        """Toss `count` times; zeros and ones, shape ``[count]``."""
        return self.read(generator.bit_generator.random_raw(self.words(count)), count)

    def read(self, raw: NDArray[np.uint64], count: int) -> NDArray[np.uint8]:
        """Read `count` tosses, shape ``[..., count]``, from fair words of shape ``[..., words]``."""
        if self.digits == 0:
            return np.full((*raw.shape[:-1], count), self.numerator, dtype=np.uint8)
        planes = raw.reshape(*raw.shape[:-1], self.digits, -1)
        mask = planes[..., 0, :]  # the last digit is a one: r | 0
        for digit in range(1, self.digits):
            plane = planes[..., digit, :]
            mask = plane | mask if self.numerator >> digit & 1 else plane & mask
        return np.unpackbits(np.ascontiguousarray(mask).view(np.uint8), axis=-1, count=count)
