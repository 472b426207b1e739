"""A patch of pixels that attackers train: the trigger of A3FL.

H. Zhang, J. Jia, J. Chen, L. Lin and D. Wu, *A3FL: Adversarially Adaptive Backdoor Attacks to Federated Learning*
(NeurIPS 2023). Their patch has 5 × 5 pixels at row and column 2, all 0.5 to begin with. An attack that trains it,
`fedlens.attacks.a3fl`, keeps the pixels from round to round, and a model is tested with those of its round.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeInt, PositiveInt
from typing_extensions import override

from fedlens.core.errors import ConfigError
from fedlens.core.lazy import torch
from fedlens.data.dataset import Data, Dataset
from fedlens.goals.painting import Pixel, picture_size
from fedlens.goals.trigger import Trigger, require_measures

if TYPE_CHECKING:
    from torch import Tensor

KEY = "trigger"
"""What the patch is called in the state that a team keeps."""


class TrainedPatch(Trigger):
    """A square of pixels, each of a value of its own in each channel, which attackers train.

    Attributes:
        size: pixels a side.
        place: row and column of its upper left pixel, from 0.
        start: value of all its pixels before anybody has trained them.
        pattern: values of its pixels, channel by channel and row by row; by default all `start`.
        low: the smallest value that a pixel may have; by default that of the training inputs.
        high: the largest one; by default that of the training inputs.

    Example:
        >>> import torch
        >>> from fedlens.goals import TrainedPatch
        >>> trigger = TrainedPatch(size=2, place=(0, 1))
        >>> trigger.stamp(torch.zeros(1, 1, 2, 3))[0, 0]
        tensor([[0.0000, 0.5000, 0.5000],
                [0.0000, 0.5000, 0.5000]])
        >>> trained = trigger.trained({"trigger": torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])})
        >>> trained.stamp(torch.zeros(1, 1, 2, 3))[0, 0]
        tensor([[0., 1., 0.],
                [0., 0., 1.]])
    """

    trains: ClassVar[bool] = True

    size: PositiveInt = 5
    place: tuple[NonNegativeInt, NonNegativeInt] = (2, 2)
    start: Pixel = 0.5
    pattern: tuple[Pixel, ...] | None = None
    low: Pixel | None = None
    high: Pixel | None = None

    @override
    def fitted(self, data: Data, dataset: Dataset) -> TrainedPatch:
        require_measures(dataset)
        height, width = picture_size(dataset.shape)
        if self.place[0] + self.size > height or self.place[1] + self.size > width:
            side = max(min(height, width) // 4, 1)
            raise ConfigError(
                f"goal.trigger: a patch of {self.size}×{self.size} pixels at {self.place} does not fit into "
                f"{height}×{width}; e.g. -o goal.trigger.size={side} -o 'goal.trigger.place=[0, 0]'"
            )
        pixels = self.size**2 * (prod(dataset.shape) // (height * width))
        if self.pattern is not None and len(self.pattern) != pixels:
            raise ConfigError(
                f"goal.trigger.pattern: has {len(self.pattern)} values for {pixels} pixels in all channels; e.g. "
                "-o goal.trigger.pattern=null"
            )
        x = dataset.train.x
        low = float(x.min()) if self.low is None else self.low
        high = float(x.max()) if self.high is None else self.high
        return self.model_copy(update={"low": low, "high": high})

    @override
    def trained(self, state: Mapping[str, Tensor]) -> TrainedPatch:
        if KEY not in state:
            return self
        return self.model_copy(update={"pattern": tuple(state[KEY].flatten().tolist())})

    @override
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        return self.put(x, self.pixels(x))

    def pixels(self, x: Tensor) -> Tensor:
        """Return its pixels for inputs like `x` (``[n, ...]``), shape ``[channels, size, size]``."""
        height, width = picture_size(tuple(x.shape[1:]))
        shape = prod(x.shape[1:]) // (height * width), self.size, self.size
        if self.pattern is None:
            return x.new_full(shape, self.start)
        return torch.tensor(self.pattern, dtype=x.dtype, device=x.device).reshape(shape)

    def put(self, x: Tensor, pixels: Tensor) -> Tensor:
        """Return the inputs `x` (``[n, ...]``) with these `pixels`, ``[channels, size, size]``, with a gradient."""
        height, width = picture_size(tuple(x.shape[1:]))
        images = x.clone().reshape(len(x), -1, height, width)
        top, left = self.place
        images[:, :, top : top + self.size, left : left + self.size] = pixels
        return images.reshape(x.shape)

    def clamped(self, pixels: Tensor) -> Tensor:
        """Return `pixels` with values that inputs may have."""
        return pixels.clamp(self.low, self.high)
