"""A trigger in four parts, of which each attacker stamps one: the trigger of DBA.

C. Xie, K. Huang, P.-Y. Chen and B. Li, *DBA: Distributed Backdoor Attacks against Federated Learning* (ICLR 2020): four
bars, two above two; size TS, gap TG and place TL are theirs. The default is that for MNIST: rows 0 and 3, columns 0 to
3 and 6 to 9. For CIFAR-10 they take a size of 6 and a gap of 3. A model is tested with the whole trigger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveInt
from typing_extensions import override

from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Data, Dataset
from fedlens.goals.painting import Pixel, Rectangle, brightest, painted, picture_size
from fedlens.goals.trigger import Trigger, require_measures

if TYPE_CHECKING:
    from torch import Tensor


class Distributed(Trigger):
    """Four bars of pixels, two above two, each a part of its own.

    Attributes:
        size: pixels of a bar (TS); it is one pixel high.
        gap: pixels between bars, across and down (TG).
        place: row and column of the first bar's left pixel, from 0 (TL).
        value: what the pixels are set to; by default the largest value of the training inputs.

    Example:
        >>> import torch
        >>> from fedlens.goals import Distributed
        >>> trigger = Distributed(size=2, gap=1, value=1)
        >>> trigger.stamp(torch.zeros(1, 1, 4, 5))[0, 0]
        tensor([[1., 1., 0., 1., 1.],
                [0., 0., 0., 0., 0.],
                [1., 1., 0., 1., 1.],
                [0., 0., 0., 0., 0.]])
        >>> trigger.stamp(torch.zeros(1, 1, 4, 5), part=1)[0, 0, 0]
        tensor([0., 0., 0., 1., 1.])
    """

    size: PositiveInt = 4
    gap: NonNegativeInt = 2
    place: tuple[NonNegativeInt, NonNegativeInt] = (0, 0)
    value: Pixel | None = None

    @property
    @override
    def parts(self) -> int:
        return 4

    @override
    def fitted(self, data: Data, dataset: Dataset) -> Distributed:
        require_measures(dataset)
        height, width = picture_size(dataset.shape)
        _, bottom, _, right = self._bars()[-1]
        if bottom > height or right > width:
            size, gap = max(width // 3, 1), max(min(width // 8, height // 4), 1)
            place = " -o 'goal.trigger.place=[0, 0]'" if self.place != (0, 0) else ""
            raise ConfigError(
                f"goal.trigger: the bars reach to row {bottom - 1} and column {right - 1}, outside images of "
                f"{height}×{width} pixels; e.g. -o goal.trigger.size={size} -o goal.trigger.gap={gap}{place}"
            )
        return self if self.value is not None else self.model_copy(update={"value": brightest(dataset)})

    @override
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        if self.value is None:
            raise ValueError("value: is taken from the data by `fitted`; call that before, or give one")
        bars = self._bars()
        return painted(x, bars if part is None else (bars[part],), self.value)

    def _bars(self) -> tuple[Rectangle, ...]:
        """Return the bars, row by row."""
        top, left = self.place
        corners = [(top + down * (self.gap + 1), left + across * (self.gap + self.size))
                   for down in (0, 1) for across in (0, 1)]  # fmt: skip
        return tuple((row, row + 1, column, column + self.size) for row, column in corners)
