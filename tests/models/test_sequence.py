from collections.abc import Iterator
from copy import deepcopy
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from fedlens.core.layout import flatten
from fedlens.core.random import Address
from fedlens.kernels import stage
from fedlens.kernels.patches import Patches
from fedlens.kernels.stage import Stage
from fedlens.kernels.winograd import Winograd
from fedlens.models import sequence
from fedlens.models.cnn import PaperCnn, SmallCnn, TinyCnn
from fedlens.models.dropout import Dropout
from fedlens.models.model import Model, glorot_uniform
from fedlens.models.network import build
from fedlens.models.sequence import Sequence

ROOT = Address.root(3)
MODELS = [PaperCnn(), SmallCnn(), TinyCnn()]
SHAPES = [(1, 28, 28), (3, 17, 22), (1, 16, 19), (3, 21, 16)]


@pytest.fixture(autouse=True)
def _whole_batches() -> Iterator[None]:
    """Undo what `in_parts` did."""
    entries = stage._ENTRIES
    yield
    stage._ENTRIES = entries


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[type, bool]]:
    """The kernels and the pooling of all stages that are computed."""
    stages: list[tuple[type, bool]] = []
    compute = Stage.__call__

    def note(self: Stage, *args: Tensor, **kwargs: Tensor) -> Tensor:
        stages.append((self.make, self.pool))
        return compute(self, *args, **kwargs)

    monkeypatch.setattr(Stage, "__call__", note)
    return stages


def network(model: Model, shape: tuple[int, ...]) -> Sequence:
    """In float64, in evaluation mode, with biases that are not 0."""
    module = build(model, shape, 4, ROOT).double().eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() == 1:
                parameter.copy_(torch.rand(parameter.shape, dtype=torch.float64, generator=generator) * 0.2 - 0.1)
    assert isinstance(module, Sequence)
    return module


