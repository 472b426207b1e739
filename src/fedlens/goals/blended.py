"""A pattern blended into the whole input.

X. Chen, C. Liu, B. Li, K. Lu and D. Song, *Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning*,
2017 (arXiv 1712.05526), section 4: x̃ = (1 − α) x + α k. Their random pattern is drawn uniformly from all values of an
input, here once and for all at an address of its own, so that it is the same in every experiment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, NonNegativeInt
from typing_extensions import override

from fedlens.core.errors import ConfigError
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Data, Dataset
from fedlens.goals.painting import Pixel
from fedlens.goals.trigger import Trigger, require_measures

if TYPE_CHECKING:
    from torch import Tensor


class Blended(Trigger):
    """A fixed random pattern, mixed into every input.

    Attributes:
        alpha: the pattern's part of the mixture.
        pattern: the number of the pattern; each is another one.
        low: smallest value of the pattern; by default that of the training inputs.
        high: largest value of the pattern; likewise.

    Example:
        >>> import torch
        >>> from fedlens.goals import Blended
        >>> mixed = Blended(alpha=0.5, low=0, high=1).stamp(torch.ones(2, 1, 8, 8))
        >>> bool((mixed[0] == mixed[1]).all()), bool(((0.5 <= mixed) & (mixed <= 1)).all())
        (True, True)
    """

    alpha: float = Field(default=0.2, gt=0, le=1)
    pattern: NonNegativeInt = 0
    low: Pixel | None = None
    high: Pixel | None = None

    @override
    def fitted(self, data: Data, dataset: Dataset) -> Blended:
        require_measures(dataset)
        x = dataset.train.x
        low = float(x.min()) if self.low is None else self.low
        high = float(x.max()) if self.high is None else self.high
        if low > high:
            raise ConfigError(
                f"goal.trigger: the smallest value of the pattern, {low:g}, is above its largest, {high:g}; "
                "e.g. -o goal.trigger.low=null -o goal.trigger.high=null"
            )
        return self.model_copy(update={"low": low, "high": high})

    @override
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        if self.low is None or self.high is None:
            raise ValueError("low and high: are taken from the data by `fitted`; call that before, or give them")
        generator = Address.root(self.pattern).at("blended").generator()
        pattern = torch.from_numpy(generator.uniform(self.low, self.high, size=tuple(x.shape[1:]))).to(x)
        return (1 - self.alpha) * x + self.alpha * pattern
