"""Convolutions of few channels as one product of matrices.

Each row of one matrix is a position in the kernel (channel, row and column), each column a pixel of the output; it
holds the input's pixel under that position. It costs a copy of long runs of pixels, and the product with
the kernel is the convolution, in PyTorch's channels-last format. With one or three channels that is cheap, and the
general algorithms have too little to do for each pixel to be fast. A last row of ones carries the bias.
"""

import torch
from torch import Tensor
from torch.nn.grad import conv2d_input
from typing_extensions import override

from fedlens.kernels.stage import Kernel


class Patches(Kernel):
    """A convolution by `weight` (``[out, in, rows, columns]``) and `bias`, stride 1, without padding.

    `forward` saves the matrix of pixels.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight = weight
        self._matrix = torch.cat([weight.flatten(1), bias[:, None]], dim=1).t()

    @override
    def entries(self, shape: tuple[int, ...]) -> int:
        out, _, rows, columns = self._weight.shape
        return out * (shape[2] - rows + 1) * (shape[3] - columns + 1)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out, channels, rows, columns = self._weight.shape
        height, width = x.shape[2] - rows + 1, x.shape[3] - columns + 1
        pixels = x.new_empty(len(self._matrix), len(x) * height * width)
        pixels[-1] = 1
        windows = x.unfold(2, height, 1).unfold(3, width, 1).permute(1, 2, 3, 0, 4, 5)
        pixels[:-1].view(channels, rows, columns, len(x), height, width).copy_(windows)
        return (pixels.t() @ self._matrix).view(len(x), height, width, out).permute(0, 3, 1, 2), pixels

    @override
    def zeros(self) -> tuple[Tensor]:
        return (self._matrix.new_zeros(self._matrix.shape),)

    @override
    def backward(
        self, grad: Tensor, x: Tensor, saved: Tensor, total: tuple[Tensor, ...], need_x: bool
    ) -> Tensor | None:
        total[0].addmm_(saved, grad.permute(0, 2, 3, 1).reshape(-1, grad.shape[1]))
        if not need_x:
            return None
        return conv2d_input(list(x.shape), self._weight, grad)  # type: ignore[no-any-return, no-untyped-call]

    @override
    def gradients(self, total: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return total[0][:-1].t().reshape(self._weight.shape), total[0][-1]
