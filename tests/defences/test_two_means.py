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


def test_one_group() -> None:
    even = np.linspace(0, 1, 20) + np.random.default_rng(1).normal(scale=0.01, size=20)
    assert upper_group(even, 20, np.random.default_rng(0)) is None
    for numbers in ([], [1.0], [1.0, 9.0], [2.0, 2.0, 2.0, 2.0]):
        assert upper_group(np.array(numbers), 20, np.random.default_rng(0)) is None
