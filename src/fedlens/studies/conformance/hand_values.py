"""Values computed by hand: what methods make of a few small numbers, by their papers' formulas."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedlens.studies.conformance.case import Case, Cohort, Rows, Value, column


def _case(name: str, rows: Rows, right: Rows, **options: Value) -> Case:
    return Case(f"by hand: {name}", (Cohort.of(rows),), options, (right,))


LINE = column(0, 1, 2, 10)
SEVEN = column(0, 1, 2, 3, 4, 50, 60)
CLIPPED = np.array([[3.0, 4.0], [0.0, 0.0]])

HAND: Mapping[str, tuple[Case, ...]] = {
    "mean": (_case("of 0, 1, 2, 10", LINE, column(3.25)),),
    "median": (
        _case("of an odd number", column(5, 1, 3), column(3)),
        _case("of an even number, between the middle two", LINE, column(1.5)),
    ),
    "trimmed-mean": (
        _case("of 0, 1, 2, 10 without the ends", LINE, column(1.5), f=1),
        _case("of 7 without two at each end", SEVEN, column(3), f=2),
        _case("f = 0 is the mean", LINE, column(3.25), f=0),
    ),
    "krum": (
        _case(
            "the least sum of squared distances to the n - f - 2 nearest", column(0, 1, 2.5, 10, 4.5), column(1), f=1
        ),
        _case("plain distances would choose 24", column(2, 4, 8, 18, 24, 25, 27), column(18), f=1),
    ),
    "krum-authors": (_case("plain distances", column(2, 4, 8, 18, 24, 25, 27), column(24), f=1),),
    "nnm": (
        _case("means of the n - f nearest", LINE, column(1, 1, 1, 13 / 3), f=1),
        _case("f = 0: all the mean", LINE, column(3.25, 3.25, 3.25, 3.25), f=0),
    ),
    "inner-product-manipulation": (
        _case("−ε times the mean", np.array([[1.0, 0.0], [3.0, 2.0]]), np.array([[-1.0, -0.5]]), eps=0.5),
    ),
    "a-little-is-enough": (
        _case("z = 1, σ of the population", column(1, 2, 3), column(2 - (2 / 3) ** 0.5), z=1.0),
        _case("z = 1, σ of a sample", column(1, 2, 3), column(1), z=1.0, sigma="sample"),
    ),
    "min-max": (_case("no further from anybody than the farthest two", column(0, 2, 7), column(0), direction="unit"),),
    "min-sum": (
        _case("sums 53, 29, 74: 26 + 3γ² ≤ 74", column(0, 2, 7), column(-1), direction="unit"),
        _case("bounded by the least sum", column(0, 2, 7), column(2), direction="unit", bound="min"),
    ),
    "rlr": (
        _case(
            "η turned where fewer than four agree",
            np.array([[1.0, 1], [1, 1], [1, 1], [1, 1], [1, -1]]),
            np.array([[1.0, 1], [1, 1], [1, 1], [1, 1], [1, -1]]) * np.array([1, -1]),
            theta=4,
        ),
    ),
    "centred-clipping": (
        Case(
            "by hand: one pass about 0",
            (Cohort.of(CLIPPED),),
            {"tau": 1.0, "iterations": 1},
            (np.array([[0.3, 0.4]]),),
        ),
    ),
    "fltrust": (
        Case(
            "by hand: cosines 1, 0, -1 and 0.6 with (1, 0)",
            (Cohort(np.array([[2.0, 0], [0, 3], [-1, 0], [3, 4]]), (0, 1, 2, 3), trusted=np.array([1.0, 0])),),
            right=(np.array([[0.85, 0.3]]),),
        ),
    ),
    "foolsgold": (
        _case(
            "two that are identical count nothing",
            np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
            np.array([[0.0, 1.0]]),
        ),
    ),
}
"""By the methods' names."""
