"""A patch of pixels of one value: the trigger of BadNets.

T. Gu, B. Dolan-Gavitt and S. Garg, *BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain*,
2017 (arXiv 1708.06733): x̃ = (1 − M) ⊙ x + M ⊙ v, with a mask M in the lower right corner and the brightest value v.
Their single pixel is ``size: 1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeInt, PositiveInt
from typing_extensions import override

from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Data, Dataset
from fedlens.goals.painting import Pixel, Rectangle, brightest, painted, picture_size
from fedlens.goals.trigger import Trigger, require_measures

if TYPE_CHECKING:
    from torch import Tensor

Place = Literal["upper-left", "upper-right", "lower-left", "lower-right", "centre"]


class PixelPatch(Trigger):
    """A rectangle of pixels of one value, in all channels.

    Attributes:
        place: a corner, the ``centre``, or the row and column of the patch's upper left pixel, from 0.
        size: pixels a side, or height and width.
        value: what the pixels are set to; by default the largest value of the training inputs.

    Example:
        >>> import torch
        >>> from fedlens.goals import PixelPatch
        >>> PixelPatch(size=2, value=1).stamp(torch.zeros(1, 1, 4, 4))[0, 0]
        tensor([[0., 0., 0., 0.],
                [0., 0., 0., 0.],
                [0., 0., 1., 1.],
                [0., 0., 1., 1.]])
    """

    place: Place | tuple[NonNegativeInt, NonNegativeInt] = "lower-right"
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 3
    value: Pixel | None = None

    @override
    def fitted(self, data: Data, dataset: Dataset) -> PixelPatch:
        require_measures(dataset)
        height, width = picture_size(dataset.shape)
        top, bottom, left, right = self._rectangle(height, width)
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            side = max(min(height, width) // 4, 1)
            raise ConfigError(
                f"goal.trigger: a patch of {bottom - top}×{right - left} pixels at {self.place} does not fit into "
                f"{height}×{width}; e.g. -o goal.trigger.size={side} -o goal.trigger.place=lower-right"
            )
        return self if self.value is not None else self.model_copy(update={"value": brightest(dataset)})

    @override
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        if self.value is None:
            raise ValueError("value: is taken from the data by `fitted`; call that before, or give one")
        return painted(x, (self._rectangle(*picture_size(tuple(x.shape[1:]))),), self.value)

    def _rectangle(self, height: int, width: int) -> Rectangle:
        """Return the patch's place in images of this size."""
        rows, columns = (self.size, self.size) if isinstance(self.size, int) else self.size
        if isinstance(self.place, tuple):
            top, left = self.place
        elif self.place == "centre":
            top, left = (height - rows) // 2, (width - columns) // 2
        else:
            top = 0 if self.place.startswith("upper") else height - rows
            left = 0 if self.place.endswith("left") else width - columns
        return top, top + rows, left, left + columns
