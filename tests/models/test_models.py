from math import sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedlens.core.errors import ConfigError
from fedlens.core.layout import flatten
from fedlens.core.random import Address
from fedlens.models.cnn import PaperCnn, SmallCnn, TinyCnn
from fedlens.models.dropout import Dropout
from fedlens.models.mlp import CensusMlp
from fedlens.models.model import Model, glorot_uniform
from fedlens.models.network import build

ROOT = Address.root(11)
FASHION, DIGITS, ADULT = (1, 28, 28), (1, 8, 8), (104,)


def layers(module: nn.Module) -> list[str]:
    return [repr(layer) for layer in module.children()]


def parameters_of(module: nn.Module) -> list[Tensor]:
    return [parameter.detach() for parameter in module.parameters()]


@pytest.mark.parametrize(
    ("model", "shape", "classes", "count"),
    [
        (PaperCnn(), FASHION, 10, 3_382_346),
        (CensusMlp(), ADULT, 2, 93_186),
        (SmallCnn(), FASHION, 10, 582_026),
        (TinyCnn(), FASHION, 10, 56_970),
        # 64·256 + 256, 256·256 + 256, 256·10 + 10
        (CensusMlp(), DIGITS, 10, 16_640 + 65_792 + 2_570),
    ],
)
def test_number_of_parameters(model: Model, shape: tuple[int, ...], classes: int, count: int) -> None:
    assert len(flatten(build(model, shape, classes, ROOT))) == count


