"""Explanations by covering a part of the input: by how much does the logit fall?

M. D. Zeiler and R. Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014. captum covers the parts.
"""

from pydantic import PositiveInt
from torch import Tensor, nn

from fedlens.core.errors import ExplanationError
from fedlens.explanations.methods.method import Method


class Occlusion(Method):
    """How much the logit falls when a square of an image, all channels of it, or an entry of a record is covered.

    Attributes:
        size: the square's side in pixels, less than the image's; by default 4, and a single entry of anything else.
        stride: from one square to the next; by default its side. Where squares overlap, their values are averaged.
        baseline: the value that covers.
    """

    size: PositiveInt | None = None
    stride: PositiveInt | None = None
    baseline: float = 0.0

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        """See `Method.attribute`."""
        from captum.attr import Occlusion as Covered

        image = inputs.dim() == 4
        size = self.size or (4 if image else 1)
        stride = min(self.stride or size, size)
        whole = inputs.shape[2 if image else 1 :]
        if self.size is not None and size >= max(whole):
            raise ExplanationError(f"occlusion: size {size} covers the whole input; choose less than {max(whole)}")
        sides = [min(size, side) for side in whole]
        steps = [min(stride, side) for side in sides]
        channels = (inputs.shape[1],) if image else ()
        shapes = ((*channels, *sides), (*channels, *steps))
        falls: Tensor = Covered(model).attribute(inputs, *shapes, self.baseline, target=classes)
        return falls.to(inputs.dtype)  # captum's are float32
