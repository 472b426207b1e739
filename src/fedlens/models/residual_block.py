"""The block of residual networks: two convolutions, to whose output the input is added (He et al. 2016, figure 2)."""

import torch
from torch import Tensor, nn

GROUPS = 8
"""Number of groups that group normalisation divides channels into."""


def normalisation(norm: str, channels: int) -> nn.Module:
    """Return a layer that normalises so many channels."""
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.GroupNorm(GROUPS, channels)


def convolution(inputs: int, outputs: int, size: int, stride: int, norm: str) -> nn.Sequential:
    """Return a convolution that keeps the size but for its stride, and its normalisation."""
    layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, normalisation(norm, outputs))


class ResidualBlock(nn.Module):
    """A block that goes from so many channels to so many, at a stride.

    Example:
        >>> import torch
        >>> from fedlens.models.residual_block import ResidualBlock
        >>> ResidualBlock(8, 16, 2, "group")(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 16, 2, 2])
    """

    def __init__(self, inputs: int, outputs: int, stride: int, norm: str) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, 3, stride, norm)
        self.second = convolution(outputs, outputs, 3, 1, norm)
        same = (inputs, stride) == (outputs, 1)
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, 1, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block on images ``[n, inputs, height, width]``."""
        return torch.relu(self.shortcut(x) + self.second(torch.relu(self.first(x))))
