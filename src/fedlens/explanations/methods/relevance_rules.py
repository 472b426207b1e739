"""Rules of layer-wise relevance propagation that captum lacks; each layer has one of these or of captum's."""

from collections.abc import Callable
from typing import Any

import torch
from captum.attr._utils.lrp_rules import PropagationRule
from torch import Tensor, nn

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class Through(PropagationRule):  # type: ignore[misc]
    """A rule for layers that only rearrange entries: relevance stays with them."""

    def forward_hook(self, module: nn.Module, inputs: Any, outputs: Tensor) -> Tensor:  # noqa: ARG002 - captum's
        """Leave the gradient, by which captum propagates relevance, unchanged."""
        return outputs

    def _manipulate_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """Do nothing; there are no weights."""


class BoundedInput(PropagationRule):  # type: ignore[misc]
    """The z^B-rule, for a first layer whose inputs are between `low` and `high`.

    G. Montavon et al., *Explaining nonlinear classification decisions with deep Taylor decomposition*, Pattern
    Recognition 65 (2017): R_i = Σ_j (x_i w_ij − l w⁺_ij − h w⁻_ij) / (Σ_k x_k w_kj − l w⁺_kj − h w⁻_kj) · R_j. Unlike
    other rules it gives relevance to entries that are 0.
    """

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def forward_hook(self, module: Weighted, inputs: tuple[Tensor, ...], outputs: Tensor) -> Tensor:
        """Replace the gradient by the rule, at the layer's output and at its input."""
        (x,) = inputs
        bounds = (torch.full_like(x, self.low), torch.full_like(x, self.high))
        points = [point.requires_grad_() for point in (x.detach().clone(), *bounds)]
        weight = module.weight.detach()
        parts = (weight, weight.clamp(min=0), weight.clamp(max=0))
        with torch.enable_grad():
            at_input, at_low, at_high = (_apply(module, p, w) for p, w in zip(points, parts, strict=True))
            z = at_input - at_low - at_high

        def at_output(relevance: Tensor) -> Tensor:
            """Distribute relevance among the inputs here, and pass nothing on through the layer itself."""
            ratio = relevance / (z + torch.where(z < 0, -1, 1) * self.STABILITY_FACTOR).detach()
            gradients = torch.autograd.grad(z, points, ratio)
            self._divided = torch.stack([p.detach() * g for p, g in zip(points, gradients, strict=True)]).sum(0)
            return torch.zeros_like(relevance)

        self._handle_output_hook = outputs.register_hook(at_output)  # type: ignore[no-untyped-call]
        self._handle_input_hooks = [x.register_hook(self._at_input)]  # type: ignore[no-untyped-call]
        return outputs.clone()

    def _at_input(self, gradient: Tensor) -> Tensor:
        gradient.replace_out = self._divided  # type: ignore[attr-defined]  # captum's rule for activations looks for it
        return self._divided

    def _manipulate_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """Do nothing; the rule needs all three parts of the weights."""


def _apply(module: Weighted, x: Tensor, weight: Tensor) -> Tensor:
    """Apply the layer to `x` with these weights and without bias."""
    if isinstance(module, nn.Linear):
        return nn.functional.linear(x, weight)
    function: Callable[..., Tensor] = module._conv_forward
    return function(x, weight, None)
