"""Layer-wise relevance propagation: a logit is distributed backwards, layer by layer, to the inputs.

- `LrpZ`, `LrpEpsilon`: S. Bach et al., *On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise
  Relevance Propagation*, PLOS ONE 10(7) (2015): R_i = Σ_j x_i w_ij / (z_j + ε sign z_j) · R_j;
  z is the rule of ε = 0 (here 10⁻⁹).
- `LrpGamma`: G. Montavon et al., *Layer-Wise Relevance Propagation: An Overview*, 2019: with w + γ w⁺ for w.
- `LrpAlpha1Beta0`: Bach et al. with α = 1, β = 0: with w⁺ for w.
- `DeepTaylor`: G. Montavon et al., *Explaining nonlinear classification decisions with deep Taylor decomposition*,
  Pattern Recognition 65 (2017): the same in all layers but the first, which has the rule for bounded inputs.

A layer's bias absorbs its part of the relevance, except under rules with positive weights only: these leave it out, as
a negative bias could bring the denominator to any value. Without biases relevances add up to the logit, up to ε. α = 1,
β = 0 and deep Taylor assume inputs that are not negative; their maps of a negative logit are negative.

captum propagates; `fedlens.explanations.methods.relevance_rules` adds the rules that it lacks. Max pooling passes
relevance to the maximum.
"""

import torch
from pydantic import NonNegativeFloat, model_validator
from torch import Tensor, nn
from typing_extensions import override

from fedlens.core.errors import ExplanationError
from fedlens.explanations.methods.method import Method
from fedlens.models.dropout import Dropout

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_POOLING = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_THROUGH = (nn.Flatten, nn.Unflatten, nn.Identity, Dropout)


class LrpZ(Method):
    """Relevance in proportion to x_i w_ij.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import LrpZ
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=LrpZ())
        tensor([[ 5., -2.]])
    """

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr._utils.lrp_rules import EpsilonRule

        return propagate(model, inputs, classes, [EpsilonRule() for _ in weighted(model, inputs)])


class LrpEpsilon(Method):
    """Relevance in proportion to x_i w_ij, part of which ε absorbs.

    Attributes:
        epsilon: what is added to the denominators; the authors' is 1.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import LrpEpsilon
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=LrpEpsilon(epsilon=1))
        tensor([[ 3.7500, -1.5000]])
    """

    epsilon: NonNegativeFloat = 1.0

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr._utils.lrp_rules import EpsilonRule

        stable = max(self.epsilon, EpsilonRule().STABILITY_FACTOR)
        return propagate(model, inputs, classes, [EpsilonRule(stable) for _ in weighted(model, inputs)])


class LrpGamma(Method):
    """Relevance that prefers positive weights.

    Attributes:
        gamma: by how much.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import LrpGamma
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=LrpGamma(gamma=1))
        tensor([[ 3.7500, -0.7500]])
    """

    gamma: NonNegativeFloat = 0.25

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr._utils.lrp_rules import GammaRule

        return propagate(model, inputs, classes, [GammaRule(self.gamma) for _ in weighted(model, inputs)])


class LrpAlpha1Beta0(Method):
    """Relevance by positive weights only.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import LrpAlpha1Beta0
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=LrpAlpha1Beta0())
        tensor([[3., 0.]])
    """

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule

        rules = [Alpha1_Beta0_Rule(set_bias_to_zero=True) for _ in weighted(model, inputs)]
        return propagate(model, inputs, classes, rules)


class DeepTaylor(Method):
    """Deep Taylor decomposition.

    Attributes:
        low: the least value of an input's entries.
        high: the greatest.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import DeepTaylor
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=DeepTaylor(low=0, high=10))
        tensor([[0.6522, 2.3478]])
    """

    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _bounds(self) -> "DeepTaylor":
        if self.low >= self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        return self

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule

        from fedlens.explanations.methods.relevance_rules import BoundedInput

        others = [Alpha1_Beta0_Rule(set_bias_to_zero=True) for _ in weighted(model, inputs)[1:]]
        return propagate(model, inputs, classes, [BoundedInput(self.low, self.high), *others])


def weighted(model: nn.Module, inputs: Tensor) -> list[nn.Module]:
    """Return the layers with weights that captum has rules for, in the order in which the model calls them.

    Raises:
        ExplanationError: there is none.
    """
    called: list[nn.Module] = []
    layers = [layer for layer in model.modules() if isinstance(layer, _WEIGHTED)]
    handles = [layer.register_forward_pre_hook(lambda layer, _: called.append(layer)) for layer in layers]
    try:
        with torch.no_grad():
            model(inputs[:1])
    finally:
        for handle in handles:
            handle.remove()
    if not called:
        raise ExplanationError(
            "model: it has no linear or convolutional layer to propagate relevance through; e.g. --methods gradient"
        )
    return list(dict.fromkeys(called))


def propagate(model: nn.Module, inputs: Tensor, classes: Tensor, rules: list[object]) -> Tensor:
    """Return relevances of the logits of `classes`, by a rule for each of the `weighted` layers.

    Raises:
        ExplanationError: captum cannot propagate relevance through the model.
    """
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    from fedlens.explanations.methods.relevance_rules import Through

    chosen: dict[nn.Module, object] = dict(zip(weighted(model, inputs), rules, strict=True))
    for layer in model.modules():
        if layer in chosen:
            layer.rule = chosen[layer]  # type: ignore[assignment]
        elif isinstance(layer, _POOLING):
            layer.rule = EpsilonRule()
        elif isinstance(layer, _THROUGH):
            layer.rule = Through()
    try:
        whole = nn.Sequential(model)  # captum applies rules to the layers in a module, not to a module that is one
        return LRP(whole).attribute(inputs, target=classes)  # type: ignore[no-any-return]
    except (TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ExplanationError(
            f"model: relevance cannot be propagated through it ({reason}); choose a method that takes any model, such "
            "as integrated-gradients or occlusion"
        ) from error
