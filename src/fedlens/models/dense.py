"""A stack of dense networks: linear layers, each followed by ReLU, and that by dropout, or not.

The derivatives are written out, as there are few kinds of layers:

    h₀ = x,   z_l = h_{l−1} W_l + b_l,   h_l = m_l · max(z_l, 0) / p,   loss = cross-entropy of softmax(z_L)
    ∂z_L = (softmax(z_L) − y) / b,   ∂W_l = h_{l−1}ᵀ ∂z_l,   ∂b_l = Σ ∂z_l,   ∂z_{l−1} = [h_{l−1} > 0] · (∂z_l W_lᵀ) / p

For other losses, ∂z_L is their slope (`fedlens.kernels.loss`).

Why this is fast: nothing is recorded for a later backward pass, and an operation serves all copies. What dropout
divides by, p, becomes a factor of the next matrix product; its mask is not applied again on the way back, as h is zero
where the mask is. Weights are kept as ``[in, out]``, because the forward product takes longer with a transposed
operand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from fedlens.core.layout import Layout
from fedlens.kernels.coin import Coin
from fedlens.kernels.loss import PLAIN, Criterion, SquaredError
from fedlens.kernels.stack import Drop, Stack
from fedlens.models.dropout import Dropout, coin_of
from fedlens.models.head import Prediction, TwoLogits, both
from fedlens.models.hooks import hooked
from fedlens.models.network import Network

ALIGNED = 16
"""Each copy's numbers begin at a multiple of this many entries: rounding may depend on where in a cache line the
operands of a product begin; with AVX2 it does."""

View = tuple[Tensor, Tensor, Tensor, Tensor]
"""A layer's weights ``[k, in, out]`` and biases ``[k, 1, out]`` in k copies, and the gradients of both."""


@dataclass(frozen=True)
class Dense:
    """A linear layer and what follows it.

    Attributes:
        inputs: number of inputs.
        outputs: number of outputs.
        rectified: whether ReLU follows.
        coin: decides which entries dropout keeps; ``None`` without dropout.
    """

    inputs: int
    outputs: int
    rectified: bool
    coin: Coin | None


def dense_layers(module: nn.Module, shape: tuple[int, ...]) -> list[Dense] | None:
    """Return the layers of a dense network on samples of this shape; ``None`` for any other or hooked module."""
    if type(module) is not nn.Sequential or hooked(module.modules()):
        return None
    if not all(parameter.requires_grad for parameter in module.parameters()):
        return None
    layers = list(module)
    if layers and type(layers[0]) is nn.Flatten and (layers[0].start_dim, layers[0].end_dim) == (1, -1):
        layers.pop(0)
    elif len(shape) != 1:
        return None
    completed = bool(layers) and type(layers[-1]) in {TwoLogits, Prediction}
    if completed:
        layers.pop()
    dense = []
    while layers:
        linear = layers.pop(0)
        if type(linear) is not nn.Linear or linear.bias is None:
            return None
        rectified = bool(layers) and type(layers[0]) is nn.ReLU
        if rectified:
            layers.pop(0)
        dropout = layers.pop(0) if rectified and layers and type(layers[0]) is Dropout else None
        coin = coin_of(dropout) if isinstance(dropout, Dropout) and dropout.p > 0 else None
        dense.append(Dense(linear.in_features, linear.out_features, rectified, coin))
    whole = sum(layer.outputs * (layer.inputs + 1) for layer in dense) == Layout.of(module).size  # no layer twice
    return dense if dense and whole and not dense[-1].rectified and completed == (dense[-1].outputs == 1) else None


