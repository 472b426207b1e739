"""A convolution, ReLU and pooling in one pass over memory.

A batch's activations are larger than a CPU's caches, and three layers after one another fetch them from memory three
times, forwards and backwards. Here a few samples at a time pass through all of them, and only what comes out is
written: the maxima, the index of each, and what the convolution needs for its gradient.

ReLU comes after the maximum, where there is less to do. Both are monotone, so the values are the same; and so are the
gradients: where the maximum is positive, ReLU changes none of the values that equal it, so that the first of them gets
the gradient in either order, and where it is not, nothing does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

POOL = 2
_ENTRIES = 2**19
"""Size of the largest intermediate result: 2 MB in float32, about a core's L2 cache."""


class Kernel(Protocol):
    """A convolution of a few samples: `x` is ``[n, in, ...]``, its value ``[n, out, ...]``."""

    def entries(self, shape: tuple[int, ...]) -> int:
        """Return the size of the largest intermediate result for one sample of an input of this shape."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the convolution, and the intermediate result that `backward` needs."""

    def zeros(self) -> tuple[Tensor, ...]:
        """Return a zero gradient in the kernel's own form."""

    def backward(
        self, grad: Tensor, x: Tensor, saved: Tensor, total: tuple[Tensor, ...], need_x: bool
    ) -> Tensor | None:
        """Add the parameters' gradient to `total`; return the gradient with respect to `x` if needed.

        Args:
            grad: the gradient with respect to the convolution's value.
            x: as in `forward`.
            saved: intermediate result of `forward`.
            total: begins as `zeros`.
            need_x: whether to return the gradient with respect to `x`.
        """

    def gradients(self, total: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the gradients with respect to weight and bias from their `total`."""


MakeKernel = Callable[[Tensor, Tensor], Kernel]
"""Makes a kernel from weight and bias."""


@dataclass(frozen=True)
class Stage:
    """A convolution by `make`'s kernel, ReLU, and the maxima over 2 × 2 pixels if `pool`."""

    make: MakeKernel
    pool: bool

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute the value at `x` (``[n, in, height, width]``, not empty)."""
        if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad or bias.requires_grad):
            return _Stage.apply(self, x, weight, bias)  # type: ignore[no-any-return, no-untyped-call]
        kernel = self.make(weight, bias)
        parts = parts_of(x, kernel)
        blocks = (kernel.forward(x[part])[0] for part in parts)
        return _collect((_maxima(y) if self.pool else y for y in blocks), parts, len(x))

    def plain(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute the same by PyTorch's operations."""
        y = functional.conv2d(x, weight, bias).relu()
        return functional.max_pool2d(y, POOL) if self.pool else y


def parts_of(x: Tensor, kernel: Kernel) -> list[slice]:
    """Divide the batch into the fewest parts of about equal size whose intermediate results fit into the cache."""
    count = len(x)
    parts = -(-count // max(1, _ENTRIES // kernel.entries(tuple(x.shape))))
    return [slice(start, stop) for start, stop in pairwise(count * part // parts for part in range(parts + 1))]


def _maxima(y: Tensor) -> Tensor:
    """Compute `functional.max_pool2d`, without the maxima's indices."""
    height, width = (side // POOL * POOL for side in y.shape[2:])
    y = torch.maximum(y[:, :, :height:2, :width], y[:, :, 1:height:2, :width])
    return torch.maximum(y[..., ::2], y[..., 1::2])


def _collect(blocks: Iterator[Tensor], parts: list[slice], count: int) -> Tensor:
    """Apply ReLU to all blocks and collect them in one tensor, channels last."""
    out: Tensor | None = None
    for part, block in zip(parts, blocks, strict=True):
        if out is None:
            _, channels, height, width = block.shape
            out = block.new_empty(count, height, width, channels).permute(0, 3, 1, 2)
        torch.clamp_min(block, 0, out=out[part])
    assert out is not None
    return out


class _Stage(Function):
    """A stage with its gradient."""

    @staticmethod
    def forward(ctx: Any, stage: Stage, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        kernel = stage.make(weight, bias)
        parts = parts_of(x, kernel)
        saved: list[tuple[Tensor, Tensor | None, tuple[int, ...]]] = []

        def blocks() -> Iterator[Tensor]:
            for part in parts:
                y, values = kernel.forward(x[part])
                z, indices = torch.ops.aten.max_pool2d_with_indices(y, [POOL, POOL]) if stage.pool else (y, None)
                saved.append((values, indices, tuple(y.shape)))
                yield z

        out = _collect(blocks(), parts, len(x))
        ctx.stage, ctx.kernel, ctx.parts, ctx.saved_results = stage, kernel, parts, saved
        ctx.save_for_backward(x, weight, bias, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, out = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient's own gradient is asked for
            return (None, *_differentiable(ctx.stage, (x, weight, bias), grad))
        kernel, need_x = ctx.kernel, ctx.needs_input_grad[1]
        total = kernel.zeros()
        to_x = torch.empty_like(x) if need_x else None
        for part, (values, indices, shape) in zip(ctx.parts, ctx.saved_results, strict=True):
            block = torch.ops.aten.threshold_backward(grad[part], out[part], 0)
            if indices is not None:
                block = _unpool(block, indices, shape)
            to_part = kernel.backward(block, x[part], values, total, need_x)
            if to_x is not None:
                to_x[part] = to_part
        return None, to_x, *kernel.gradients(total)


def _unpool(grad: Tensor, indices: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Compute the gradient with respect to the input of pooling, of this shape, channels last."""
    count, channels, height, width = shape
    pooled = grad.new_empty(count, height, width, channels).permute(0, 3, 1, 2)  # only its shape and strides are used
    twice = [POOL, POOL]
    backward = torch.ops.aten.max_pool2d_with_indices_backward
    return backward(grad, pooled, twice, twice, [0, 0], [1, 1], False, indices)  # type: ignore[no-any-return]


def _differentiable(stage: Stage, inputs: tuple[Tensor, ...], grad: Tensor) -> list[Tensor | None]:
    """Compute the gradients of the inputs that need one, as functions of inputs and `grad`."""
    value = stage.plain(*inputs)
    gradients = iter(torch.autograd.grad(value, [x for x in inputs if x.requires_grad], grad, create_graph=True))
    return [next(gradients) if x.requires_grad else None for x in inputs]
