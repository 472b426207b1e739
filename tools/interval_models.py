"""Made-up results of several seeds and targets whose population is known, to try intervals on.

A run's value is a quantile of its distribution at √s · seed + √(1 − s) · target, two standard normal draws: the runs
have that distribution whatever s is, the share of the variance (on the normal scale) that lies between seeds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

Array = NDArray[Any]
SHARES = (0.0, 0.3, 0.7, 1.0)
GRID = np.linspace(-6, 6, 4801)


@dataclass(frozen=True)
class Model:
    """Runs' values, or differences of two of the same seed and target.

    Attributes:
        kind: which column of the tables it belongs to.
        of: the distribution of a run.
        less: of the run that it is compared with, if it is.
    """

    kind: str
    of: Any
    less: Any = None

    def draw(self, generator: np.random.Generator, share: float, shape: tuple[int, int, int]) -> Array:
        """Draw values of so many studies, seeds and targets each."""
        values = self._side(self.of, generator, share, shape)
        return values if self.less is None else values - self._side(self.less, generator, share, shape)

    @property
    def mean(self) -> float:
        """The population's."""
        return float(self.of.mean() - (0 if self.less is None else self.less.mean()))

    @staticmethod
    def _side(of: Any, generator: np.random.Generator, share: float, shape: tuple[int, int, int]) -> Array:
        seeds, targets = generator.normal(size=(*shape[:2], 1)), generator.normal(size=shape)
        table = of.ppf(scipy.stats.norm.cdf(GRID))
        values: Array = np.interp(np.sqrt(share) * seeds + np.sqrt(1 - share) * targets, GRID, table)
        return values


NORMAL, SKEWED, PILED, DIFFERENCE = KINDS = ("normal", "skewed", "piled up", "difference")
MODELS = (
    Model(NORMAL, scipy.stats.norm()),
    Model(SKEWED, scipy.stats.expon()),
    Model(SKEWED, scipy.stats.lognorm(1)),
    Model(PILED, scipy.stats.beta(0.2, 0.2)),
    Model(PILED, scipy.stats.beta(0.5, 0.1)),
    Model(DIFFERENCE, scipy.stats.beta(0.5, 0.1), scipy.stats.beta(0.1, 0.5)),
    Model(DIFFERENCE, scipy.stats.expon(), scipy.stats.expon(scale=0.5)),
)
