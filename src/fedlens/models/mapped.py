"""A stack of any network that PyTorch can map over its parameters (`torch.func`)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from fedlens.models.dropout import Dropout
from fedlens.models.network import Network
from fedlens.models.stack import Drop


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
        scaled = tuple(mask / drop.coin.probability for mask, drop in zip(masks, self.drops, strict=True))
        self._gradients[rows] = vmap(grad(self._loss))(self._weights[rows], x, y, scaled)

    def trained(self) -> Tensor:
        """See `Stack.trained`."""
        return self._weights

    def _loss(self, weights: Tensor, x: Tensor, y: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        """One copy's mean cross-entropy at `weights` (shape ``[d]``), with these masks in its calls of dropout."""
        module = self._network.module
        with ready(module, iter(masks)):
            return functional.cross_entropy(functional_call(module, self._network.layout.split(weights), (x,)), y)


@contextmanager
def ready(module: nn.Module, masks: Iterator[Tensor]) -> Iterator[None]:
    """Train `module` with masks that were drawn before."""
    dropouts = [layer for layer in module.modules() if isinstance(layer, Dropout)]
    module.train()
    for dropout in dropouts:
        dropout.ready = masks
    try:
        yield
    finally:
        module.eval()
        for dropout in dropouts:
            dropout.ready = None


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

    dropouts = [layer for layer in network.module.modules() if isinstance(layer, Dropout)]
    hooks = [layer.register_forward_pre_hook(note) for layer in dropouts]
    try:
        with torch.no_grad(), ready(network.module, repeat(network.vector.new_ones(()))):
            network.module(network.vector.new_zeros(samples, *shape))
    finally:
        for hook in hooks:
            hook.remove()
    return found
