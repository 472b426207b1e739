"""The model as a function, for stages that ask it something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.core.random import Address

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_INPUTS, BLOCK_ENTRIES = 1000, 2**21


@dataclass(frozen=True)
class Forward:
    """The model as a function of its parameters and of inputs.

    Attributes:
        shape: of one input.
        answers: gives log-probabilities, shape ``[s, classes]``, for parameters (``[d]``) and inputs (``[s, *shape]``).

    Example:
        >>> import torch
        >>> from fedlens.defences import Forward
        >>> forward = Forward((2,), lambda weights, x: (x @ weights.view(2, 3)).log_softmax(dim=1))
        >>> forward.answers(torch.zeros(6), torch.ones(4, 2)).exp()[0]
        tensor([0.3333, 0.3333, 0.3333])
    """

    shape: tuple[int, ...]
    answers: Callable[[Tensor, Tensor], Tensor]

    def random_inputs(self, count: int, address: Address, like: Tensor) -> Iterator[Tensor]:
        """Yield `count` inputs of independent draws from [0, 1), in blocks, of the type and on the device of `like`."""
        generator, block = address.generator(), max(min(BLOCK_INPUTS, BLOCK_ENTRIES // prod(self.shape)), 1)
        for start in range(0, count, block):
            drawn = generator.random((min(block, count - start), *self.shape))
            yield torch.from_numpy(drawn).to(like)
