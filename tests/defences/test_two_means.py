from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlens.defences.two_means import two_means, upper_group


def test_by_hand() -> None:
    """0, 1 and 10: the squares within {0, 1} and {10} are 0.5."""
    upper, within = two_means(np.array([[10.0, 0, 1], [3, 3, 4]]))
    assert upper.tolist() == [[True, False, False], [False, False, True]]
    assert within.tolist() == [0.5, 0]


@given(st.lists(st.floats(0, 1), min_size=3, max_size=7, unique=True))
@settings(max_examples=20)
def test_it_is_the_best_of_all_divisions(numbers: list[float]) -> None:
    column = np.array(numbers)
    sides = [np.array(side) for side in product([False, True], repeat=len(numbers)) if 0 < sum(side) < len(numbers)]
    least = min(sum(part.var() * len(part) for part in (column[side], column[~side])) for side in sides)
    assert two_means(column[None])[1][0] == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1.0, 1e30])
def test_two_groups_are_found_at_any_scale(factor: float) -> None:
    numbers = factor * np.array([0.1, 0.9, 0.11, 0.12, 0.91, 0.1, 0.11])
    found = upper_group(numbers, 20, np.random.default_rng(0))
    assert found is not None
    assert found.nonzero()[0].tolist() == [1, 4]


class Drawn:
    """A generator of these sets."""

    def __init__(self, *sets: list[float]) -> None:
        self.sets = np.array(sets)

    def random(self, shape: tuple[int, int]) -> np.ndarray:
        assert shape == self.sets.shape
        return self.sets


def pairs(wide: float, apart: float) -> list[float]:
    """Squares are wide² within the two pairs, and wide² + apart² about the mean of all."""
    return [0.0, wide, apart, apart + wide]


@pytest.mark.parametrize(
    ("sets", "two"),
    [
        ([pairs(0.1, 0.9)], False),  # as the numbers are themselves: Gap(1) = Gap(2) = 0
        ([pairs(0.101, 0.9)], True),  # Gap(2) = 2 ln 1.01 = 0.0199; Gap(1) = ln(0.820201 / 0.82) = 0.0002
        ([pairs(0.101, 0.912)], False),  # Gap(1) = ln(0.841945 / 0.82) = 0.0264
        ([pairs(0.101, 0.907)], True),  # Gap(1) = ln(0.83285 / 0.82) = 0.0155
        # widths 0.1 e^(x ± 0.1), and squares of 0.82: Gap(2) = 2 x, of deviation 0.2, times √(1 + 1/2) = 0.245
        ([pairs(w, (0.82 - w**2) ** 0.5) for w in (0.1 * np.exp(0.22), 0.1 * np.exp(0.02))], False),
        ([pairs(w, (0.82 - w**2) ** 0.5) for w in (0.1 * np.exp(0.225), 0.1 * np.exp(0.025))], True),
    ],
)
def test_the_gap_statistic_by_hand(sets: list[list[float]], two: bool) -> None:
    """Squares of 0, 0.1, 0.9 and 1 are 0.82 about their mean, and 0.01 within the two pairs."""
    upper = upper_group(np.array([30.0, 21.0, 29.0, 20.0]), len(sets), Drawn(*sets))  # type: ignore[arg-type]
    assert (None if upper is None else upper.tolist()) == ([True, False, True, False] if two else None)


def test_three_numbers_can_be_two_groups() -> None:
    upper = upper_group(np.array([0.0, 1e-6, 1.0]), 20, np.random.default_rng(0))
    assert upper is not None
    assert upper.tolist() == [False, False, True]


def test_one_group() -> None:
    even = np.linspace(0, 1, 20) + np.random.default_rng(1).normal(scale=0.01, size=20)
    assert upper_group(even, 20, np.random.default_rng(0)) is None
    for numbers in ([], [1.0], [1.0, 9.0], [2.0, 2.0, 2.0, 2.0]):
        assert upper_group(np.array(numbers), 20, np.random.default_rng(0)) is None
