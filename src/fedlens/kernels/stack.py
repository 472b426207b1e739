"""Copies of a network that train side by side, as stacked tensors.

A client's training is the same mathematics as its neighbour's, on other data: n clients are n rows. One operation for
all rows costs less than n operations, where calling an operation takes longer than doing it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from fedlens.kernels.coin import Coin
from fedlens.kernels.loss import PLAIN, Criterion


@dataclass(frozen=True)
class Drop:
    """A call of dropout within a network.

    Attributes:
        coin: decides which entries are kept.
        shape: of what comes in for one sample.
    """

    coin: Coin
    shape: tuple[int, ...]


class Stack(Protocol):
    """Several copies of a network, of which the first few may go on training while the others are done.

    Attributes:
        drops: the calls of dropout, in their order.
        vector: the weights of the copies that go on, a row each, in an order of the stack's own, which may leave gaps.
        gradient: the loss's gradients at these, in the same order.
    """

    drops: Sequence[Drop]
    vector: Tensor
    gradient: Tensor

    def narrow(self, count: int) -> None:
        """Let only the first `count` copies go on."""

    def backward(
        self, rows: slice, x: Tensor, y: Tensor, masks: Sequence[Tensor], criterion: Criterion = PLAIN
    ) -> None:
        """Leave the gradients of k copies' losses in `gradient`.

        Args:
            rows: the k copies.
            x: their inputs, shape ``[k, b, ...]``.
            y: the classes, or of a regression the quantities, shape ``[k, b]``.
            masks: zeros and ones for each of the `drops`, shape ``[k, b, *shape]``, of the inputs' type.
            criterion: the loss.
        """

    def trained(self) -> Tensor:
        """Return the weights of all copies, finished ones included, shape ``[n, d]``, in the layout's order."""
