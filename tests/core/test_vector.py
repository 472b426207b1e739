import pytest
import torch
from torch import Tensor, nn

from fedlens.core.layout import Layout, Slice, flatten


def small() -> nn.Module:
    """A convolution of 2·1·2·2 weights and 2 biases, then a dense layer of 3·2 weights and 3 biases: 19 entries."""
    return nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(2, 3))


class Bare(nn.Module):
    """A parameter that belongs to no layer, a layer without bias, and a layer within a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.body = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Sequential(nn.Linear(1, 2)))


def test_layout_by_hand() -> None:
    assert Layout.of(small()) == Layout(
        (
            Slice("0.weight", "0", "weight", 0, 8, (2, 1, 2, 2), channels_last=True),
            Slice("0.bias", "0", "bias", 8, 10, (2,)),
            Slice("3.weight", "3", "weight", 10, 16, (3, 2)),
            Slice("3.bias", "3", "bias", 16, 19, (3,)),
        )
    )
    assert Layout.of(small()).size == 19


def test_layout_of_unusual_modules() -> None:
    assert [(part.name, part.layer, part.kind, part.start, part.stop) for part in Layout.of(Bare()).slices] == [
        ("scale", "scale", "weight", 0, 2),
        ("body.0.weight", "body.0", "weight", 2, 4),
        ("body.1.0.weight", "body.1.0", "weight", 4, 6),
        ("body.1.0.bias", "body.1.0", "bias", 6, 8),
    ]
    assert Layout.of(nn.ReLU()) == Layout(())
    assert Layout.of(nn.ReLU()).size == 0


def test_biases_of_recurrent_layers_are_biases() -> None:
    kinds = {part.name: part.kind for part in Layout.of(nn.RNN(1, 1)).slices}
    assert kinds == {"weight_ih_l0": "weight", "weight_hh_l0": "weight", "bias_ih_l0": "bias", "bias_hh_l0": "bias"}


def test_biases_are_told_by_a_word_of_their_name() -> None:
    attention = {part.name: part.kind for part in Layout.of(nn.MultiheadAttention(4, 2, add_bias_kv=True)).slices}
    weights = {"in_proj_weight", "out_proj.weight"}
    assert {name for name, kind in attention.items() if kind == "weight"} == weights
    assert attention.keys() - weights == {"in_proj_bias", "bias_k", "bias_v", "out_proj.bias"}
    own = nn.ParameterDict({name: torch.zeros(1) for name in ("bias1", "qkv_biases", "debiased", "unbiased_scale")})
    kinds = {part.name: part.kind for part in Layout.of(own).slices}
    assert kinds == {"bias1": "bias", "qkv_biases": "bias", "debiased": "weight", "unbiased_scale": "weight"}


class Standardised(nn.Conv2d):
    """A convolution that takes a view of its kernel."""

    def forward(self, x: Tensor) -> Tensor:
        means = self.weight.view(len(self.weight), -1).mean(1)
        return self._conv_forward(x, self.weight - means[:, None, None, None], self.bias)


class Patches(nn.Module):
    """Weights of four dimensions that are no kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(24.0).view(2, 3, 2, 2))


def test_only_kernels_of_convolutions_are_laid_out_channels_last() -> None:
    shared = nn.Conv2d(1, 2, 2)
    other = Patches()
    other.weight = shared.weight
    layers = {
        "kernel": nn.Conv2d(3, 2, 2),
        "derived": Standardised(3, 2, 2),
        "transposed": nn.ConvTranspose2d(3, 2, 2),
        "own": Patches(),
        "shared": nn.Sequential(shared, other),
        "volume": nn.Conv3d(1, 2, 2),
    }
    for name, layer in layers.items():
        layout = Layout.of(layer)
        assert any(part.channels_last for part in layout.slices) == (name == "kernel"), name
        parts = layout.split(flatten(layer))
        for key, parameter in layer.named_parameters():
            assert torch.equal(parts[key], parameter)
            assert parts[key].is_contiguous() != (name == "kernel" and key == "weight")


def test_mask_by_hand() -> None:
    layout = Layout.of(small())
    biases = [False] * 8 + [True] * 2 + [False] * 6 + [True] * 3
    assert layout.mask({"bias"}).tolist() == biases
    assert layout.mask({"weight"}).tolist() == [not bias for bias in biases]
    assert layout.mask(["weight", "bias"]).tolist() == [True] * 19
    assert layout.mask([]).tolist() == [False] * 19
    assert layout.mask([]).dtype == torch.bool


def test_split_gives_every_parameter_its_entries() -> None:
    parts = Layout.of(small()).split(torch.arange(19.0))
    assert list(parts) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert parts["0.weight"].tolist() == [[[[0, 1], [2, 3]]], [[[4, 5], [6, 7]]]]
    assert parts["0.bias"].tolist() == [8, 9]
    assert parts["3.weight"].tolist() == [[10, 11], [12, 13], [14, 15]]
    assert parts["3.bias"].tolist() == [16, 17, 18]


def test_split_gives_views() -> None:
    vector = torch.zeros(19)
    parts = Layout.of(small()).split(vector)
    parts["3.weight"][1, 0] = 5
    assert vector.nonzero().tolist() == [[12]]
    vector[17] = 7
    assert parts["3.bias"].tolist() == [0, 7, 0]


@pytest.mark.parametrize("shape", [(18,), (20,), (1, 19), (0,), ()])
def test_split_refuses_another_length(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="19 entries") as caught:
        Layout.of(small()).split(torch.zeros(shape))
    assert str(shape) in str(caught.value)


def test_flatten_by_hand() -> None:
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        module.bias.copy_(torch.tensor([5.0, 6.0]))
    assert flatten(module).tolist() == [1, 2, 3, 4, 5, 6]


def test_flatten_gives_a_copy_without_gradient() -> None:
    module = nn.Linear(1, 1)
    vector = flatten(module)
    before = module.weight.item()
    vector.zero_()
    assert module.weight.item() == before
    assert not flatten(module).requires_grad


def test_flatten_and_split_are_inverse() -> None:
    module = small()
    parts = Layout.of(module).split(flatten(module))
    assert all(torch.equal(parts[name], parameter) for name, parameter in module.named_parameters())
