"""Explanations by covering parts of the input: how much does the logit fall?

M. D. Zeiler and R. Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014. captum covers the parts.
"""

from pydantic import PositiveInt
from torch import Tensor, nn
from typing_extensions import override

from fedlens.core.errors import ExplanationError
from fedlens.explanations.methods.method import Method


class Occlusion(Method):
    """The fall of the logit when a square of an image, in all channels, or an entry of a record is covered.

    Attributes:
        size: the square's side in pixels, less than the image's; by default 4, and a single entry of anything else.
        stride: from one square to the next; by default its side. Where squares overlap, their values are averaged.
        baseline: the value that covers.

    Example:
        >>> import torch
        >>> from fedlens import explain
        >>> from fedlens.explanations.methods import Occlusion
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> explain(model, torch.tensor([[5.0, 1.0]]), target=0, method=Occlusion())
        tensor([[ 5., -2.]])
    """

    size: PositiveInt | None = None
    stride: PositiveInt | None = None
    baseline: float = 0.0

    @override
    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        from captum.attr import Occlusion as Covered

        is_image = inputs.dim() == 4
        size = self.size or (4 if is_image else 1)
        stride = min(self.stride or size, size)
        extent = inputs.shape[2 if is_image else 1 :]
        if self.size is not None and size >= max(extent):
            raise ExplanationError(f"occlusion: size {size} covers the whole input; choose less than {max(extent)}")
        sides = [min(size, side) for side in extent]
        steps = [min(stride, side) for side in sides]
        channels = (inputs.shape[1],) if is_image else ()
        shapes = ((*channels, *sides), (*channels, *steps))
        falls: Tensor = Covered(model).attribute(inputs, *shapes, self.baseline, target=classes)
        return falls.to(inputs.dtype)  # captum's are float32
