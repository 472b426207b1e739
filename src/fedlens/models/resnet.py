"""Residual networks for small images.

K. He, X. Zhang, S. Ren, J. Sun, *Deep Residual Learning for Image Recognition* (CVPR 2016). `ResNet8` is the paper's
network for CIFAR-10 (6n + 2 layers, section 4.2) with n = 1. `ResNet18` has the 18 layers of its table 1, but begins
with a convolution of 3 × 3 without pooling, as is usual on images of 32 × 32 pixels. Deviation: where a block changes
the size, the shortcut is a convolution of 1 × 1 (option B) in both.

Normalisation is a choice: batch normalisation, as in the paper, has running statistics, which clients with different
data disagree about; group normalisation has none (K. Hsieh et al., *The Non-IID Data Quagmire of Decentralized Machine
Learning*, ICML 2020), and is the default.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import override

from fedlens.core.lazy import nn
from fedlens.models.model import Model, require_images

Norm = Literal["group", "batch"]


def residual_network(
    shape: tuple[int, ...], classes: int, widths: tuple[int, ...], blocks: int, norm: Norm
) -> nn.Module:
    """Build a network with a stage of so many residual blocks for each width; all but the first halve the size."""
    from fedlens.models.residual_block import ResidualBlock, convolution

    layers: list[nn.Module] = [*convolution(shape[0], widths[0], 3, 1, norm), nn.ReLU()]
    inputs = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(ResidualBlock(inputs, width, 2 if stage and not block else 1, norm))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class ResNet8(Model):
    """Residual network of 8 layers, 16 to 64 channels wide; 78,042 parameters on CIFAR-10's images of 3 × 32 × 32.

    Attributes:
        norm: ``group`` or ``batch`` normalisation.

    Example:
        >>> from fedlens.models import ResNet8
        >>> module = ResNet8(norm="batch").build((3, 32, 32), classes=10)
        >>> sum(parameter.numel() for parameter in module.parameters())
        78042
    """

    norm: Norm = "group"

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        require_images("resnet8", shape, 8)
        return residual_network(shape, classes, (16, 32, 64), 1, self.norm)


class ResNet18(Model):
    """Residual network of 18 layers, 64 to 512 channels wide; 11,173,962 parameters on images of 3 × 32 × 32.

    Attributes:
        norm: ``group`` or ``batch`` normalisation.

    Example:
        >>> from fedlens.models import ResNet18
        >>> module = ResNet18().build((3, 32, 32), classes=10)
        >>> sum(parameter.numel() for parameter in module.parameters())
        11173962
    """

    norm: Norm = "group"

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        require_images("resnet18", shape, 8)
        return residual_network(shape, classes, (64, 128, 256, 512), 2, self.norm)
