import secrets
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedlens.kernels.stack import Drop, Stack
from fedlens.models.dense import DenseStack, dense_layers
from fedlens.models.dropout import Dropout
from fedlens.models.mapped import MappedStack, find_drops
from fedlens.models.network import Network
from fedlens.models.stacking import find_stack

COPIES, SAMPLES = 3, 5

DENSE: dict[str, Callable[[], nn.Module]] = {
    "one layer": lambda: nn.Sequential(nn.Linear(6, 4)),
    "flattened": lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 4)),
    "linear in linear": lambda: nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4)),
    "rectified": lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 4)),
    "dropout": lambda: nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), Dropout(0.5), nn.Linear(5, 7), nn.ReLU(), Dropout(0.3), nn.Linear(7, 4)
    ),
    "mixed": lambda: nn.Sequential(
        nn.Linear(6, 5),
        nn.ReLU(),
        Dropout(0.0),
        nn.Linear(5, 7),
        nn.Linear(7, 3),
        nn.ReLU(),
        Dropout(0.75),
        nn.Linear(3, 4),
    ),
}

OTHER: dict[str, Callable[[], nn.Module]] = {
    "other activation": lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), Dropout(0.5), nn.Linear(5, 4)),
    "no bias": lambda: nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 4)),
    "dropout of inputs": lambda: nn.Sequential(Dropout(0.5), nn.Linear(6, 4)),
    "dropout without ReLU": lambda: nn.Sequential(nn.Linear(6, 5), Dropout(0.5), nn.Linear(5, 4)),
    "rectified logits": lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU()),
    "normalised": lambda: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 4)),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(6, 5), nn.ReLU()), nn.Linear(5, 4)),
    "an activation used twice": lambda: two_by(nn.Tanh()),
    "tied parameters": lambda: tied(nn.Linear(6, 6), nn.Linear(6, 6)),
}


def tied(first: nn.Linear, second: nn.Linear) -> nn.Module:
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(6, 4))


def two_by(activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), activation, nn.Linear(5, 5), activation, nn.Linear(5, 4))


def twice(layer: nn.Module) -> nn.Module:
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(6, 4))


def network(make: Callable[[], nn.Module]) -> Network:
    torch.manual_seed(0)
    return Network(make().double())


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def masks_for(drops: Sequence[Drop]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(2, (COPIES, SAMPLES, *drop.shape), generator=generator).double() for drop in drops]


def check(net: Network, stack: Stack) -> None:
    """Compare a stack's gradients at different weights with those that autograd finds for a copy after the other."""
    x, y = drawn(COPIES, SAMPLES, 6), torch.tensor([[0, 1, 2, 3, 0]] * COPIES)
    masks = masks_for(stack.drops)
    stack.vector += 0.3 * drawn(*stack.vector.shape)
    weights = stack.trained().clone()
    assert weights.shape == (COPIES, len(net.vector))
    for rows in (slice(0, 2), slice(2, 3)):
        stack.backward(rows, x[rows], y[rows], [mask[rows] for mask in masks])
    stack.vector -= stack.gradient  # so that the gradients can be read in the layout's order
    gradients = weights - stack.trained()
    dropouts = [layer for layer in net.module.modules() if isinstance(layer, Dropout)]
    for copy in range(COPIES):
        net.load(weights[copy])
        net.module.train()
        ready = iter([mask[copy] / drop.coin.probability for mask, drop in zip(masks, stack.drops, strict=True)])
        for dropout in dropouts:
            dropout.ready = ready
        functional.cross_entropy(net.module(x[copy]), y[copy]).backward()
        torch.testing.assert_close(gradients[copy], net.gradient, rtol=0, atol=1e-12)
        assert net.gradient.abs().max() > 0.01
        assert next(ready, None) is None
        for dropout in dropouts:
            dropout.ready = None


@pytest.mark.parametrize("name", DENSE)
def test_the_derivatives_that_are_written_out_are_those_of_autograd(name: str) -> None:
    net = network(DENSE[name])
    stack = find_stack(net, (6,))(net, net.vector.detach(), COPIES)
    assert isinstance(stack, DenseStack)
    assert torch.equal(stack.trained(), net.vector.detach().expand(COPIES, -1))
    check(net, stack)


@pytest.mark.parametrize("name", [*DENSE, *OTHER])
def test_the_derivatives_of_a_mapped_network_are_those_of_autograd(name: str) -> None:
    net = network((DENSE | OTHER)[name])
    check(net, MappedStack(find_drops(net, (6,)), net, net.vector.detach(), COPIES))


@pytest.mark.parametrize("name", OTHER)
def test_other_networks_are_mapped(name: str) -> None:
    net = network(OTHER[name])
    assert dense_layers(net.module, (6,)) is None
    assert isinstance(find_stack(net, (6,))(net, net.vector.detach(), COPIES), MappedStack)


def test_inputs_of_several_dimensions_are_flattened() -> None:
    net = network(lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)))
    x, y = drawn(1, SAMPLES, 1, 2, 3), torch.tensor([[0, 1, 2, 3, 0]])
    stack = find_stack(net, (1, 2, 3))(net, net.vector.detach(), 1)
    stack.backward(slice(0, 1), x, y, [])
    stack.vector -= stack.gradient
    functional.cross_entropy(net.module(x[0]), y[0]).backward()
    torch.testing.assert_close(net.vector.detach() - stack.trained()[0], net.gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [DENSE["dropout"], OTHER["other activation"]])
