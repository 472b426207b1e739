from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from fedlens.core.layout import flatten
from fedlens.core.random import Address
from fedlens.models.dropout import Dropout
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining

ADDRESS = Address.root(4)


def module() -> nn.Module:
    """A convolution, a dense layer and dropout on images of 4 × 4, with 3 classes, in float64: 47 parameters."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), Dropout(0.5), nn.Linear(8, 2), nn.Tanh(), nn.Linear(2, 3)]
    return nn.Sequential(*layers).double()


def samples(count: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, 1, 4, 4, dtype=torch.float64, generator=generator)
    return x, torch.randint(3, (count,), generator=generator)


def test_binding_keeps_the_weights() -> None:
    plain = module()
    x, _ = samples()
    network = Network(deepcopy(plain))
    assert torch.equal(network.vector.detach(), flatten(plain))
    torch.testing.assert_close(network.module.eval()(x), plain.eval()(x), rtol=0, atol=1e-12)
    assert network.vector.shape == network.gradient.shape == (network.layout.size,) == (20 + 18 + 9,)
    assert network.vector.dtype == torch.float64


def test_vector_and_parameters_share_memory_both_ways() -> None:
    network = Network(module())
    with torch.no_grad():
        network.vector.copy_(torch.arange(47.0))
    assert torch.equal(flatten(network.module), torch.arange(47.0, dtype=torch.float64))
    for part, parameter in zip(network.layout.slices, network.module.parameters(), strict=True):
        with torch.no_grad():
            parameter.fill_(-part.start)
        assert network.vector[part.start : part.stop].unique().tolist() == [-part.start]
        assert parameter.data_ptr() == network.vector[part.start :].data_ptr()


def test_gradient_and_parameters_gradients_share_memory() -> None:
    network = Network(module().eval())
    network.backward(*samples())
    for part, parameter in zip(network.layout.slices, network.module.parameters(), strict=True):
        assert parameter.grad is not None
        assert parameter.grad.data_ptr() == network.gradient[part.start :].data_ptr()
    assert network.vector.grad is network.gradient


def test_gradient_is_that_of_a_plain_module() -> None:
    plain = module().eval()
    network = Network(deepcopy(plain))
    x, y = samples()
    loss = functional.cross_entropy(plain(x), y)
    expected = torch.cat([gradient.reshape(-1) for gradient in torch.autograd.grad(loss, list(plain.parameters()))])
    told = network.backward(x, y)
    torch.testing.assert_close(network.gradient, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(told, loss.detach(), rtol=0, atol=1e-12)
    assert not told.requires_grad
    assert expected.abs().min() > 1e-6


def test_gradients_do_not_add_up() -> None:
    network = Network(module().eval())
    network.backward(*samples())
    once = network.gradient.clone()
    network.backward(*samples())
    assert torch.equal(network.gradient, once)


def test_gradient_by_hand() -> None:
    network = Network(nn.Linear(1, 2).double())
    network.load(torch.zeros(4, dtype=torch.float64))
    loss = network.backward(torch.tensor([[1.0], [3.0]], dtype=torch.float64), torch.tensor([0, 0]))
    # Both classes have probability ½: each logit's derivative is ∓½, times the mean input 2 for the weights.
    assert network.gradient.tolist() == pytest.approx([-1.0, 1.0, -0.5, 0.5])
    assert float(loss) == pytest.approx(0.6931471805599453)


def per_layer_adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01)


def per_layer_sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.01)


@pytest.mark.parametrize(("name", "make"), [("adam", per_layer_adam), ("sgd", per_layer_sgd)])
def test_one_vector_is_optimised_like_a_parameter_a_layer(
    name: str, make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
) -> None:
    plain = module().eval()
    network = Network(deepcopy(plain))
    ours = LocalTraining.model_validate({"optimizer": name, "learning_rate": 0.01}).new_optimizer(network)
    theirs = make(list(plain.parameters()))
    x, y = samples(20)
    start = flatten(plain)
    for step in range(8):
        batch = slice(2 * step, 2 * step + 4)
        network.backward(x[batch], y[batch])
        ours.step()
        theirs.zero_grad()
        functional.cross_entropy(plain(x[batch]), y[batch]).backward()
        theirs.step()
        torch.testing.assert_close(network.vector.detach(), flatten(plain), rtol=0, atol=1e-12)
    assert (network.vector.detach() - start).abs().min() > 1e-6


@given(st.integers(0, 1_000))
def test_load_takes_on_the_weights_and_forgets_the_gradient(seed: int) -> None:
    network = Network(module().eval())
    network.backward(*samples())
    assert network.gradient.any()
    weights = torch.randn(47, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    network.load(weights)
    assert torch.equal(network.vector.detach(), weights)
    assert torch.equal(flatten(network.module), weights)
    assert not network.gradient.any()
    assert not any(parameter.grad is None or parameter.grad.any() for parameter in network.module.parameters())


def test_load_copies() -> None:
    network = Network(module())
    weights = torch.zeros(47, dtype=torch.float64)
    network.load(weights)
    weights.fill_(1)
    assert not network.vector.any()


def test_log_probabilities() -> None:
    network = Network(module())
    x, _ = samples()
    network.module.train()
    rows = network.log_probabilities(x)
    assert rows.shape == (5, 3)
    assert not rows.requires_grad
    assert not network.module.training
    torch.testing.assert_close(rows.exp().sum(1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(rows, functional.log_softmax(network.module.eval()(x), 1).detach())


# Training


def state(network: Network) -> tuple[bytes, list[bool], list[object]]:
    modules = list(network.module.modules())
    sources = [layer.source for layer in modules if isinstance(layer, Dropout)]
    return torch.get_rng_state().numpy().tobytes(), [layer.training for layer in modules], sources


def test_training_turns_dropout_on_and_off_again() -> None:
    network = Network(module().eval())
    before = state(network)
    with network.training(ADDRESS):
        assert all(layer.training for layer in network.module.modules())
        assert network.module[3].source is not None
        torch.rand(10)
    assert state(network) == before
    assert before[1:] == ([False] * 8, [None])


def test_an_error_in_training_leaves_nothing_behind() -> None:
    network = Network(module().eval())
    before = state(network)
    with pytest.raises(ZeroDivisionError), network.training(ADDRESS):  # noqa: PT012
        torch.rand(10)
        raise ZeroDivisionError
    assert state(network) == before


def masks(network: Network, address: Address) -> Tensor:
    with network.training(address):
        return torch.cat([network.module[3](torch.ones(40)), torch.rand(10), network.module[3](torch.ones(40))])


def test_training_draws_by_its_address() -> None:
    network = Network(module())
    torch.manual_seed(1)
    first = masks(network, ADDRESS)
    torch.manual_seed(2)
    assert torch.equal(first, masks(Network(module()), ADDRESS))
    assert not torch.equal(first, masks(network, ADDRESS.at("other")))
    assert not torch.equal(first[:40], first[50:])


def test_two_layers_of_dropout_have_different_masks() -> None:
    network = Network(nn.Sequential(nn.Linear(1, 1), Dropout(0.5), Dropout(0.5)))
    with network.training(ADDRESS):
        assert not torch.equal(network.module[1](torch.ones(100)), network.module[2](torch.ones(100)))
