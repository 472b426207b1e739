"""A metric of some runs: at one point of each run, and round by round, with an interval over seeds and targets.

Where runs of the same seed and target differ in something else, they are averaged first, for they are no independent
evidence. Of two groups the difference is measured in pairs of the same seed and target. It is often far surer than
either's mean, for most of what makes runs differ is what both have in common; and intervals that overlap do not tell.
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


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a column of some runs."""

    part: "pd.DataFrame"
    column: str

    def numbers(self, at: At) -> tuple["pd.Series[Any]", "pd.DataFrame"]:
        """A number a run, and a number a run and round, of seed, target and cell each."""
        rows = self.part.assign(value=self.part[self.column].astype(float), window=self.part.get("window", True))
        indexed = rows.set_index(["seed", "target_index", "cell", "round"])[["value", "window"]]
        matrix = indexed["value"].unstack("round").sort_index(axis=1)
        return at.of(matrix if at.rounds else matrix.where(_judged(indexed["window"])), self.column), matrix


def measured(part: "pd.DataFrame", column: str, at: At, less: Side | None = None) -> Measured:
    """What a column says of a group's runs, or how much more than `less` says of the same seeds and targets."""
    single, matrix = Side(part, column).numbers(at)
    if less is not None:
        their_single, their_matrix = less.numbers(at)
        single, matrix = single - _counterpart(their_single, single), matrix - _counterpart(their_matrix, matrix)
    single = _finite(single)
    lines = np.array([ends(_interval(_finite(matrix[round_]))) for round_ in matrix.columns]).T
    seeds, targets = (single.index.get_level_values(name).nunique() for name in ("seed", "target_index"))
    return Measured(len(single), seeds, targets, _interval(single), Curve(matrix.columns.to_numpy(), *lines))


def _counterpart(theirs: Any, ours: Any) -> Any:
    """The mean of `theirs` of the same seed and target, for each row of `ours`; missing where there is none."""
    found = theirs.groupby(level=["seed", "target_index"]).mean().reindex(ours.index.droplevel("cell"))
    found.index = ours.index
    return found


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
