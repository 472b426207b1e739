"""A sequence of ordinary layers, some of them computed by faster algorithms on a CPU.

The layers are PyTorch's own, with their parameters. A convolution with ReLU, and with pooling if that
follows, is computed as one `stage`: with few input channels by `patches`, with a kernel of 5 × 5 by `winograd`. It is
the same function with the same gradients; only rounding differs.

Where more than that matters, PyTorch computes the layers: when somebody hooks one of them or asks for the gradient with
respect to the input (as the methods of captum do), when `torch.func` maps the module, and on other devices. Two cases
are less obvious. Where neighbouring pixels are exactly equal, as in an image's blank background, rounding decides which
of them max pooling takes for the greatest: parameters get the same gradient either way, but pixels do not. And where a
convolution's value is exactly 0, ReLU has a kink: so it is in blank places while a bias still has its initial value 0,
and Winograd's algorithm, whose rounding would fall on either side, waits until none has.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fedlens.kernels.patches import Patches
from fedlens.kernels.stage import MakeKernel, Stage
from fedlens.kernels.winograd import KERNEL, Winograd
from fedlens.models.hooks import hooked

_MAX_PATCH_CHANNELS = 3
"""Up to this many input channels, patches are the fastest."""
_MIN_WINOGRAD_CHANNELS = 16
"""From this many input and output channels on, Winograd's algorithm saves more than its transforms cost."""


class Sequence(nn.Sequential):
    """An `nn.Sequential` that trains and evaluates faster on CPUs, in float32 and float64; see the module."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers in turn, as `nn.Sequential` does."""
        layers = list(self)
        if _watched(x, layers):
            return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]
        while layers:
            function, length = _next(x, layers)
            x = function(x)
            del layers[:length]
        return x


def _watched(x: Tensor, layers: list[nn.Module]) -> bool:
    """Tell whether more than the value and the parameters' gradients is observed, or the device is no CPU."""
    return (
        x.device.type != "cpu"
        or x.requires_grad
        or torch.is_autocast_enabled("cpu")
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
        or hooked(layers)
    )


def _next(x: Tensor, layers: list[nn.Module]) -> tuple[Callable[[Tensor], Tensor], int]:
    """Return a function that computes the first layers on `x`, and their number."""
    first, rest = layers[0], layers[1:]
    if type(first) is not nn.Conv2d or first.bias is None or not rest or type(rest[0]) is not nn.ReLU:
        return first, 1
    make = _kernel(x, first, first.bias)
    if make is None:
        return first, 1
    pool = len(rest) > 1 and _halves(rest[1], x.shape[2] - first.kernel_size[0], x.shape[3] - first.kernel_size[1])
    return partial(Stage(make, pool), weight=first.weight, bias=first.bias), 3 if pool else 2


def _kernel(x: Tensor, layer: nn.Conv2d, bias: Tensor) -> MakeKernel | None:
    """Return a faster kernel for this layer on `x`; ``None`` if there is none."""
    if (layer.stride, layer.padding, layer.dilation, layer.groups) != ((1, 1), (0, 0), (1, 1), 1):
        return None
    if x.dtype not in (torch.float32, torch.float64) or x.dtype != layer.weight.dtype:
        return None
    rows, columns = layer.kernel_size
    if x.dim() != 4 or x.shape[1] != layer.in_channels or x.shape[2] < rows or x.shape[3] < columns or len(x) == 0:
        return None  # PyTorch computes or refuses it
    if layer.in_channels <= _MAX_PATCH_CHANNELS:
        return Patches
    wide = min(layer.in_channels, layer.out_channels) >= _MIN_WINOGRAD_CHANNELS
    return Winograd if (rows, columns) == (KERNEL, KERNEL) and wide and bias.all() else None


def _halves(layer: nn.Module, height: int, width: int) -> bool:
    """Tell whether `layer` is max pooling of 2 × 2 pixels, on an input of more than `height` × `width`."""
    if type(layer) is not nn.MaxPool2d or layer.return_indices or layer.ceil_mode or min(height, width) < 1:
        return False
    sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    return sizes in ((2, 2, 0, 1), ((2, 2), (2, 2), (0, 0), (1, 1)))
