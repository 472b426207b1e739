"""Convolutions by 5 × 5 kernels with a sixth of the multiplications.

Winograd, *Arithmetic Complexity of Computations* (1980), and Lavin and Gray, *Fast Algorithms for Convolutional Neural
Networks* (CVPR 2016), whose notation this is: F(4 × 4, 5 × 5). The output is cut into tiles Y of 4 × 4 pixels; each
reads a tile d of 8 × 8 pixels of the input. With polynomials taken at eight points, a product of polynomials is a
product of numbers at each point, so ::

    Y = Aᵀ [ Σ_channels (G g Gᵀ) ⊙ (Bᵀ d B) ] A

holds exactly, with constant A, B and G. The sum over channels is then 64 products of matrices, one for each pair of
points, with 64 multiplications where the definition has 16 · 25 = 400. The three transforms are products with the
Kronecker squares of A, B and G. Gradients are the adjoints of the same maps, and save as much.

Only rounding differs. The points are 0, ±1, ±2, ±½ and ∞; in float32 the error, relative to the norm of the result, is
about 3e-6, ten times that of a convolution by its definition (Barabasz et al., *Error Analysis and Improving the
Accuracy of Winograd Convolution for Deep Neural Networks*, ACM TOMS 46, 2020, on why, and on the choice of points).
"""

from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from fedlens.kernels.stage import Kernel

OUT, KERNEL = 4, 5
TILE = OUT + KERNEL - 1
_POINTS = tuple(Fraction(numerator, 2) for numerator in (0, 2, -2, 4, -4, 1, -1))
_ONE = TILE + 1
"""The pair of points (1, 1), where a tile's polynomial is the sum of its coefficients: a bias' gradient."""


def transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return Aᵀ ``[4, 8]``, G ``[8, 5]`` and Bᵀ ``[8, 8]`` in float64, for one dimension.

    With ∞ as the last point: Aᵀ evaluates at the points (transposed), G divides the kernel's values by the
    denominators of Lagrange's polynomials, and the rows of Bᵀ are those polynomials' numerators.
    """
    others = [[q for q in _POINTS if q != p] for p in _POINTS]
    at = [[p**power for p in _POINTS] + [Fraction(power == OUT - 1)] for power in range(OUT)]
    g = [[p**power / _value(rest, p) for power in range(KERNEL)] for p, rest in zip(_POINTS, others, strict=True)]
    g.append([Fraction(power == KERNEL - 1) for power in range(KERNEL)])
    bt = [[*_coefficients(rest), Fraction(0)] for rest in others] + [_coefficients(_POINTS)]
    at_, g_, bt_ = (
        torch.tensor([[float(x) for x in row] for row in rows], dtype=torch.float64) for rows in (at, g, bt)
    )
    return at_, g_, bt_


def _value(roots: list[Fraction], x: Fraction) -> Fraction:
    """Evaluate the monic polynomial with these roots at `x`."""
    product = Fraction(1)
    for root in roots:
        product *= x - root
    return product


def _coefficients(roots: list[Fraction] | tuple[Fraction, ...]) -> list[Fraction]:
    """Return the coefficients of the monic polynomial with these roots, from the constant one upwards."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [high - root * low for high, low in zip(shifted, scaled, strict=True)]
    return coefficients


@lru_cache(maxsize=8)
def _squares(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the Kronecker squares of `transforms`: for both dimensions of an image at once."""
    at, g, bt = (torch.kron(matrix, matrix).to(device=device, dtype=dtype) for matrix in transforms())
    return at, g, bt


class Winograd(Kernel):
    """A convolution by `weight` (``[out, in, 5, 5]``) and `bias`, stride 1, without padding.

    `forward` saves BᵀdB for all tiles, ``[64, tiles, in]``.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._bias = bias
        self._at, self._g, self._bt = _squares(weight.dtype, weight.device)
        self._out, self._in = weight.shape[:2]
        flat = weight.permute(2, 3, 1, 0).reshape(KERNEL**2, -1)
        self._points = (self._g @ flat).view(TILE**2, self._in, self._out)
        self._adjoint = self._points.transpose(1, 2).contiguous()

    @override
    def entries(self, shape: tuple[int, ...]) -> int:
        down, across = (-(-(side - KERNEL + 1) // OUT) for side in shape[2:])
        return TILE**2 * down * across * self._out

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = (side - KERNEL + 1 for side in x.shape[2:])
        x = functional.pad(x, (0, -columns % OUT, 0, -rows % OUT)) if rows % OUT or columns % OUT else x
        tiles = x.permute(0, 2, 3, 1).unfold(1, TILE, OUT).unfold(2, TILE, OUT)
        count, down, across = tiles.shape[:3]
        values = self._bt @ tiles.permute(4, 5, 0, 1, 2, 3).reshape(TILE**2, -1)
        values = values.view(TILE**2, -1, self._in)
        product = self._at @ torch.bmm(values, self._points).view(TILE**2, -1)
        y = x.new_empty(count, down, OUT, across, OUT, self._out)
        torch.add(product.view(OUT, OUT, count, down, across, -1).permute(2, 3, 0, 4, 1, 5), self._bias, out=y)
        y = y.view(count, down * OUT, across * OUT, -1).permute(0, 3, 1, 2)
        return y[:, :, :rows, :columns], values

    @override
    def zeros(self) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self._points), torch.zeros_like(self._bias)

    @override
    def backward(
        self, grad: Tensor, x: Tensor, saved: Tensor, total: tuple[Tensor, ...], need_x: bool
    ) -> Tensor | None:
        rows, columns = grad.shape[2:]
        grad = functional.pad(grad, (0, -columns % OUT, 0, -rows % OUT)) if rows % OUT or columns % OUT else grad
        count, out, height, width = grad.shape
        tiles = (
            grad.permute(0, 2, 3, 1).view(count, height // OUT, OUT, width // OUT, OUT, out).permute(2, 4, 0, 1, 3, 5)
        )
        product = (self._at.t() @ tiles.reshape(OUT**2, -1)).view(TILE**2, -1, out)
        total[0].baddbmm_(saved.transpose(1, 2), product)
        total[1].add_(product[_ONE].sum(0))
        if not need_x:
            return None
        values = self._bt.t() @ torch.bmm(product, self._adjoint).view(TILE**2, -1)
        overlapping = values.view(TILE, TILE, *tiles.shape[2:5], self._in)
        return _add_up(overlapping)[:, :, : x.shape[2], : x.shape[3]]

    @override
    def gradients(self, total: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        flat = self._g.t() @ total[0].view(TILE**2, -1)
        return flat.view(KERNEL, KERNEL, self._in, self._out).permute(3, 2, 0, 1), total[1]


def _add_up(tiles: Tensor) -> Tensor:
    """Add overlapping tiles ``[8, 8, n, down, across, channels]`` up to images ``[n, channels, height, width]``."""
    _, _, count, down, across, channels = tiles.shape
    halves = tiles.view(2, OUT, 2, OUT, count, down, across, channels)
    images = tiles.new_zeros(count, down + 1, OUT, across + 1, OUT, channels)
    for i in range(2):
        for j in range(2):
            images[:, i : i + down, :, j : j + across] += halves[i, :, j].permute(2, 3, 0, 4, 1, 5)
    return images.view(count, (down + 1) * OUT, (across + 1) * OUT, channels).permute(0, 3, 1, 2)
