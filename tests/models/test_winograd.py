import pytest
import torch
from torch.nn import functional

from fedlens.kernels.winograd import KERNEL, OUT, TILE, Winograd, transforms


def test_the_transforms_by_hand() -> None:
    at, g, bt = transforms()
    # Row i of Aᵀ has the points' i-th powers; ∞ counts only for the highest one.
    assert at.tolist() == [
        [1, 1, 1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0.5, -0.5, 0],
        [0, 1, 1, 4, 4, 0.25, 0.25, 0],
        [0, 1, -1, 8, -8, 0.125, -0.125, 1],
    ]
    # (x² − 1)(x² − 4)(x² − ¼) = x⁶ − 5.25 x⁴ + 5.25 x² − 1, the numerator of 0; times x, that of ∞.
    assert bt[0].tolist() == [-1, 0, 5.25, 0, -5.25, 0, 1, 0]
    assert bt[-1].tolist() == [0, -1, 0, 5.25, 0, -5.25, 0, 1]
    assert g[0].tolist() == [-1, 0, 0, 0, 0]
    assert g[-1].tolist() == [0, 0, 0, 0, 1]
    # The denominator of 1 is 1 · 2 · (1 − 2)(1 + 2)(1 − ½)(1 + ½) = −4.5.
    torch.testing.assert_close(g[1], torch.full((5,), -1 / 4.5, dtype=torch.float64))


def test_a_correlation_in_one_dimension() -> None:
    at, g, bt = transforms()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(TILE, dtype=torch.float64, generator=generator)
    kernel = torch.randn(KERNEL, dtype=torch.float64, generator=generator)
    expected = torch.stack([pixels[i : i + KERNEL] @ kernel for i in range(OUT)])
    torch.testing.assert_close(at @ ((g @ kernel) * (bt @ pixels)), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 8), (8, 11), (14, 5), (6, 7)])
def test_value_and_gradients_by_the_kernel_itself(height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(1)
    sizes = [(3, 2, height, width), (4, 2, KERNEL, KERNEL), (4,)]
    x, weight, bias = (torch.randn(size, dtype=torch.float64, generator=generator).requires_grad_() for size in sizes)
    expected = functional.conv2d(x, weight, bias)
    grad = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    to_x, to_weight, to_bias = torch.autograd.grad(expected, (x, weight, bias), grad)
    with torch.no_grad():
        kernel = Winograd(weight, bias)
        total = kernel.zeros()
        for part in (slice(0, 2), slice(2, 3)):
            y, kept = kernel.forward(x[part])
            torch.testing.assert_close(y, expected[part], rtol=0, atol=1e-12)
            found = kernel.backward(grad[part], x[part], kept, total, True)
            torch.testing.assert_close(found, to_x[part], rtol=0, atol=1e-12)
            assert kernel.backward(0 * grad[part], x[part], kept, total, False) is None
        for told, true in zip(kernel.gradients(total), (to_weight, to_bias), strict=True):
            torch.testing.assert_close(told, true, rtol=0, atol=1e-12)


def test_entries_are_those_of_the_products() -> None:
    kernel = Winograd(torch.zeros(6, 2, 5, 5), torch.zeros(6))
    assert kernel.entries((9, 2, 12, 13)) == 64 * 2 * 3 * 6
    assert kernel.entries((9, 2, 5, 8)) == 64 * 6
