"""Which stack a network gets."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from fedlens.models.dense import DenseStack, dense_layers
from fedlens.models.mapped import MappedStack, find_drops
from fedlens.models.network import Network
from fedlens.models.stack import Drop, Stack

MakeStack = Callable[[Network, Tensor, int], Stack]
"""Makes a stack from a network, the weights (shape ``[d]``) that every copy begins with, and their number."""


def find_stack(network: Network, shape: tuple[int, ...]) -> MakeStack:
    """What stacks copies of `network`, which takes samples of this shape; it is tried out.

    Raises:
        ValueError: it cannot be stacked; the message says why.
    """
    if not all(parameter.requires_grad for parameter in network.module.parameters()):
        raise ValueError("some of its parameters are frozen")
    trained = [layer for _, layer in network.module.named_modules(remove_duplicate=False) if layer._parameters]
    if len(trained) > len(set(trained)):
        raise ValueError("a layer is used twice, and torch.func would not give it back its own parameters")
    if (layers := dense_layers(network.module)) is not None:
        make: MakeStack = partial(DenseStack, layers)
        return make
    drops = find_drops(network, shape)
    make = partial(MappedStack, drops)
    _try_out(make, network, drops, shape)
    return make


def _try_out(make: MakeStack, network: Network, drops: Sequence[Drop], shape: tuple[int, ...]) -> None:
    """Take the gradients of two copies at two samples each.

    Raises:
        ValueError: PyTorch cannot map the network over its parameters.
    """
    weights = network.vector.detach()
    x = weights.new_zeros(2, 2, *shape)
    masks = [weights.new_ones(2, 2, *drop.shape) for drop in drops]
    try:
        make(network, weights, 2).backward(slice(0, 2), x, torch.zeros(2, 2, dtype=torch.long, device=x.device), masks)
    except (RuntimeError, NotImplementedError) as error:
        raise ValueError(str(error).splitlines()[0].partition(". ")[0]) from error