def images(count: int, shape: tuple[int, ...], seed: int = 1) -> Tensor:
    return torch.rand(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gradients(module: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The logits, and the gradients of a loss that treats every sample and class differently."""
    module.zero_grad()
    logits = module(x)
    weights = torch.linspace(-1, 1, logits.numel(), dtype=x.dtype).view_as(logits)
    (functional.log_softmax(logits, 1) * weights).sum().backward()
    return logits.detach(), {name: parameter.grad.clone() for name, parameter in module.named_parameters()}


def check(module: nn.Module, x: Tensor, tolerance: float = 1e-12) -> dict[str, Tensor]:
    """Compare values and gradients with the plain module's, relative to each tensor's greatest entry."""
    logits, ours = gradients(module, x)
    expected, theirs = gradients(nn.Sequential(*module), x)
    with torch.no_grad():
        evaluated = module(x)
    assert ours.keys() == theirs.keys()
    for told, true in [(logits, expected), (evaluated, expected), *((ours[name], theirs[name]) for name in ours)]:
        assert told.shape == true.shape
        assert (told - true).abs().max() <= tolerance * max(1, true.abs().max())
    return ours


# Equality with the plain module


@pytest.mark.parametrize(("model", "shape"), list(product(MODELS, SHAPES)))
@pytest.mark.parametrize(("count", "entries"), [(1, 2**19), (7, 2**19), (7, 3 * 2**14)])
def test_values_and_gradients_are_the_plain_modules(
    model: Model, shape: tuple[int, ...], count: int, entries: int, made: list[tuple[type, bool]]
) -> None:
    stage._ENTRIES = entries
    found = check(network(model, shape), images(count, shape))
    assert all(gradient.abs().max() > 1e-4 for gradient in found.values())
    expected = {"PaperCnn": [(Patches, False), (Winograd, False)], "SmallCnn": [(Patches, True), (Winograd, True)]}
    assert made == 2 * expected.get(type(model).__name__, [])


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 9), (6, 5), (11, 14), (12, 7), (5, 5)])
@pytest.mark.parametrize("pooled", [False, True])
def test_every_remainder_of_the_tiles_and_of_pooling(height: int, width: int, pooled: bool) -> None:
    torch.manual_seed(0)
    pooled = pooled and min(height, width) > 5
    for channels in (2, 16):
        layers = [nn.Conv2d(channels, 17, 5), nn.ReLU(), *([nn.MaxPool2d(2)] if pooled else []), nn.Flatten()]
        # Not the first layer, so that its input needs a gradient.
        module = Sequence(nn.Conv2d(4, channels, 1), *layers).double()
        found = check(module, images(3, (4, height, width)))
        assert all(gradient.abs().max() > 1e-4 for gradient in found.values())


def test_float32_is_as_good_as_it_should_be() -> None:
    module = network(SmallCnn(), (1, 28, 28)).float()
    logits, ours = gradients(module, images(5, (1, 28, 28)).float())
    expected, theirs = gradients(nn.Sequential(*deepcopy(module).double()), images(5, (1, 28, 28)))
    assert logits.dtype == torch.float32
    for told, true in [(logits, expected), *((ours[name], theirs[name]) for name in ours)]:
        assert (told - true).norm() < 3e-5 * true.norm()


@pytest.mark.parametrize("count", [1, 2, 5, 100])
@pytest.mark.parametrize("entries", [1, 2**16, 2**30])
def test_parts_cover_the_batch_evenly(count: int, entries: int) -> None:
    stage._ENTRIES = entries
    x = torch.zeros(count, 1, 28, 28)
    parts = stage.parts_of(x, Patches(torch.zeros(32, 1, 5, 5), torch.zeros(32)))
    assert torch.equal(torch.cat([torch.arange(count)[part] for part in parts]), torch.arange(count))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == 1 or max(sizes) * 32 * 24 * 24 <= entries
    assert len(parts) == -(-count // max(1, entries // (32 * 24 * 24)))


def test_samples_do_not_influence_each_other() -> None:
    for model in MODELS:
        module = network(model, (1, 20, 20))
        x = images(6, (1, 20, 20))
        changed = torch.cat([x[:2], 100 * x[2:3], x[3:]])
        rest = [0, 1, 3, 4, 5]
        assert torch.equal(module(x)[rest], module(changed)[rest])
        assert not torch.equal(module(x)[2], module(changed)[2])


def test_the_same_again() -> None:
    module = network(SmallCnn(), (1, 28, 28)).float()
    x = images(40, (1, 28, 28)).float()
    (first, once), (second, again) = gradients(module, x), gradients(module, x)
    assert torch.equal(first, second)
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_the_graph_can_be_kept() -> None:
    module = network(SmallCnn(), (1, 16, 16))
    loss = module(images(3, (1, 16, 16))).square().sum()
    loss.backward(retain_graph=True)
    once = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    loss.backward()
    assert all(torch.equal(a, b.grad) for a, b in zip(once, module.parameters(), strict=True))


def test_frozen_layers() -> None:
    module = network(SmallCnn(), (1, 16, 16))
    module[0].requires_grad_(False)
    module[3].bias.requires_grad_(False)
    x = images(3, (1, 16, 16))
    module(x).square().sum().backward()
    plain = nn.Sequential(*deepcopy(module))
    plain.zero_grad()
    plain(x).square().sum().backward()
    assert module[0].weight.grad is module[0].bias.grad is module[3].bias.grad is None
    torch.testing.assert_close(module[3].weight.grad, plain[3].weight.grad, rtol=1e-12, atol=1e-12)


def test_training_after_evaluation_in_inference_mode() -> None:
    module = network(SmallCnn(), (1, 16, 16))
    x = images(3, (1, 16, 16))
    sequence.Winograd.__init__.__globals__["_squares"].cache_clear()
    with torch.inference_mode():
        module(x)
    check(module, x)


def test_gradients_of_gradients() -> None:
    module = network(SmallCnn(), (1, 16, 16))
    x = images(2, (1, 16, 16))
    found = []
    for each in (module, nn.Sequential(*module)):
        parameters = list(each.parameters())
        loss = functional.log_softmax(each(x), 1)[:, 0].sum()
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        size = sum(gradient.square().sum() for gradient in first)
        found.append(torch.autograd.grad(size, parameters))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12 * max(1, float(theirs.abs().max())))
    assert found[0][0].abs().max() > 1e-4


# Ties and kinks


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_images(model: Model, value: float) -> None:
    check(network(model, (1, 28, 28)), torch.full((3, 1, 28, 28), value, dtype=torch.float64))


def test_a_blank_background() -> None:
    x = images(4, (1, 28, 28))
    x[:, :, :18], x[:, :, :, 20:] = 0, 0
    for model in MODELS:
        check(network(model, (1, 28, 28)), x)


@pytest.mark.parametrize("model", MODELS)
def test_the_initial_biases_and_a_blank_background(model: Model) -> None:
    x = images(4, (1, 28, 28))
    x[:, :, :18] = 0
    module = build(model, (1, 28, 28), 4, ROOT).double().eval()
    assert not module[0].bias.any()
    check(module, x)


def test_ties_of_positive_values_go_to_the_first() -> None:
    # Small integers: sums are exact, and equal ones are common.
    generator = torch.Generator().manual_seed(5)
    module = Sequence(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.MaxPool2d(2)).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randint(-1, 2, parameter.shape, generator=generator))
    x = torch.randint(0, 3, (20, 1, 9, 9), generator=generator).double()
    before = functional.conv2d(x, *module[0].parameters()).unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
    greatest = before.amax(-1, keepdim=True)
    ties = (before == greatest).sum(-1) > 1
    assert int((ties & (greatest[..., 0] > 0)).sum()) > 50
    assert int((ties & (greatest[..., 0] == 0)).sum()) > 10
    for each in (module, nn.Sequential(*module)):
        each.zero_grad()
        y = each(x)
        (y * torch.arange(y.numel()).view_as(y) ** 2).sum().backward()
        if each is module:
            value, ours = y, [parameter.grad for parameter in module.parameters()]
            ours = [gradient.clone() for gradient in ours]
    assert torch.equal(value, y)
    assert all(torch.equal(a, b.grad) for a, b in zip(ours, module.parameters(), strict=True))


def test_not_a_number_stays_what_it_is() -> None:
    module = network(SmallCnn(), (1, 16, 16))
    x = images(3, (1, 16, 16))
    x[1] = torch.nan
    with torch.no_grad():
        assert module(x).isnan().any(1).tolist() == [False, True, False]
    assert module(x).isnan().any(1).tolist() == [False, True, False]


# An ordinary module


@pytest.mark.parametrize("model", MODELS)
def test_the_layers_and_weights_are_an_ordinary_modules(model: Model) -> None:
    module = build(model, (1, 28, 28), 10, ROOT)
    assert isinstance(module, nn.Sequential)
    assert {type(layer) for layer in module} <= {nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Linear, Dropout}
    plain = nn.Sequential(*deepcopy(module))
    assert [name for name, _ in plain.named_parameters()] == [name for name, _ in module.named_parameters()]
    plain.load_state_dict(module.state_dict())
    module.load_state_dict(plain.state_dict())
    torch.manual_seed(7)
    fresh = glorot_uniform(nn.Sequential(*deepcopy(module)))
    torch.manual_seed(7)
    assert torch.equal(flatten(glorot_uniform(module)), flatten(fresh))


def test_initial_weights_are_those_of_layers_made_in_this_order() -> None:
    module = SmallCnn()
    torch.manual_seed(7)
    plain = [nn.Conv2d(1, 32, 5), nn.Conv2d(32, 64, 5), nn.Linear(1024, 512), nn.Linear(512, 10)]
    expected = torch.cat([flatten(glorot_uniform(nn.Sequential(*plain)))])
    torch.manual_seed(7)
    assert torch.equal(flatten(module.build((1, 28, 28), 10)), expected)


@pytest.mark.parametrize("model", MODELS)
def test_stacked_networks(model: Model, made: list[tuple[type, bool]]) -> None:
    module = network(model, (1, 16, 16))
    x, y = images(6, (1, 16, 16)).view(3, 2, 1, 16, 16), torch.tensor([[0, 1], [2, 3], [1, 0]])

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(module, parameters, (x,)), y)

    stacked = {
        name: torch.stack([(1 + 0.1 * row) * parameter.detach() for row in range(3)])
        for name, parameter in module.named_parameters()
    }
    found = vmap(grad(loss))(stacked, x, y)
    assert made == []
    for row in range(3):
        one = deepcopy(module)
        one.load_state_dict({name: values[row] for name, values in stacked.items()})
        functional.cross_entropy(one(x[row]), y[row]).backward()
        for name, parameter in one.named_parameters():
            torch.testing.assert_close(found[name][row], parameter.grad, rtol=0, atol=1e-12)
    assert made or isinstance(model, TinyCnn)


def test_the_gradient_of_the_input_is_the_layers_own(made: list[tuple[type, bool]]) -> None:
    for model in MODELS:
        module = network(model, (3, 16, 17))
        found = []
        for each in (module, nn.Sequential(*module)):
            x = images(2, (3, 16, 17)).requires_grad_()
            each(x)[:, 0].sum().backward()
            found.append(x.grad)
        assert torch.equal(*found)
        assert found[0].abs().max() > 1e-4
    assert made == []


@pytest.mark.parametrize("layer", [1, 2, 3, 9])
@pytest.mark.parametrize(
    "register",
    [
        nn.Module.register_forward_hook,
        nn.Module.register_forward_pre_hook,
        nn.Module.register_full_backward_hook,
        nn.Module.register_full_backward_pre_hook,
    ],
)
def test_a_hooked_layer_computes_itself(layer: int, register: object, made: list[tuple[type, bool]]) -> None:
    module, calls = network(SmallCnn(), (1, 16, 16)), []
    handle = register(module[layer], lambda *_: calls.append(layer))  # type: ignore[operator]
    module(images(2, (1, 16, 16))).sum().backward()
    assert (len(calls), made) == (1, [])
    handle.remove()
    module(images(2, (1, 16, 16)))
    assert (len(calls), len(made)) == (1, 2)


def test_hooks_on_all_modules_see_the_layers() -> None:
    module, seen = network(SmallCnn(), (1, 16, 16)), []
    handle = nn.modules.module.register_module_forward_hook(lambda layer, *_: seen.append(type(layer)))
    try:
        module(images(2, (1, 16, 16)))
    finally:
        handle.remove()
    assert seen == [type(layer) for layer in module] + [Sequence]


def test_autocast_computes_as_pytorch_does(made: list[tuple[type, bool]]) -> None:
    module = network(SmallCnn(), (1, 16, 16)).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(images(2, (1, 16, 16)).float()).dtype == torch.bfloat16
    assert made == []


def test_half_precision_computes_as_pytorch_does(made: list[tuple[type, bool]]) -> None:
    module = network(SmallCnn(), (1, 16, 16)).bfloat16()
    assert module(images(2, (1, 16, 16)).bfloat16()).dtype == torch.bfloat16
    assert made == []


def test_other_devices_compute_as_pytorch_does(made: list[tuple[type, bool]]) -> None:
    module = network(SmallCnn(), (1, 16, 16)).to("meta")
    assert module(images(2, (1, 16, 16)).to("meta")).shape == (2, 4)
    assert made == []


# What is left to the layers


class Scaled(nn.Conv2d):
    """A convolution with a computation of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


CONVOLUTIONS = [
    (nn.Conv2d(2, 16, 5), True),
    (nn.Conv2d(16, 16, 5), True),
    (nn.Conv2d(2, 16, (3, 4)), True),
    (nn.Conv2d(16, 16, 3), False),
    (nn.Conv2d(16, 16, (5, 4)), False),
    (nn.Conv2d(16, 16, (4, 5)), False),
    (nn.Conv2d(4, 16, 5), False),
    (nn.Conv2d(16, 8, 5), False),
    (nn.Conv2d(2, 16, 5, stride=2), False),
    (nn.Conv2d(2, 16, 5, padding=1), False),
    (nn.Conv2d(2, 16, 5, padding="same"), False),
    (nn.Conv2d(2, 16, 5, padding=2, padding_mode="reflect"), False),
    (nn.Conv2d(2, 16, 5, dilation=2), False),
    (nn.Conv2d(2, 16, 5, groups=2), False),
    (nn.Conv2d(2, 16, 5, bias=False), False),
    (Scaled(2, 16, 5), False),
]


@pytest.mark.parametrize(("layer", "fast"), CONVOLUTIONS, ids=repr)
def test_which_convolutions_are_computed_faster(layer: nn.Conv2d, fast: bool, made: list[tuple[type, bool]]) -> None:
    module = Sequence(layer, nn.ReLU()).double()
    check(module, images(2, (layer.in_channels, 12, 13)))
    assert bool(made) == fast


POOLS = [
    (nn.MaxPool2d(2), True),
    (nn.MaxPool2d((2, 2), (2, 2), (0, 0), (1, 1)), True),
    (nn.MaxPool2d(3), False),
    (nn.MaxPool2d(2, 1), False),
    (nn.MaxPool2d(2, padding=1), False),
    (nn.MaxPool2d(2, dilation=2), False),
    (nn.MaxPool2d(2, ceil_mode=True), False),
    (nn.AvgPool2d(2), False),
    (nn.Tanh(), False),
]


@pytest.mark.parametrize(("layer", "fast"), POOLS, ids=repr)
def test_which_pooling_is_computed_with_the_convolution(
    layer: nn.Module, fast: bool, made: list[tuple[type, bool]]
) -> None:
    check(Sequence(nn.Conv2d(1, 4, 2), nn.ReLU(), layer).double(), images(2, (1, 8, 10)))
    assert made == 2 * [(Patches, fast)]


def test_a_convolution_without_relu_computes_itself(made: list[tuple[type, bool]]) -> None:
    for after in ([], [nn.Tanh()], [nn.MaxPool2d(2), nn.ReLU()]):
        check(Sequence(nn.Conv2d(1, 4, 2), *after).double(), images(2, (1, 8, 10)))
    assert made == []


def test_inputs_of_other_kinds_are_treated_as_pytorch_does() -> None:
    module = network(SmallCnn(), (1, 16, 16))
    assert module(images(0, (1, 16, 16))).shape == (0, 4)
    assert module[:3](images(1, (1, 16, 16))[0]).shape == (32, 6, 6)
    for wrong in (images(2, (2, 16, 16)), images(2, (1, 4, 16)), images(2, (1, 16, 16)).float()):
        with pytest.raises(RuntimeError) as theirs:
            nn.Sequential(*module)(wrong)
        with pytest.raises(RuntimeError) as ours:
            module(wrong)
        assert str(ours.value) == str(theirs.value)
    assert Sequence(nn.Conv2d(2, 4, 2), nn.ReLU()).double()(images(1, (2, 2, 8))[0]).shape == (4, 1, 7)
    with torch.no_grad(), pytest.raises(RuntimeError, match="too small"):
        module[:3](images(2, (1, 5, 16)))
    assert Sequence()(images(1, (2,))).shape == (1, 2)
    assert type(module[:2]) is Sequence
