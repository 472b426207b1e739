"""A metric of some runs: at one point of each run, and round by round, with an interval over seeds and targets.

Where runs of the same seed and target differ in something else, they are averaged first, for they are no independent
evidence.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fedlens.report.choosing import At
from fedlens.statistics import Interval, bootstrap

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Curve:
    """A metric over the rounds, shape ``[rounds]`` each; `low` and `high` are NaN where there is no interval."""

    rounds: NDArray[Any]
    mean: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]


@dataclass(frozen=True)
class Measured:
    """A metric of a group of runs.

    Attributes:
        runs: how many runs have it.
        seeds: how many seeds these have.
        targets: how many targets, that is, test samples or sets of these.
        interval: its mean with the interval; ``None`` where no run has it.
        curve: the same round by round.
    """

    runs: int
    seeds: int
    targets: int
    interval: Interval | None
    curve: Curve


def measured(part: "pd.DataFrame", column: str, at: At) -> Measured:
    """What a column says of a group's runs."""
    rows = part.assign(value=part[column].astype(float), window=part.get("window", True))
    indexed = rows.set_index(["seed", "target_index", "cell", "round"])[["value", "window"]]
    matrix = indexed["value"].unstack("round").sort_index(axis=1)
    single = _finite(at.of(matrix if at.rounds else matrix.where(_judged(indexed["window"])), column))
    lines = np.array([ends(_interval(_finite(matrix[round_]))) for round_ in matrix.columns]).T
    seeds, targets = (single.index.get_level_values(name).nunique() for name in ("seed", "target_index"))
    return Measured(len(single), seeds, targets, _interval(single), Curve(matrix.columns.to_numpy(), *lines))


def _judged(window: "pd.Series[Any]") -> "pd.DataFrame":
    """The rounds of each run's window, of its row in the matrix; where none was played, or none is known, all."""
    found = window.unstack("round").sort_index(axis=1).astype("boolean").fillna(False)
    judged: pd.DataFrame = found.where(found.any(axis=1), True)
    return judged


def _finite(values: "pd.Series[Any]") -> "pd.Series[Any]":
    found: pd.Series[Any] = values[np.isfinite(values)]
    return found


def _interval(values: "pd.Series[float]") -> Interval | None:
    """The interval of values that are indexed by seed and target, over these."""
    if values.empty:
        return None
    units = values.groupby(level=["seed", "target_index"]).mean()
    return bootstrap(units.to_numpy(), units.index.get_level_values("seed").to_numpy())


def ends(interval: Interval | None) -> list[float]:
    """Mean, low and high, NaN where there is none."""
    found = (None, None, None) if interval is None else (interval.value, interval.low, interval.high)
    return [float("nan") if value is None else value for value in found]
