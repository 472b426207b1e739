"""A stack of dense networks gives each copy the bits that it would have alone."""

import pytest
import torch

from fedlens.models.dense import DenseStack, dense_layers
from fedlens.models.mlp import CensusMlp
from fedlens.models.network import Network

COPIES = 5


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("features", [13, 64, 104])
@pytest.mark.parametrize("batch", [1, 2, 9, 16, 50])
def test_the_bits_do_not_depend_on_where_in_the_stack_a_copy_is(batch: int, features: int, classes: int) -> None:
    """On AVX2, products whose operands begin elsewhere in a cache line are rounded differently."""
    module = CensusMlp().build((features,), classes)
    network = Network(module)
    layers = dense_layers(module, (features,))
    assert layers is not None
    source = torch.Generator().manual_seed(0)
    x = torch.randn(COPIES, batch, features, generator=source)
    y = torch.randint(0, classes, (COPIES, batch), generator=source)
    masks = [(torch.rand(COPIES, batch, 256, generator=source) > 0.5).float() for _ in range(2)]

    def gradients(first: int, last: int) -> torch.Tensor:
        stack = DenseStack(layers, network, network.vector.detach(), last - first)
        own = slice(first, last)
        stack.backward(slice(0, last - first), x[own].clone(), y[own], [mask[own].clone() for mask in masks])
        return stack.gradient

    every = gradients(0, COPIES)
    for first in range(COPIES):
        for last in range(first + 1, COPIES + 1):
            assert torch.equal(gradients(first, last), every[first:last]), (first, last)