@pytest.mark.parametrize(
    ("model", "shape", "classes"),
    [
        (PaperCnn(), FASHION, 10),
        (PaperCnn(), (3, 9, 12), 4),
        (SmallCnn(), FASHION, 10),
        (SmallCnn(), (2, 17, 16), 3),
        (TinyCnn(), FASHION, 10),
        (TinyCnn(), (1, 9, 13), 3),
        (CensusMlp(), ADULT, 2),
        (CensusMlp(), DIGITS, 10),
        (CensusMlp(), FASHION, 10),
    ],
)
def test_logits_have_a_row_for_each_sample(model: Model, shape: tuple[int, ...], classes: int) -> None:
    logits = build(model, shape, classes, ROOT)(torch.rand(3, *shape, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (3, classes)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("model", "name", "smallest"), [(PaperCnn(), "paper-cnn", 9), (SmallCnn(), "small", 16), (TinyCnn(), "tiny", 9)]
)
def test_inputs_that_do_not_fit_are_refused(model: Model, name: str, smallest: int) -> None:
    for shape in [ADULT, (28, 28), (1, smallest - 1, 28), (1, 28, smallest - 1), DIGITS]:
        with pytest.raises(ConfigError) as caught:
            build(model, shape, 10, ROOT)
        text = str(caught.value)
        assert text.startswith(f"model: {name} wants images of at least {smallest} × {smallest} pixels")
        assert str(shape) in text
        assert "model=census-mlp" in text
    assert build(model, (1, smallest, smallest), 2, ROOT)(torch.zeros(1, 1, smallest, smallest)).shape == (1, 2)


# Layer by layer


def test_layers_of_the_papers_cnn() -> None:
    assert layers(PaperCnn().build(FASHION, 10)) == [
        "Conv2d(1, 64, kernel_size=(5, 5), stride=(1, 1))",
        "ReLU()",
        "Conv2d(64, 64, kernel_size=(5, 5), stride=(1, 1))",
        "ReLU()",
        "Dropout(p=0.25)",
        "Flatten(start_dim=1, end_dim=-1)",
        "Linear(in_features=25600, out_features=128, bias=True)",
        "ReLU()",
        "Dropout(p=0.5)",
        "Linear(in_features=128, out_features=10, bias=True)",
    ]


def test_layers_of_the_papers_mlp() -> None:
    assert layers(CensusMlp().build(ADULT, 2)) == [
        "Flatten(start_dim=1, end_dim=-1)",
        "Linear(in_features=104, out_features=256, bias=True)",
        "ReLU()",
        "Dropout(p=0.5)",
        "Linear(in_features=256, out_features=256, bias=True)",
        "ReLU()",
        "Dropout(p=0.5)",
        "Linear(in_features=256, out_features=2, bias=True)",
    ]


def test_the_small_cnn_computed_by_hand() -> None:
    module = build(SmallCnn(), FASHION, 10, ROOT)
    x = torch.rand(2, *FASHION, generator=torch.Generator().manual_seed(1))
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters_of(module)
    assert [tuple(w.shape) for w in (w1, w2, w3, w4)] == [(32, 1, 5, 5), (64, 32, 5, 5), (512, 1024), (10, 512)]
    hidden = functional.max_pool2d(functional.conv2d(x, w1, b1).relu(), 2)
    hidden = functional.max_pool2d(functional.conv2d(hidden, w2, b2).relu(), 2)
    assert hidden.shape == (2, 64, 4, 4)
    logits = (hidden.reshape(2, -1) @ w3.T + b3).relu() @ w4.T + b4
    torch.testing.assert_close(module(x).detach(), logits)


def test_the_tiny_cnn_computed_by_hand() -> None:
    module = build(TinyCnn(), FASHION, 10, ROOT)
    x = torch.rand(2, *FASHION, generator=torch.Generator().manual_seed(1))
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters_of(module)
    assert [tuple(w.shape) for w in (w1, w2, w3, w4)] == [(16, 1, 5, 5), (32, 16, 3, 3), (64, 800), (10, 64)]
    hidden = functional.conv2d(functional.conv2d(x, w1, b1, stride=2).relu(), w2, b2, stride=2).relu()
    assert hidden.shape == (2, 32, 5, 5)
    logits = (hidden.reshape(2, -1) @ w3.T + b3).relu() @ w4.T + b4
    torch.testing.assert_close(module(x).detach(), logits)


def test_the_second_hidden_layer_reads_the_first() -> None:
    module = build(CensusMlp(), ADULT, 2, ROOT).eval()
    x = torch.rand(3, 104, generator=torch.Generator().manual_seed(1))
    w1, b1, w2, b2, w3, b3 = parameters_of(module)
    logits = ((x @ w1.T + b1).relu() @ w2.T + b2).relu() @ w3.T + b3
    torch.testing.assert_close(module(x).detach(), logits)


# Initialisation


@pytest.mark.parametrize(
    ("model", "shape", "classes", "fans"),
    [
        # Fan-in plus fan-out: a convolution's channels times its 25 (or 9) pixels.
        (PaperCnn(), FASHION, 10, [25 + 1600, 1600 + 1600, 25_600 + 128, 128 + 10]),
        (SmallCnn(), FASHION, 10, [25 + 800, 800 + 1600, 1024 + 512, 512 + 10]),
        (TinyCnn(), FASHION, 10, [25 + 400, 144 + 288, 800 + 64, 64 + 10]),
        (CensusMlp(), ADULT, 2, [104 + 256, 256 + 256, 256 + 2]),
    ],
)
def test_weights_are_glorot_uniform_and_biases_zero(
    model: Model, shape: tuple[int, ...], classes: int, fans: list[int]
) -> None:
    parameters = parameters_of(build(model, shape, classes, ROOT))
    weights, biases = parameters[::2], parameters[1::2]
    assert not any(bias.any() for bias in biases)
    for weight, fan in zip(weights, fans, strict=True):
        bound = sqrt(6 / fan)
        assert 0.98 * bound < weight.abs().max() <= bound  # at least 400 draws: all smaller once in 3,000
        assert weight.std() == pytest.approx(bound / sqrt(3), rel=0.1)


def test_a_layer_without_bias_is_initialised_too() -> None:
    layer = nn.Linear(2, 4, bias=False)
    with torch.no_grad():
        layer.weight.fill_(9)
    assert glorot_uniform(layer) is layer
    assert layer.weight.abs().max() <= 1  # √(6 / 6)


@pytest.mark.parametrize("model", [PaperCnn(), SmallCnn(), TinyCnn(), CensusMlp()])
def test_same_address_same_weights(model: Model) -> None:
    first = flatten(build(model, FASHION, 10, ROOT))
    assert torch.equal(first, flatten(build(model, FASHION, 10, Address.root(11))))
    assert not torch.equal(first, flatten(build(model, FASHION, 10, ROOT.at("other"))))


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    build(TinyCnn(), FASHION, 10, ROOT)
    assert torch.equal(torch.get_rng_state(), before)


def test_building_does_not_read_the_global_generator() -> None:
    torch.manual_seed(1)
    first = flatten(build(TinyCnn(), FASHION, 10, ROOT))
    torch.manual_seed(2)
    assert torch.equal(first, flatten(build(TinyCnn(), FASHION, 10, ROOT)))


def test_dropout_of_the_papers_models_is_addressed() -> None:
    for model in (PaperCnn(), CensusMlp()):
        kinds = {type(layer) for layer in build(model, FASHION, 10, ROOT).modules()}
        assert Dropout in kinds
        assert not any(issubclass(kind, nn.modules.dropout._DropoutNd) for kind in kinds)
