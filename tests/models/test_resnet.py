"""Residual networks and the character model: shapes, sizes, what they normalise by, and that they learn."""

import pytest
import torch
from torch import nn

from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.models.char_lstm import CharLstm
from fedlens.models.model import Model
from fedlens.models.network import Network, build
from fedlens.models.residual_block import ResidualBlock
from fedlens.models.resnet import Norm, ResNet8, ResNet18

ROOT = Address.root(3)


@pytest.mark.parametrize(
    ("model", "parameters", "entries"),
    [
        (ResNet8(), 78_042, 78_042),
        (ResNet8(norm="batch"), 78_042, 78_042 + 2 * (3 * 16 + 3 * 32 + 3 * 64) + 9),
        (ResNet18(), 11_173_962, 11_173_962),
        (ResNet18(norm="batch"), 11_173_962, 11_173_962 + 2 * (5 * 64 + 5 * 128 + 5 * 256 + 5 * 512) + 20),
    ],
)
def test_the_size_on_images_of_cifar(model: Model, parameters: int, entries: int) -> None:
    layout = Layout.of(build(model, (3, 32, 32), 10, ROOT))
    assert (layout.parameters.size, layout.size) == (parameters, entries)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_a_residual_network_learns_a_batch(norm: Norm) -> None:
    network = Network(build(ResNet8(norm=norm), (1, 8, 8), 4, ROOT))
    x, y = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 4
    with network.training(ROOT):
        before = float(network.backward(x, y))
        for _ in range(30):
            network.backward(x, y)
            network.vector.data.sub_(network.gradient, alpha=0.1)
        after = float(network.backward(x, y))
    assert after < before / 4


def test_a_block_adds_its_input() -> None:
    block = ResidualBlock(8, 8, 1, "group")
    assert isinstance(block.shortcut, nn.Identity)
    nn.init.zeros_(block.second[1].weight)
    x = torch.rand(2, 8, 4, 4)
    assert torch.equal(block(x), x)
    assert ResidualBlock(8, 16, 2, "batch")(x).shape == (2, 16, 2, 2)


@pytest.mark.parametrize("model", [ResNet8(), ResNet18()])
def test_images_are_needed(model: Model) -> None:
    with pytest.raises(ConfigError, match="wants images of at least 8 × 8 pixels"):
        build(model, (104,), 2, ROOT)


def test_the_character_model_reads_whole_numbers() -> None:
    module = build(CharLstm(), (20,), 80, ROOT)
    assert Layout.of(module).size == 819_920
    characters = torch.arange(60).view(3, 20)
    logits = module(characters)
    assert logits.shape == (3, 80)
    characters[0, 0], characters[1, -1] = 79, 79
    changed = (module(characters) != logits).any(dim=1)
    assert changed.tolist() == [True, True, False]  # by the first character as well as by the last
    with pytest.raises(TypeError, match=r"reads characters by their numbers, which are whole"):
        module(characters.float())
    with pytest.raises(ConfigError, match=r"wants sequences of whole numbers, \[n, T\]; this data has inputs of shape"):
        build(CharLstm(), (1, 8, 8), 10, ROOT)