class DenseStack(Stack):
    """A stack of dense networks; see the module for the mathematics."""

    def __init__(self, layers: Sequence[Dense], network: Network, weights: Tensor, count: int) -> None:
        self.drops: Sequence[Drop] = [Drop(layer.coin, (layer.outputs,)) for layer in layers if layer.coin is not None]
        self._layers = layers
        self._layout = network.layout
        weights_of_one = torch.cat([part.t().reshape(-1) for part in self._layout.split(weights).values()])
        self._weights = functional.pad(weights_of_one, (0, -len(weights_of_one) % ALIGNED)).repeat(count, 1)
        self._gradients = torch.zeros_like(self._weights)
        self._classes = torch.eye(max(layers[-1].outputs, 2), dtype=weights.dtype, device=weights.device)
        self.narrow(count)

    @override
    def narrow(self, count: int) -> None:
        self.vector, self.gradient = self._weights[:count], self._gradients[:count]
        self._views: dict[tuple[int, int], list[View]] = {}

    @override
    def backward(
        self, rows: slice, x: Tensor, y: Tensor, masks: Sequence[Tensor], criterion: Criterion = PLAIN
    ) -> None:
        views = self._views_of(rows)
        hidden, factor, unused_masks = _aligned(x.flatten(2)), 1.0, iter(masks)
        inputs = []
        for layer, (weight, bias, _, _) in zip(self._layers, views, strict=True):
            inputs.append((hidden, factor))
            out = _empty_aligned(hidden, layer.outputs)
            hidden, factor = torch.baddbmm(bias, hidden, weight, alpha=factor, out=out), 1.0
            if layer.rectified:
                hidden.relu_()
            if layer.coin is not None:
                hidden.mul_(next(unused_masks))
                factor = 1 / layer.coin.probability
        gradient = _aligned(self._slope(hidden, y, criterion))
        for index in reversed(range(len(views))):
            weight, _, of_weight, of_bias = views[index]
            hidden, factor = inputs[index]
            torch.baddbmm(of_weight, hidden.transpose(1, 2), gradient, beta=0, alpha=factor, out=of_weight)
            torch.sum(gradient, dim=1, keepdim=True, out=of_bias)
            if index > 0:
                out = _empty_aligned(hidden, hidden.shape[2])
                gradient = torch.baddbmm(hidden, gradient, weight.transpose(1, 2), beta=0, alpha=factor, out=out)
                if self._layers[index - 1].rectified:
                    torch.ops.aten.threshold_backward.grad_input(gradient, hidden, 0, grad_input=gradient)

    def _slope(self, outputs: Tensor, y: Tensor, criterion: Criterion) -> Tensor:
        """Return the gradients of the losses with respect to the last layer's outputs ``[k, b, out]``."""
        if isinstance(criterion, SquaredError):
            return criterion.slope(outputs, y[:, :, None])
        alone = outputs.shape[2] == 1
        logits = both(outputs) if alone else outputs
        one_hot = self._classes.index_select(0, y.reshape(-1)).view_as(logits)
        slope = criterion.slope(logits, one_hot)
        return slope.diff(dim=2) / 2 if alone else slope

    @override
    def trained(self) -> Tensor:
        parts = []
        for part, stacked in zip(self._layout.slices, self._parts(self._weights), strict=True):
            parts.append((stacked.transpose(1, 2) if part.kind == "weight" else stacked).flatten(1))
        return torch.cat(parts, dim=1)

    def _views_of(self, rows: slice) -> list[View]:
        """Return each layer's view of these copies."""
        key = rows.start, rows.stop
        if key not in self._views:
            values, gradients = (list(self._parts(stacked[rows])) for stacked in (self._weights, self._gradients))
            self._views[key] = list(zip(values[::2], values[1::2], gradients[::2], gradients[1::2], strict=True))
        return self._views[key]

    def _parts(self, stacked: Tensor) -> Iterator[Tensor]:
        """Yield weights ``[n, in, out]`` and biases ``[n, 1, out]`` of each layer, as views of rows ``[n, d]``."""
        start = 0
        for layer in self._layers:
            for height in (layer.inputs, 1):
                stop = start + height * layer.outputs
                yield stacked[:, start:stop].view(len(stacked), height, layer.outputs)
                start = stop


def _empty_aligned(like: Tensor, width: int) -> Tensor:
    """Allocate ``[k, b, width]`` numbers, with k and b of `like`; each copy's begin aligned."""
    copies, batch, _ = like.shape
    size = batch * width
    return like.new_empty(copies, size + -size % ALIGNED)[:, :size].view(copies, batch, width)


def _aligned(values: Tensor) -> Tensor:
    """Return `values` ``[k, b, n]`` with each copy's numbers aligned."""
    if values[0].numel() % ALIGNED == 0:
        return values
    return _empty_aligned(values, values.shape[2]).copy_(values)
