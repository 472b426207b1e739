"""A metric of some runs: at one point of each run, and round by round, with an interval over seeds and targets.

Where runs of the same seed and target differ in something else, they are averaged first, for they are no independent
evidence. Of two groups the difference is measured in pairs of runs that are alike in all else. It is often far surer
than either's mean, for most of what makes runs differ is what both have in common; and intervals that overlap do not
tell.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedlens.report.choosing import At
from fedlens.statistics import Interval, bootstrap

if TYPE_CHECKING:
    import pandas as pd

PAIRED = ["seed", "target_index", "pair"]
"""What both runs of a pair have in common: ``pair`` is what else the comparison wants alike."""


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


class Side(NamedTuple):
    """One side of a difference: a column of some runs, which have what makes a pair in their column ``pair``."""

    part: "pd.DataFrame"
    column: str


def measured(part: "pd.DataFrame", column: str, at: At, less: Side | None = None) -> Measured:
    """What a column says of a group's runs, or how much more than `less` says in the rounds that both sides have."""
    matrix, judged = _rounds(part, column)
    if less is None:
        single = _single(matrix, judged, at, column)
    else:
        theirs, their_judged = _counterpart(less, matrix)
        both = matrix.notna() & theirs.notna()
        matrix, theirs = matrix.where(both), theirs.where(both)
        ours, other = (_single(side, judged & their_judged, at, column) for side in (matrix, theirs))
        single, matrix = ours - other, matrix - theirs
    single = _finite(single)
    lines = np.array([ends(_interval(_finite(matrix[round_]))) for round_ in matrix.columns]).T
    seeds, targets = (single.index.get_level_values(name).nunique() for name in ("seed", "target_index"))
    return Measured(len(single), seeds, targets, _interval(single), Curve(matrix.columns.to_numpy(), *lines))


def _rounds(part: "pd.DataFrame", column: str) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """A row for each run, of seed, target, pair and cell, and a column for each round; and which rounds are judged.

    Those are the rounds of a run's window; where none was played, or none is known, all.
    """
    rows = part.assign(value=part[column].astype(float), window=part.get("window", True), pair=part.get("pair", ""))
    indexed = rows.set_index([*PAIRED, "cell", "round"])[["value", "window"]]
    matrix = indexed["value"].unstack("round").sort_index(axis=1)
    window = indexed["window"].unstack("round").sort_index(axis=1).astype("boolean").fillna(False)
    return matrix, window.where(window.any(axis=1), True).astype(bool)


def _counterpart(less: Side, matrix: "pd.DataFrame") -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The same of the other side, for each row and round of `matrix`; missing where it has no such run or round."""
    theirs, judged = _rounds(less.part, less.column)
    rows = matrix.reset_index("cell", drop=True).index
    found = theirs.groupby(level=PAIRED).mean().reindex(index=rows, columns=matrix.columns)
    chosen = judged.groupby(level=PAIRED).all().reindex(index=rows, columns=matrix.columns, fill_value=False)
    return found.set_axis(matrix.index), chosen.set_axis(matrix.index)


def _single(matrix: "pd.DataFrame", judged: "pd.DataFrame", at: At, column: str) -> "pd.Series[Any]":
    """A number a run."""
    return at.of(matrix if at.rounds else matrix.where(judged), column)


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
