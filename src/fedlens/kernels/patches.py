"""Convolutions of few channels as one product of matrices.

Each row of one matrix is a place of the kernel (channel, row and column), each column a pixel of the output; it holds
the input's pixel that this place of the kernel lies on. It costs a copy of long runs of pixels, and the product with
the kernel is the convolution, in PyTorch's channels-last format. With one or three channels that is cheap, and the
general algorithms have too little to do for each pixel to be fast. A last row of ones carries the bias.
"""

import torch
from torch import Tensor
from torch.nn.grad import conv2d_input


class Patches:
    """A convolution by `weight` (``[out, in, rows, columns]``) and `bias`, stride 1, without padding.

    See `stage.Kernel`. What it keeps of a forward pass is the matrix of pixels.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight = weight
        self._matrix = torch.cat([weight.flatten(1), bias[:, None]], dim=1).t()

    def entries(self, shape: tuple[int, ...]) -> int:
        """See `stage.Kernel`."""
        out, _, rows, columns = self._weight.shape
        return out * (shape[2] - rows + 1) * (shape[3] - columns + 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `stage.Kernel`."""
        out, channels, rows, columns = self._weight.shape
        height, width = x.shape[2] - rows + 1, x.shape[3] - columns + 1
        pixels = x.new_empty(len(self._matrix), len(x) * height * width)
        pixels[-1] = 1
        places = x.unfold(2, height, 1).unfold(3, width, 1).permute(1, 2, 3, 0, 4, 5)
        pixels[:-1].view(channels, rows, columns, len(x), height, width).copy_(places)
        return (pixels.t() @ self._matrix).view(len(x), height, width, out).permute(0, 3, 1, 2), pixels

    def zeros(self) -> tuple[Tensor]:
        """See `stage.Kernel`."""
        return (self._matrix.new_zeros(self._matrix.shape),)

    def backward(self, grad: Tensor, x: Tensor, kept: Tensor, total: tuple[Tensor, ...], wanted: bool) -> Tensor | None:
        """See `stage.Kernel`."""
        total[0].addmm_(kept, grad.permute(0, 2, 3, 1).reshape(-1, grad.shape[1]))
        if not wanted:
            return None
        return conv2d_input(list(x.shape), self._weight, grad)  # type: ignore[no-any-return, no-untyped-call]

    def gradients(self, total: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """See `stage.Kernel`."""
        return total[0][:-1].t().reshape(self._weight.shape), total[0][-1]
