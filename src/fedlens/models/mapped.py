"""A stack of any network that PyTorch can map over its parameters (`torch.func`)."""

from collections.abc import Sequence
from functools import partial
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from typing_extensions import override

from fedlens.kernels.loss import PLAIN, Criterion
from fedlens.kernels.stack import Drop, Stack
from fedlens.models.dropout import Dropout, coin_of
from fedlens.models.network import Network


class MappedStack(Stack):
    """A stack whose gradients are PyTorch's own."""

    def __init__(self, drops: Sequence[Drop], network: Network, weights: Tensor, count: int) -> None:
        self.drops = drops
        self._network = network
        self._weights = weights.repeat(count, 1)
        self._layout = network.layout.parameters
        self._gradients = torch.empty_like(self._weights)
        self.narrow(count)

    @override
    def narrow(self, count: int) -> None:
        self.vector, self.gradient = self._weights[:count], self._gradients[:count]

    @override
    def backward(
        self, rows: slice, x: Tensor, y: Tensor, masks: Sequence[Tensor], criterion: Criterion = PLAIN
    ) -> None:
        loss = partial(self._loss, criterion)
        self._gradients[rows] = vmap(grad(loss))(self._weights[rows], x, y, scaled(masks, self.drops))

    @override
    def trained(self) -> Tensor:
        return self._weights

    def _loss(self, criterion: Criterion, weights: Tensor, x: Tensor, y: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        """Compute one copy's loss at `weights` (``[d]``), with these masks in its calls of dropout."""
        parameters = self._layout.split(weights)
        with self._network.training_with(iter(masks)):
            return criterion(functional_call(self._network.module, parameters, (x,)), y)


def scaled(masks: Sequence[Tensor], drops: Sequence[Drop]) -> tuple[Tensor, ...]:
    """Divide masks of zeros and ones by the probability of keeping, as dropout does."""
    return tuple(mask / drop.coin.probability for mask, drop in zip(masks, drops, strict=True))


def find_drops(network: Network, shape: tuple[int, ...], kind: torch.dtype | None = None) -> list[Drop]:
    """Return the calls of dropout when `network` trains on samples of this shape and type, in order.

    Raises:
        ValueError: a call's input does not have one row per sample.
    """
    drops: list[Drop] = []
    samples = 3

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, Dropout)
        rows, *rest = inputs[0].shape
        if rows != samples:
            raise ValueError(f"dropout gets {rows} rows where there are {samples} samples")
        if layer.p > 0:
            drops.append(Drop(coin_of(layer), tuple(rest)))

    hooks = [layer.register_forward_pre_hook(note) for layer in network.dropouts]
    try:
        with torch.no_grad(), network.training_with(repeat(network.vector.new_ones(()))):
            network.module(network.vector.new_zeros(samples, *shape).to(kind or network.vector.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return drops
