"""A stack of any network that PyTorch can map over its parameters (`torch.func`)."""

from collections.abc import Sequence
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from fedlens.kernels.stack import Drop
from fedlens.models.dropout import Dropout
from fedlens.models.network import Network


class MappedStack:
    """See the module; the gradients are PyTorch's own."""

    def __init__(self, drops: Sequence[Drop], network: Network, weights: Tensor, count: int) -> None:
        self.drops = drops
        self._network = network
        self._weights = weights.repeat(count, 1)
        self._gradients = torch.empty_like(self._weights)
        self.narrow(count)

    def narrow(self, count: int) -> None:
        """See `Stack.narrow`."""
        self.vector, self.gradient = self._weights[:count], self._gradients[:count]

    def backward(self, rows: slice, x: Tensor, y: Tensor, masks: Sequence[Tensor]) -> None:
        """See `Stack.backward`."""
        self._gradients[rows] = vmap(grad(self._loss))(self._weights[rows], x, y, scaled(masks, self.drops))

    def trained(self) -> Tensor:
        """See `Stack.trained`."""
        return self._weights

    def _loss(self, weights: Tensor, x: Tensor, y: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        """One copy's mean cross-entropy at `weights` (shape ``[d]``), with these masks in its calls of dropout."""
        parameters = self._network.layout.split(weights)
        with self._network.training_with(iter(masks)):
            return functional.cross_entropy(functional_call(self._network.module, parameters, (x,)), y)


def scaled(masks: Sequence[Tensor], drops: Sequence[Drop]) -> tuple[Tensor, ...]:
    """Masks of zeros and ones as dropout applies them: divided by the probability of keeping."""
    return tuple(mask / drop.coin.probability for mask, drop in zip(masks, drops, strict=True))


def find_drops(network: Network, shape: tuple[int, ...]) -> list[Drop]:
    """The calls of dropout when `network` trains on samples of this shape, in their order.

    Raises:
        ValueError: a call's input is not a sample a row.
    """
    found: list[Drop] = []
    samples = 3

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, Dropout)
        rows, *rest = inputs[0].shape
        if rows != samples:
            raise ValueError(f"dropout gets {rows} rows where there are {samples} samples")
        if layer.p > 0:
            found.append(Drop(layer.coin, tuple(rest)))

    hooks = [layer.register_forward_pre_hook(note) for layer in network.dropouts]
    try:
        with torch.no_grad(), network.training_with(repeat(network.vector.new_ones(()))):
            network.module(network.vector.new_zeros(samples, *shape))
    finally:
        for hook in hooks:
            hook.remove()
    return found
