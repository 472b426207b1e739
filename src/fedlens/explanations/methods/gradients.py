"""Explanations by the gradient of a class's logit with respect to the input.

- `Gradient`: K. Simonyan, A. Vedaldi and A. Zisserman, *Deep Inside Convolutional Networks*, ICLR workshop 2014; here
  with its sign.
- `InputTimesGradient`: A. Shrikumar et al., *Not Just a Black Box*, 2016.
- `SmoothGrad`: D. Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017: the mean gradient at noisy copies
  of the input, not squared. Every sample gets the same noise, so that two models, or a sample alone and in a batch, are
  explained with equal draws: those which captum's noise tunnel makes of one sample after ``torch.manual_seed(seed)``.
- `IntegratedGradients`: M. Sundararajan, A. Taly and Q. Yan, *Axiomatic Attribution for Deep Networks*, ICML 2017: the
  integral along the line from a baseline, by Gauss-Legendre quadrature. Its entries add up to the difference of the
  logits.

The gradients are captum's (N. Kokhlikyan et al., *Captum*, 2020).
"""

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from typing_extensions import override

from fedlens.explanations.methods.method import Method

_MOST_STEPS = 4096


class Gradient(Method):
    """The gradient: how much the logit changes with each entry.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import Gradient
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=Gradient())
        tensor([[ 1., -2.]])
    """

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr import Saliency

        return Saliency(model).attribute(inputs, target=classes, abs=False)  # type: ignore[no-any-return]


class InputTimesGradient(Method):
    """Input times gradient.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import InputTimesGradient
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=InputTimesGradient())
        tensor([[ 5., -2.]])
    """

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr import InputXGradient

        return InputXGradient(model).attribute(inputs, target=classes)  # type: ignore[no-any-return]


class SmoothGrad(Method):
    """The mean gradient at copies of the input with Gaussian noise.

    Attributes:
        samples: how many copies.
        noise: the noise's standard deviation, in the units of the inputs.
        seed: where the noise begins.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import SmoothGrad
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=SmoothGrad(samples=4))
        tensor([[ 1., -2.]])
    """

    samples: PositiveInt = 25
    noise: NonNegativeFloat = 0.1
    seed: NonNegativeInt = 0

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        source = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(self.samples, *inputs.shape[1:], dtype=inputs.dtype, generator=source).to(inputs.device)
        noisy = (inputs[:, None] + self.noise * noise).flatten(0, 1)
        gradients = Gradient().attribute(model, noisy, classes.repeat_interleave(self.samples))
        return gradients.view(len(inputs), self.samples, *inputs.shape[1:]).mean(1)

    @property
    @override
    def copies(self) -> int:
        return self.samples


class IntegratedGradients(Method):
    """The gradient's integral along the line from a baseline to the input, times their difference.

    Attributes:
        steps: points of the line at which the gradient is taken.
        baseline: the value of every entry where the line begins.
        tolerance: how far, as a share of the difference of the logits, the entries' sum may be from it: samples that
            are further off get twice as many steps, and again, up to 4,096. ``None``: none gets more.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import IntegratedGradients
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=IntegratedGradients(steps=8))
        tensor([[ 5., -2.]])
    """

    steps: PositiveInt = 64
    baseline: float = 0.0
    tolerance: PositiveFloat | None = None

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        steps, maps = self.steps, self._integrate(model, inputs, classes, self.steps)
        while self.tolerance is not None and steps < _MOST_STEPS:
            off = (incompleteness(model, inputs, classes, maps, self.baseline) > self.tolerance).nonzero()[:, 0]
            if not len(off):
                break
            steps *= 2
            for indices in torch.split(off, max(1, len(inputs) * self.steps // steps)):
                maps[indices] = self._integrate(model, inputs[indices], classes[indices], steps)
        return maps

    def _integrate(self, model: nn.Module, inputs: Tensor, classes: Tensor, steps: int) -> Tensor:
        from captum.attr import IntegratedGradients as Integrated

        return Integrated(model).attribute(inputs, self.baseline, target=classes, n_steps=steps)  # type: ignore[no-any-return]

    @property
    @override
    def copies(self) -> int:
        return self.steps


def incompleteness(model: nn.Module, inputs: Tensor, classes: Tensor, maps: Tensor, baseline: float = 0.0) -> Tensor:
    """Return how far each map's sum is from the difference of the logits, as a share of it; ``[n]``.

    Args:
        model: from inputs to logits, in evaluation mode.
        inputs: ``[n, ...]``.
        classes: the class that each map explains, ``[n]``.
        maps: of the inputs' shape.
        baseline: the value of every entry where the difference begins.
    """
    with torch.no_grad():
        difference = model(inputs) - model(torch.full_like(inputs[:1], baseline))
    of_class: Tensor = difference.gather(1, classes[:, None])[:, 0]
    off = (maps.flatten(1).sum(1) - of_class).abs()
    return off / of_class.abs().clamp_min(torch.finfo(of_class.dtype).tiny)
