"""Explanations by a gradient with another rule for ReLU.

- `Deconvnet`: M. D. Zeiler and R. Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014: only what
  is positive passes backwards, whatever the layer's value was.
- `GuidedBackprop`: J. T. Springenberg et al., *Striving for Simplicity*, ICLR workshop 2015: what is positive, where
  the layer's value was too.

captum, which computes them, only handles layers of type `torch.nn.ReLU`. A ReLU that a model calls as a function, or a
layer that it uses twice, would silently give a different explanation; such a model is refused.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from fedlens.core.errors import ExplanationError
from fedlens.explanations.methods.method import Method


class Deconvnet(Method):
    """The deconvolutional network's map.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import Deconvnet
        >>> model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
        >>> model[0].weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> model[2].weight.data = torch.ones(1, 2)
        >>> explain(model, torch.tensor([[5.0, 4.0]]), target=0, method=Deconvnet())
        tensor([[1., 1.]])
    """

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr import Deconvolution

        require_relu_layers(model, inputs[:1])
        return Deconvolution(model).attribute(inputs, target=classes)  # type: ignore[no-any-return]


class GuidedBackprop(Method):
    """Guided backpropagation's map.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import GuidedBackprop
        >>> model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
        >>> model[0].weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> model[2].weight.data = torch.ones(1, 2)
        >>> explain(model, torch.tensor([[5.0, 4.0]]), target=0, method=GuidedBackprop())
        tensor([[0., 3.]])
    """

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr import GuidedBackprop as Guided

        require_relu_layers(model, inputs[:1])
        return Guided(model).attribute(inputs, target=classes)  # type: ignore[no-any-return]


class _Rectifications(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A counter of all computations of ReLU."""

    _RELU = (torch.ops.aten.relu.default, torch.ops.aten.relu_.default)

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in self._RELU
        return func(*args, **(kwargs or {}))


def require_relu_layers(model: nn.Module, inputs: Tensor) -> None:
    """Refuse a model whose ReLUs are not all layers of their own.

    Raises:
        ExplanationError: with the remedy.
    """
    calls: Counter[nn.Module] = Counter()
    layers = [layer for layer in model.modules() if type(layer) is nn.ReLU]
    handles = [layer.register_forward_pre_hook(lambda layer, _: calls.update([layer])) for layer in layers]
    try:
        with torch.no_grad(), _Rectifications() as relu:
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if not layers or relu.count != len(calls) or max(calls.values(), default=0) > 1:
        raise ExplanationError(
            f"model: it computes ReLU {relu.count} times and has {len(layers)} layers of type torch.nn.ReLU; this "
            "method wants a layer for each, used once. Write the model so, or choose another method, such as gradient"
        )
