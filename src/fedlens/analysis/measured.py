"""A metric of some runs: at one point of each run, and round by round, with an interval over seeds.

Where runs of the same seed and target differ in something else, they are averaged first, for they are no independent
evidence. What is true or false of a run is a rate; of numbers there is the median over seeds, of each one's mean over
its targets (`fedlens.analysis.intervals`). Of two groups the difference is measured in pairs of runs that are alike in
all else. It is often far surer than either's median, for most of what makes runs differ is what both have in common;
and intervals that overlap do not tell.
"""

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedlens.analysis.choosing import At
from fedlens.analysis.intervals import Interval, estimate, rate

if TYPE_CHECKING:
    import pandas as pd

PAIRED = ["seed", "target_index", "pair"]
"""What both runs of a pair have in common: ``pair`` is what else the comparison wants alike."""


@dataclass(frozen=True)
class Curve:
    """A metric over the rounds, shape ``[rounds]`` each.

    Attributes:
        rounds: their numbers.
        value: the median over seeds, or the rate; NaN where no run has the metric.
        low: where its interval begins; NaN where there is none.
        high: where it ends; likewise.
        seeds: the value of each seed, ``[rounds, seeds]``; NaN where it has none.
    """

    rounds: NDArray[Any]
    value: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    seeds: NDArray[Any]


@dataclass(frozen=True)
class Measured:
    """A metric of a group of runs.

    Attributes:
        runs: how many runs have it.
        seeds: how many seeds these have.
        targets: how many targets, that is, test samples or sets of these; 0 for another goal, which has none.
        rate: whether it is true or false of a run, so that it is a rate in place of a median.
        mean: the mean over seeds, of each one's mean; NaN where no run has it.
        interval: its median over seeds, or rate, with the interval; ``None`` where no run has it.
        curve: the same round by round.
    """

    runs: int
    seeds: int
    targets: int
    rate: bool
    mean: float
    interval: Interval | None
    curve: Curve


class Side(NamedTuple):
    """One side of a difference: a column of some runs, which have what makes a pair in their column ``pair``."""

    part: "pd.DataFrame"
    column: str


def measured(part: "pd.DataFrame", column: str, at: At, less: Side | None = None) -> Measured:
    """Measure a column of a group's runs, or its difference from `less` in the rounds that both sides have."""
    from pandas.api.types import is_bool_dtype

    if part.empty:  # of cells that cannot be judged
        nothing = np.empty(0)
        return Measured(0, 0, 0, False, nan, None, Curve(nothing, nothing, nothing, nothing, np.empty((0, 0))))
    matrix, judged = _rounds(part, column)
    if less is None:
        single = _single(matrix, judged, at, column)
    else:
        theirs, their_judged = _counterpart(less, matrix)
        both = matrix.notna() & theirs.notna()
        matrix, theirs = matrix.where(both), theirs.where(both)
        ours, other = (_single(side, judged & their_judged, at, column) for side in (matrix, theirs))
        single, matrix = ours - other, matrix - theirs
    truths = less is None and is_bool_dtype(part[column].dropna().infer_objects())
    single = _finite(single)
    at_once, over_rounds = _by_seed(single), _by_seed(matrix.where(np.isfinite(matrix)))
    value, low, high = np.array([ends(_interval(over_rounds[r].dropna(), truths)) for r in matrix.columns]).T
    return Measured(
        runs=len(single),
        seeds=len(at_once),
        targets=len({*single.index.get_level_values("target_index")} - {""}),
        rate=truths,
        mean=float(at_once.mean()),
        interval=_interval(at_once, truths),
        curve=Curve(matrix.columns.to_numpy(), value, low, high, over_rounds.to_numpy().T),
    )


def _rounds(part: "pd.DataFrame", column: str) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Return a row for each run, of seed, target, pair and cell, a column for each round, and which rounds are judged.

    Those are the rounds of a run's window; where none was played, or none is known, all.
    """
    rows = part.assign(value=part[column].astype(float), window=part.get("window", True), pair=part.get("pair", ""))
    indexed = rows.set_index([*PAIRED, "cell", "round"])[["value", "window"]]
    matrix = indexed["value"].unstack("round").sort_index(axis=1)
    window = indexed["window"].unstack("round").sort_index(axis=1).astype("boolean").fillna(False)
    return matrix, window.where(window.any(axis=1), True).astype(bool)


def _counterpart(less: Side, matrix: "pd.DataFrame") -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Return the same of the other side, for each row and round of `matrix`; missing where it has no such cell."""
    theirs, judged = _rounds(less.part, less.column)
    rows = matrix.reset_index("cell", drop=True).index
    values = theirs.groupby(level=PAIRED).mean().reindex(index=rows, columns=matrix.columns)
    chosen = judged.groupby(level=PAIRED).all().reindex(index=rows, columns=matrix.columns, fill_value=False)
    return values.set_axis(matrix.index), chosen.set_axis(matrix.index)


def _single(matrix: "pd.DataFrame", judged: "pd.DataFrame", at: At, column: str) -> "pd.Series[Any]":
    """Return a number for each run."""
    return at.of(matrix if at.rounds else matrix.where(judged), column)


def _finite(values: "pd.Series[Any]") -> "pd.Series[Any]":
    finite: pd.Series[Any] = values[np.isfinite(values)]
    return finite


def _by_seed(values: Any) -> Any:
    """Average over each seed's targets, in a series or in each column; runs of the same target are averaged first."""
    return values.groupby(level=["seed", "target_index"]).mean().groupby(level="seed").mean()


def _interval(of_seeds: "pd.Series[float]", truths: bool) -> Interval | None:
    """Return the interval of a value for each seed."""
    if of_seeds.empty:
        return None
    return (rate if truths else estimate)(of_seeds.to_numpy(), of_seeds.index.to_numpy())


def ends(interval: Interval | None) -> list[float]:
    """Return value, low and high, NaN where there is none."""
    numbers = (None, None, None) if interval is None else (interval.value, interval.low, interval.high)
    return [float("nan") if value is None else value for value in numbers]
