"""The choice of a stack for a network."""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor

from fedlens.core.random import Address, global_states, seeded
from fedlens.kernels.stack import Drop, Stack
from fedlens.models.dense import DenseStack, dense_layers
from fedlens.models.hooks import gradients_hooked
from fedlens.models.mapped import MappedStack, find_drops, scaled
from fedlens.models.mixed_precision import MixedPrecision
from fedlens.models.network import Network

MakeStack = Callable[[Network, Tensor, int], Stack]
"""Makes a stack from a network, the weights (shape ``[d]``) that every copy begins with, and their number."""


def find_stack(network: Network, shape: tuple[int, ...], kind: torch.dtype | None = None) -> MakeStack:
    """Return a function that stacks copies of `network`, which takes samples of this shape; try it out.

    Args:
        network: the network.
        shape: of a sample.
        kind: the type of its entries; by default that of the network's parameters.

    Raises:
        ValueError: the network cannot be stacked; the message says why.
    """
    if running := network.layout.buffers.slices:
        raise ValueError(f"training changes buffers of it ({running[0].name}), which every client has to itself")
    if isinstance(network.module, MixedPrecision):
        raise ValueError("it trains in mixed precision, in which clients side by side round otherwise than alone")
    trainable = [layer for _, layer in network.module.named_modules(remove_duplicate=False) if layer._parameters]
    if len(trainable) > len(set(trainable)):
        raise ValueError("a layer is used twice, and torch.func would not give it back its own parameters")
    if gradients_hooked(network.module):
        raise ValueError("its parameters have hooks, which a stack would not call")
    if (layers := dense_layers(network.module, shape)) is not None:
        make: MakeStack = partial(DenseStack, layers)
        return make
    try:
        with seeded(Address.root(0)):
            before = global_states()
            drops = find_drops(network, shape, kind)
            if global_states() != before:
                raise ValueError("it draws random numbers (for dropout, take fedlens.models.dropout.Dropout)")
            make = partial(MappedStack, drops)
            _try_out(make, network, drops, _inputs(network, shape, kind))
    except Exception as error:
        raise ValueError(str(error).splitlines()[0].partition(". ")[0] if str(error) else repr(error)) from error
    return make


def _inputs(network: Network, shape: tuple[int, ...], kind: torch.dtype | None) -> Tensor:
    """Return two samples for each of two copies, shape ``[2, 2, *shape]``; whole numbers are 0, as what is embedded."""
    like = network.vector.detach()
    kind = kind or like.dtype
    x = torch.arange(4 * prod(shape), device=like.device).to(like).sin().view(2, 2, *shape)
    return x.to(kind) if kind.is_floating_point else torch.zeros_like(x, dtype=kind)


def _try_out(make: MakeStack, network: Network, drops: Sequence[Drop], x: Tensor) -> None:
    """Take the gradients of two copies at two samples each, and compare them with the network's own.

    Raises:
        ValueError: they differ, so that the network does not depend on its parameters and inputs alone.
    """
    weights, rows = network.vector.detach().clone(), slice(0, 2)
    y = torch.zeros(2, 2, dtype=weights.dtype if network.regression else torch.long, device=weights.device)
    masks = [weights.new_ones(2, 2, *drop.shape) for drop in drops]
    stack = make(network, weights, 2)
    stack.backward(rows, x.clone(), y, masks, network.plain)
    for copy in range(2):
        with network.training_with(mask[copy] for mask in scaled(masks, drops)):
            network.backward(x[copy], y[copy])
        gap = (stack.gradient[copy] - network.gradient).abs().max()
        if not gap <= 1e-3 * network.gradient.abs().max():
            raise ValueError("torch.func finds another gradient of it than autograd")
    network.load(weights)