def test_a_narrowed_stack_goes_on_with_its_first_copies(make: Callable[[], nn.Module]) -> None:
    net = network(make)
    stack = find_stack(net, (6,))(net, net.vector.detach(), COPIES)
    stack.narrow(1)
    stack.vector += 1
    assert stack.vector.shape == stack.gradient.shape
    assert len(stack.vector) == 1
    trained = stack.trained() - net.vector.detach()
    assert torch.allclose(trained[0], torch.ones_like(trained[0]))
    assert torch.equal(trained[1:], torch.zeros_like(trained[1:]))


@pytest.mark.parametrize("make", [DENSE["dropout"], OTHER["other activation"]])
def test_the_weights_given_are_not_changed(make: Callable[[], nn.Module]) -> None:
    net = network(make)
    weights = net.vector.detach().clone()
    stack = find_stack(net, (6,))(net, weights, 1)
    stack.vector += 1
    assert torch.equal(weights, net.vector.detach())


def test_calls_of_dropout_are_found_in_their_order_with_their_shapes() -> None:
    net = network(
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 2),
            Dropout(0.25),
            nn.Flatten(),
            Dropout(0.0),
            nn.Linear(8, 3),
            Dropout(0.5),
            nn.Linear(3, 4),
        )
    )
    drops = find_drops(net, (1, 3, 3))
    assert [(drop.coin.probability, drop.shape) for drop in drops] == [(0.75, (2, 2, 2)), (0.5, (3,))]
    assert not any(layer._forward_pre_hooks for layer in net.module.modules())
    assert not net.module.training


class Unpredictable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * float(x.sum())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 4)), "random"),
        (lambda: nn.Sequential(Unpredictable(), nn.Linear(6, 4)), "item"),
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), "training changes buffers of it .1.running_mean"),
        (lambda: twice(nn.Linear(6, 6)), "used twice"),
        (lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Flatten(0, 1), Dropout(0.5), nn.Linear(3, 4)), "6 rows"),
    ],
)
def test_what_cannot_be_stacked_is_said(make: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        find_stack(network(make), (6,))


def test_frozen_parameters_are_no_part_of_a_stack() -> None:
    module = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 4))
    module[0].requires_grad_(False)
    net = network(lambda: module)
    assert [part.name for part in net.layout.slices] == ["2.weight", "2.bias"]
    stack = find_stack(net, (6,))(net, net.vector.detach(), COPIES)
    assert isinstance(stack, MappedStack)
    check(net, stack)


def test_tokens_are_embedded_in_a_stack() -> None:
    net = network(lambda: nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(12, 4)))
    make = find_stack(net, (4,), torch.int64)
    tokens, y = torch.arange(24).view(2, 3, 4) % 5, torch.tensor([[0, 1, 2], [3, 2, 1]])
    stack = make(net, net.vector.detach(), 2)
    stack.backward(slice(0, 2), tokens, y, [])
    for copy in range(2):
        net.backward(tokens[copy], y[copy])
        torch.testing.assert_close(stack.gradient[copy], net.gradient, rtol=1e-5, atol=1e-6)


def test_a_hooked_layer_is_not_overlooked() -> None:
    net = network(DENSE["rectified"])
    net.module[0].register_forward_hook(lambda layer, inputs, out: 2 * out)
    stack = find_stack(net, (6,))(net, net.vector.detach(), COPIES)
    assert isinstance(stack, MappedStack)
    check(net, stack)


@pytest.mark.parametrize("make", [DENSE["rectified"], OTHER["other activation"]])
def test_hooks_of_parameters_are_not_overlooked(make: Callable[[], nn.Module]) -> None:
    net = network(make)
    next(net.module.parameters()).register_hook(lambda gradient: 0 * gradient)
    with pytest.raises(ValueError, match="hooks"):
        find_stack(net, (6,))


def test_a_linear_layer_that_would_refuse_an_input_is_not_written_out() -> None:
    module = nn.Sequential(nn.Linear(6, 4))
    assert dense_layers(module, (6,)) is not None
    assert dense_layers(module, (2, 3)) is None
    assert dense_layers(nn.Sequential(nn.Flatten(), *module), (2, 3)) is not None


class Remembers(nn.Module):
    """Keeps a parameter where `torch.func` does not find it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 4)
        self.kept = [self.layer.weight]

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kept[0].T


class Draws(nn.Module):
    """Draws from a generator that `torch.func` does not know of."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.from_numpy(np.random.default_rng(secrets.randbits(64)).random(x.shape[-1]))


class Pairs(nn.Module):
    """Wants an even number of samples."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) % 2:
            raise TypeError("odd")
        return x


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Sequential(Remembers()), "another gradient"),
        (lambda: nn.Sequential(Draws(), nn.Linear(6, 4)), "another gradient"),
        (lambda: nn.Sequential(Pairs(), nn.Linear(6, 4)), "odd"),
    ],
)
def test_what_would_be_stacked_wrongly_is_refused(make: Callable[[], nn.Module], words: str) -> None:
    net = network(make)
    before = net.vector.detach().clone()
    with pytest.raises(ValueError, match=words):
        find_stack(net, (6,))
    assert torch.equal(net.vector.detach(), before)
